//! How the relative error falls with n.

use rayon::prelude::*;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, norm, orthonormal_basis, sub, svd};
use crate::theory::claim::{Row, Setting};
use crate::theory::figure::{AxisSpec, Chart, Content, Figure, Series};
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::statistics::log_log_slope;

use super::NUMBER;

/// Sides of the pictures, n = side².
const SIDES: [usize; 5] = [8, 16, 32, 64, 128];
/// d of the random subspaces.
const DIMENSION: usize = 3;
/// Waves of the gratings.
const WAVES: usize = 2;
/// Coordinates of S, where T is random or inside S.
const CELLS: usize = 16;
/// The corrupted square of a picture over its side: no wave of the gratings sums to 0 over it.
const SQUARE: [usize; 2] = [3, 8];
/// Standard deviation of noise, and height of the smooth corruption.
const STRENGTH: f64 = 0.2;

const SMOOTH: &str = "at a side of 8 the sum over a square is off the integral that it tends to by some per cent";

/// Root mean squares of ‖P_T e‖/‖e‖ or ‖π(x̂)-x‖/‖e‖ for each n.
pub(super) struct Trend {
    draws: usize,
    random: Vec<(f64, f64)>,
    inside: Vec<(f64, f64)>,
    tangent: Vec<(f64, f64)>,
    nearest: Vec<(f64, f64)>,
    smooth: Vec<(f64, f64)>,
    /// The largest `‖P_T e‖ / (‖P_T P_S‖₂ ‖e‖)`, and with √(d/n) in the place of the norm.
    bound: [f64; 2],
}

/// What one n shows: squares summed over draws, in the order of [`Trend`], and the largest of the bounds.
#[derive(Default)]
struct Sums {
    squares: [f64; 5],
    bound: [f64; 2],
}

impl Trend {
    /// Each n has its own stream.
    pub(super) fn measure(setting: &Setting) -> Result<Self> {
        let draws = setting.pick(300, 2000);
        let one = |(index, side): (usize, usize)| sums(side, draws, &mut setting.stream(NUMBER, 10 + index as u32));
        let indexed: Vec<_> = SIDES.into_iter().enumerate().collect();
        let all = indexed.into_par_iter().map(one).collect::<Result<Vec<Sums>>>()?;
        let line = |which: usize| {
            let point = |(side, sums): (&usize, &Sums)| ((side * side) as f64, (sums.squares[which] / draws as f64).sqrt());
            SIDES.iter().zip(&all).map(point).collect::<Vec<_>>()
        };
        let bound = [0, 1].map(|which| all.iter().map(|sums| sums.bound[which]).fold(0.0, f64::max));
        Ok(Self { draws, random: line(0), inside: line(1), tangent: line(2), nearest: line(3), smooth: line(4), bound })
    }

    /// Slopes, the constant, and the bound.
    pub(super) fn rows(&self) -> Vec<Row> {
        let because = "five standard errors 1/(√(dK) ln(n₂/n₁)) of a slope from means of K draws";
        let tolerance = |d: usize| 5.0 / ((d * self.draws) as f64).sqrt() / (self.random[4].0 / self.random[0].0).ln();
        let slope = |points: &[(f64, f64)]| log_log_slope(points).unwrap_or(f64::NAN);
        let row = |name: &str, predicted: f64, points: &[(f64, f64)], d: usize| {
            Row::equal(format!("slope of {name} in n"), predicted, slope(points), tolerance(d), because)
        };
        let constant = |points: &[(f64, f64)]| {
            points.iter().map(|(n, value)| (value * value * n / DIMENSION as f64 - 1.0).abs()).fold(0.0, f64::max)
        };
        let spread = 5.0 * (2.0 / (DIMENSION * self.draws) as f64).sqrt();
        let inside = "T inside the span of S";
        vec![
            Row::equal(
                "|E‖P_T e‖² / ((d/n)‖e‖²) - 1|, random T, worst n",
                0.0,
                constant(&self.random),
                spread,
                "five standard errors √(2/(dK)) of the mean of K draws",
            )
            .control(inside, constant(&self.inside)),
            row("‖P_T e‖/‖e‖, random T", -0.5, &self.random, DIMENSION).control(inside, slope(&self.inside)),
            row("‖P_T e‖/‖e‖, gratings, noise", -0.5, &self.tangent, WAVES).control("smooth corruption", slope(&self.smooth)),
            row("‖π(x̂)-x‖/‖e‖, gratings, noise", -0.5, &self.nearest, WAVES).control("smooth corruption", slope(&self.smooth)),
            Row::equal("slope of ‖π(x̂)-x‖/‖e‖, gratings, smooth corruption in n", 0.0, slope(&self.smooth), 0.06, SMOOTH)
                .control("noise", slope(&self.nearest)),
            Row::at_most("largest ‖P_T e‖ / (‖P_T P_S‖₂‖e‖)", 1.0, self.bound[0], 1e-9, "an inequality, but for rounding")
                .control("√(d/n) in the place of ‖P_T P_S‖₂", self.bound[1]),
        ]
    }

    /// The fits.
    pub(super) fn figure(&self) -> Figure {
        let slope = |points: &[(f64, f64)]| log_log_slope(points).unwrap_or(f64::NAN);
        let named =
            |name: &str, points: &[(f64, f64)]| Series::line(format!("{name}: slope {:.2}", slope(points)), points.to_vec());
        let predicted = self.random.iter().map(|&(n, _)| (n, (DIMENSION as f64 / n).sqrt())).collect();
        Figure {
            stem: "c7_slopes".into(),
            title: "The relative error falls with the square root of n".into(),
            caption: format!(
                "Root mean squares over {} draws. Random tangent spaces (d = {DIMENSION}) and gratings (d = {WAVES}) under noise on \
                 a square lose like √(d/n). A smooth corruption on the same square does not: its spectrum sits at the gratings' frequencies. \
                 Nor does T inside the span of S.",
                self.draws
            ),
            content: Content::Chart(Chart {
                x: AxisSpec::log("n"),
                y: AxisSpec::log("‖P_T e‖/‖e‖ or ‖π(x̂)-x‖/‖e‖"),
                series: vec![
                    Series::dots(format!("random T: slope {:.2}", slope(&self.random)), self.random.clone()),
                    Series::dashed("√(d/n), d = 3", predicted),
                    named("gratings, P_T, noise", &self.tangent),
                    named("gratings, π, noise", &self.nearest),
                    named("gratings, π, smooth corruption", &self.smooth),
                    Series::dashed(format!("T inside S (control): slope {:.2}", slope(&self.inside)), self.inside.clone()),
                ],
            }),
        }
    }
}

fn sums(side: usize, draws: usize, stream: &mut Stream) -> Result<Sums> {
    let gratings = Gratings::standard(side, WAVES)?;
    let mut sums = Sums::default();
    for _ in 0..draws {
        subspaces(side * side, stream, &mut sums);
        pictures(&gratings, side, stream, &mut sums)?;
    }
    Ok(sums)
}

/// One e on the first coordinates; T random in Rⁿ, and random within the span of S.
fn subspaces(n: usize, stream: &mut Stream, sums: &mut Sums) {
    let e: Vec<f64> = (0..CELLS).map(|_| stream.normal()).collect();
    let basis = orthonormal_basis(&Matrix::from_fn(n, DIMENSION, |_, _| stream.normal()));
    let on_segment = Matrix::from_fn(CELLS, DIMENSION, |row, column| basis.row(row)[column]);
    let within = orthonormal_basis(&Matrix::from_fn(CELLS, DIMENSION, |_, _| stream.normal()));
    let ratio = norm(&on_segment.apply_transposed(&e)) / norm(&e);
    sums.squares[0] += ratio.powi(2);
    sums.squares[1] += (norm(&within.apply_transposed(&e)) / norm(&e)).powi(2);
    sums.bound[0] = sums.bound[0].max(ratio / svd(&on_segment).values[0]);
    sums.bound[1] = sums.bound[1].max(ratio / (DIMENSION as f64 / n as f64).sqrt());
}

/// Noise and a smooth corruption on the same square of one picture.
fn pictures(gratings: &Gratings, side: usize, stream: &mut Stream, sums: &mut Sums) -> Result<()> {
    let x = gratings.sample(stream);
    let noise = on_square(side, || STRENGTH * stream.normal());
    let smooth = on_square(side, || STRENGTH);
    let tangent = gratings.tangent_basis(&x)?;
    sums.squares[2] += (norm(&tangent.apply_transposed(&noise)) / norm(&noise)).powi(2);
    for (index, e) in [(3, &noise), (4, &smooth)] {
        let restored = gratings.project_point(&add_scaled(&x, 1.0, e))?;
        sums.squares[index] += (norm(&sub(&restored, &x)) / norm(e)).powi(2);
    }
    Ok(())
}

/// A picture that is 0 off the square.
pub(super) fn on_square(side: usize, mut value: impl FnMut() -> f64) -> Vec<f64> {
    let end = side * SQUARE[0] / SQUARE[1];
    (0..side * side).map(|index| if index / side < end && index % side < end { value() } else { 0.0 }).collect()
}
