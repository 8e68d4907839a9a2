//! Images of gratings: what P_T and π keep of a corruption depends on its spectrum.

use std::f64::consts::TAU;

use ndarray::Array1;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, square_norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::figure::{AxisSpec, Colours, Content, Figure, GalleryImage, GalleryRow, Series};
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::statistics::{log_log_slope, mean};

use super::general::mixed;

/// n = side².
const SIDES: [usize; 5] = [8, 16, 32, 64, 128];
/// Wavevectors (k_y, k_x).
const WAVES: [[i32; 2]; 2] = [[1, 2], [3, -1]];
const AMPLITUDE: f64 = 0.25;
/// Standard deviation of white noise, below the amplitude so that the corruption is shorter than the reach.
const NOISE: f64 = 0.2;
/// Side of the images in the gallery.
const SHOWN: usize = 48;
/// Largest difference on the colour scale of the gallery.
const DIFFERENCE: f64 = 0.2;

/// What is added on S, a square of three eighths of the side.
#[derive(Clone, Copy)]
enum Corruption {
    /// White noise.
    Noise,
    /// A constant.
    Constant,
}

/// Relative errors against n.
pub(super) struct Rates {
    /// White noise: √E‖P_T e‖²/‖e‖, √E‖π(x+e)-x‖²/‖e‖, and the part of the latter outside S.
    noise: [Vec<(f64, f64)>; 3],
    /// The same for a constant patch.
    constant: [Vec<(f64, f64)>; 3],
    /// E‖P_T e‖² over (1/n) Σ|ê(ω)|² for the constant patch, averaged over the sizes; and over (d/n)‖e‖².
    spectrum: [f64; 2],
}

impl Rates {
    pub(super) fn measure(stream: &mut Stream, draws: usize) -> Result<Self> {
        let mut rates = Self { noise: Default::default(), constant: Default::default(), spectrum: [0.0; 2] };
        for side in SIDES {
            let (d, n) = (WAVES.len() as f64, (side * side) as f64);
            let gratings = Gratings::new(side, side, &WAVES, AMPLITUDE)?;
            let noise = relative_errors(&gratings, side, Corruption::Noise, stream, draws)?;
            let constant = relative_errors(&gratings, side, Corruption::Constant, stream, draws)?;
            for (curves, squares) in [(&mut rates.noise, noise), (&mut rates.constant, constant)] {
                curves.iter_mut().zip(squares).for_each(|(points, square)| points.push((n, square.sqrt())));
            }
            let predicted = energy(side, &corruption(side, Corruption::Constant, stream));
            for (sum, law) in rates.spectrum.iter_mut().zip([predicted, d / n]) {
                *sum += constant[0] / law / SIDES.len() as f64;
            }
        }
        Ok(rates)
    }

    pub(super) fn checks(&self, setting: &Setting) -> Result<Vec<Check>> {
        let patch = "a constant patch on a seventh of the picture";
        let because = "the standard error of the slope is 0.011 for 100 draws, 0.0047 for 600";
        let names = ["‖P_T e‖", "‖π(x̂)-x‖", "‖(π(x̂)-x)_S̄‖"];
        let mut checks = Vec::new();
        for ((name, points), control) in names.iter().zip(&self.noise).zip(&self.constant) {
            let quantity = format!("slope of root mean square {name} / ‖e‖ in n = 64 … 16384, gratings, white noise on S");
            let slope = |share: f64| log_log_slope(&mixed(points, control, share));
            checks.push(Check::equal(quantity, -0.5, slope(0.0)?, setting.pick(0.05, 0.02), because).against(patch, slope)?);
        }
        let check = Check::equal(
            format!("E‖P_T e‖² / ((1/n) Σ_j |ê(ω_j)|²), gratings, {patch}"),
            1.0,
            self.spectrum[0],
            setting.pick(0.1, 0.04),
            "uniform phases: 5 sizes of 100 draws have a standard error of 0.02, of 600 of 0.008",
        );
        // The law stands in the denominator.
        let law = |share: f64| Ok(1.0 / ((1.0 - share) / self.spectrum[0] + share / self.spectrum[1]));
        checks.push(check.against("(d/n)‖e‖² in the place of the spectrum", law)?);
        Ok(checks)
    }

    pub(super) fn figure(&self) -> Figure {
        let d = WAVES.len() as f64;
        let formula = SIDES.map(|side| ((side * side) as f64, d.sqrt() / side as f64)).to_vec();
        let slope = |points: &[(f64, f64)]| log_log_slope(points).unwrap_or(f64::NAN);
        Figure {
            stem: "c7_gratings".into(),
            title: "Restoration error of corrupted gratings".into(),
            caption: format!(
                "A seventh of an image of two gratings is corrupted. White noise is restored better with more pixels (slope {:.3} \
                 with the exact π, predicted -½). A constant patch, whose spectrum is at the low frequencies of D, is not \
                 (slope {:.3}).",
                slope(&self.noise[1]),
                slope(&self.constant[1])
            ),
            content: Content::chart(
                [AxisSpec::log("n"), AxisSpec::log("root mean square error / ‖e‖")],
                vec![
                    Series::dots("‖P_T e‖, white noise", self.noise[0].clone()),
                    Series::line("‖π(x̂)-x‖, white noise", self.noise[1].clone()),
                    Series::line("the part of it off S", self.noise[2].clone()),
                    Series::dashed("√(d/n)", formula),
                    Series::dashed("‖π(x̂)-x‖, constant patch (control)", self.constant[1].clone()),
                ],
            ),
        }
    }
}

/// Whether a pixel is on S. (Over half of the side cos² would sum to exactly half of the pixels, and the part outside S would be
/// a fixed fraction.)
fn is_on(side: usize, index: usize) -> bool {
    let run = side / 4..side / 4 + 3 * side / 8;
    run.contains(&(index / side)) && run.contains(&(index % side))
}

fn corruption(side: usize, kind: Corruption, stream: &mut Stream) -> Array1<f64> {
    let value = |stream: &mut Stream| match kind {
        Corruption::Noise => NOISE * stream.normal(),
        Corruption::Constant => NOISE,
    };
    (0..side * side).map(|index| if is_on(side, index) { value(stream) } else { 0.0 }).collect()
}

/// Mean squares of P_T e, of π(x+e)-x and of its part outside S, relative to ‖e‖².
fn relative_errors(gratings: &Gratings, side: usize, kind: Corruption, stream: &mut Stream, draws: usize) -> Result<[f64; 3]> {
    let mut found = [vec![], vec![], vec![]];
    for _ in 0..draws {
        let x = gratings.sample(stream);
        let e = corruption(side, kind, stream);
        let square = square_norm(&e);
        let along = gratings.tangent_basis(&x)?.t().dot(&e);
        let change = gratings.project_point(&(&x + &e))? - &x;
        let off: Array1<f64> = (0..).zip(&change).filter(|(index, _)| !is_on(side, *index)).map(|(_, value)| *value).collect();
        for (values, part) in found.iter_mut().zip([&along, &change, &off]) {
            values.push(square_norm(part) / square);
        }
    }
    Ok([mean(&found[0]), mean(&found[1]), mean(&found[2])])
}

/// `(1/n) Σ_j |ê(ω_j)|² / ‖e‖²`, ê(ω) = Σ_p e_p e^(-iω·p).
fn energy(side: usize, e: &Array1<f64>) -> f64 {
    let transform = |[k_y, k_x]: [i32; 2]| {
        let phase =
            |index: usize| TAU * (f64::from(k_y) * (index / side) as f64 + f64::from(k_x) * (index % side) as f64) / side as f64;
        let [cosine, sine] =
            [f64::cos, f64::sin].map(|wave| e.iter().zip(0..).map(|(value, index)| value * wave(phase(index))).sum::<f64>());
        cosine * cosine + sine * sine
    };
    WAVES.map(transform).iter().sum::<f64>() / (e.len() as f64 * square_norm(e))
}

/// Images before and after the exact projection.
pub(super) fn gallery(stream: &mut Stream) -> Result<Figure> {
    let gratings = Gratings::new(SHOWN, SHOWN, &WAVES, AMPLITUDE)?;
    let mut rows = Vec::new();
    for label in ["noise", "another grating", "constant", "black bar"] {
        let (x, other) = (gratings.sample(stream), gratings.sample(stream));
        let noise = gaussian_vector(stream, x.len());
        let replaced = |index: usize| match label {
            "noise" => x[index] + NOISE * noise[index],
            "another grating" => other[index],
            "constant" => 0.9,
            _ => 0.0,
        };
        let bar = |index: usize| (SHOWN / 3..SHOWN / 2).contains(&(index % SHOWN)) && index / SHOWN >= SHOWN / 4;
        let is_changed = |index: usize| if label == "black bar" { bar(index) } else { is_on(SHOWN, index) };
        let corrupted = Array1::from_shape_fn(x.len(), |index| if is_changed(index) { replaced(index) } else { x[index] });
        let restored = gratings.project_point(&corrupted)?;
        let image = |caption: &str, values: &Array1<f64>| GalleryImage::grey(caption, SHOWN, values);
        let difference =
            GalleryImage { colours: Colours::Signed { limit: DIFFERENCE }, ..image("π(x̂) - x", &(&restored - &x)) };
        let images = vec![image("x", &x), image("x̂", &corrupted), image("π(x̂)", &restored), difference];
        rows.push(GalleryRow { label: label.into(), images });
    }
    Ok(Figure {
        stem: "c7_gallery".into(),
        title: "Corrupted gratings and their nearest points".into(),
        caption: format!(
            "Images of two gratings with {SHOWN} x {SHOWN} pixels, partly replaced. The exact π is computed from x̂ alone. Its difference from x \
             is spread over the image and small compared with the corruption."
        ),
        content: Content::Gallery(rows),
    })
}
