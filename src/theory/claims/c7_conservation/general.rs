//! Tangent spaces in general position: uniformly random subspaces.

use ndarray::Array1;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{from_columns, orthonormal_basis, square_norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::{log_log_slope, mean};

/// d.
const DIMENSION: usize = 4;
/// |S|, the same for every n.
const CORRUPTED: usize = 16;
/// n at which the distribution of ‖P_T e‖² is measured.
const SMALL: usize = 64;
/// n of the rates.
const SIZES: [usize; 9] = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];
const INSIDE: &str = "T inside the span of S";

/// √E(‖P_T e‖²/‖e‖²) against n.
pub(super) struct Rates {
    general: Vec<(f64, f64)>,
    inside: Vec<(f64, f64)>,
}

impl Rates {
    /// S consists of the same few coordinates for every n, e is Gaussian on S, and T is a random subspace. In the control T is a
    /// random subspace of the span of S.
    pub(super) fn measure(stream: &mut Stream, draws: usize) -> Result<Self> {
        let root_mean = |stream: &mut Stream, place: Place| {
            let kept: Vec<f64> = (0..draws).map(|_| place.kept(stream)).collect();
            (place.n as f64, mean(&kept).sqrt())
        };
        let general = SIZES.map(|n| root_mean(stream, Place::general(n))).to_vec();
        let inside = SIZES.map(|n| root_mean(stream, Place::inside(n))).to_vec();
        Ok(Self { general, inside })
    }

    pub(super) fn checks(&self, stream: &mut Stream, setting: &Setting) -> Result<Vec<Check>> {
        let slope = |share: f64| log_log_slope(&mixed(&self.general, &self.inside, share));
        let check = Check::equal(
            "slope of √E‖P_T e‖² / ‖e‖ in n = 64 … 16384, random subspaces",
            -0.5,
            slope(0.0)?,
            setting.pick(0.05, 0.02),
            "the standard error of the slope is 0.0104 for 60 draws, 0.004 for 400",
        );
        let mut checks = vec![check.against(INSIDE, slope)?];
        checks.extend(distribution(stream, setting)?);
        Ok(checks)
    }

    pub(super) fn figure(&self) -> Figure {
        let formula = self.general.iter().map(|(n, _)| (*n, (DIMENSION as f64 / n).sqrt())).collect();
        let slope = |points: &[(f64, f64)]| log_log_slope(points).unwrap_or(f64::NAN);
        Figure {
            stem: "c7_general_position".into(),
            title: "Random tangent spaces keep less of a corruption for larger n".into(),
            caption: format!(
                "First-order restoration error for {CORRUPTED} corrupted coordinates among n, for random tangent spaces of dimension \
                 d = {DIMENSION}: slope {:.3} (predicted -½). With T inside the span of these coordinates the slope is {:.3}.",
                slope(&self.general),
                slope(&self.inside)
            ),
            content: Content::chart(
                [AxisSpec::log("n"), AxisSpec::log("√E‖P_T e‖² / ‖e‖")],
                vec![
                    Series::dots("random T", self.general.clone()),
                    Series::line("√(d/n)", formula),
                    Series::dashed("T inside the span of S (control)", self.inside.clone()),
                ],
            ),
        }
    }
}

/// Root mean squares over draws of which a share is of the second kind.
pub(super) fn mixed(a: &[(f64, f64)], b: &[(f64, f64)], share: f64) -> Vec<(f64, f64)> {
    a.iter().zip(b).map(|((n, a), (_, b))| (*n, ((1.0 - share) * a * a + share * b * b).sqrt())).collect()
}

/// T is a subspace of the first `spanned` coordinates of Rⁿ, and e is supported on the first [`CORRUPTED`].
#[derive(Clone, Copy)]
struct Place {
    n: usize,
    spanned: usize,
}

impl Place {
    fn general(n: usize) -> Self {
        Self { n, spanned: n }
    }

    fn inside(n: usize) -> Self {
        Self { n, spanned: CORRUPTED }
    }

    /// `‖P_T e‖²/‖e‖²` for a random T and a Gaussian e.
    fn kept(self, stream: &mut Stream) -> f64 {
        let mut random = |support: usize| {
            let mut vector = Array1::zeros(self.n);
            vector.iter_mut().take(support).for_each(|value| *value = stream.normal());
            vector
        };
        let directions: Vec<Array1<f64>> = (0..DIMENSION).map(|_| random(self.spanned)).collect();
        let basis = orthonormal_basis(&from_columns(self.n, &directions));
        let e = random(CORRUPTED);
        square_norm(&basis.t().dot(&e)) / square_norm(&e)
    }
}

/// `P(B ≥ x)` for B of the law Beta(2, 30): that at most one of 31 uniform values is below x.
fn beta_tail(x: f64) -> f64 {
    (1.0 - x).powi(31) + 31.0 * x * (1.0 - x).powi(30)
}

/// Mean, variance and tail at n = 64; in the control T is inside the span of S.
fn distribution(stream: &mut Stream, setting: &Setting) -> Result<[Check; 3]> {
    let draws = setting.pick(4000, 40_000);
    let (n, d) = (SMALL as f64, DIMENSION as f64);
    let mut sample = |place: Place| -> Vec<f64> { (0..draws).map(|_| place.kept(stream)).collect() };
    let (general, inside) = (sample(Place::general(SMALL)), sample(Place::inside(SMALL)));
    let variance = |values: &[f64]| {
        let middle = mean(values);
        mean(&values.iter().map(|value| (value - middle).powi(2)).collect::<Vec<_>>())
    };
    let beta = 2.0;
    let tail = |values: &[f64]| values.iter().filter(|value| **value >= beta * d / n).count() as f64 / draws as f64;
    let expected = 2.0 * d * (n - d) / (n * n * (n + 2.0));
    // The first draws are of the control.
    let with = |share: f64| {
        let replaced = (share * draws as f64).round() as usize;
        [&inside[..replaced], &general[replaced..]].concat()
    };
    let one = |quantity: &str, predicted: f64, value: &dyn Fn(&[f64]) -> f64, tolerance: f64, because: &'static str| {
        Check::equal(quantity, predicted, value(&general), tolerance, because).against(INSIDE, |share| Ok(value(&with(share))))
    };
    let because = "4000 draws have a standard error of 0.011, 40 000 of 0.0034";
    let quantity = "E‖P_T e‖² / ((d/n)‖e‖²), n = 64, random subspaces";
    let of_mean = one(quantity, 1.0, &|values| mean(values) * n / d, setting.pick(0.05, 0.016), because)?;
    let because = "4000 draws have a standard error of 0.035, 40 000 of 0.011";
    let quantity = "variance of ‖P_T e‖²/‖e‖² over that of Beta(d/2, (n-d)/2)";
    let of_variance = one(quantity, 1.0, &|values| variance(values) / expected, setting.pick(0.2, 0.08), because)?;
    let because = "four standard errors: 0.0044 for 4000 draws, 0.0014 for 40 000";
    let quantity = "P(‖P_T e‖² ≥ 2(d/n)‖e‖²), n = 64, against Beta(2, 30)";
    let of_tail = one(quantity, beta_tail(beta * d / n), &tail, setting.pick(0.018, 0.006), because)?;
    Ok([of_mean, of_variance, of_tail])
}
