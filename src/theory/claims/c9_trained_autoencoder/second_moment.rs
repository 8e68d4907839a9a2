//! The best Jacobian on D for the corruption that was trained with (Theorem A), in some rows at some points.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::case::Case;
use super::registration::Registration;
use crate::error::Result;
use crate::theory::algebra::projector;
use crate::theory::least_squares::LeastSquaresProjector;
use crate::theory::pictures::Layout;
use crate::theory::resemblance::CorruptedSample;

/// Added to C_i on the diagonal, relative to its mean: the corruption leaves some directions nearly untouched, for which J_C is arbitrary.
const FLOOR: f64 = 1e-3;

/// Row i of the Jacobian at one point.
struct Row {
    index: usize,
    /// `C_i = E[w_i eeᵀ]` with the weights of the objective.
    moment: Array2<f64>,
    /// Row i of J_C for this C.
    best: Array1<f64>,
    /// Row i of P_T.
    orthogonal: Array1<f64>,
}

/// Points of D with some rows each.
pub(super) struct BestJacobian {
    pub(super) points: Vec<Array1<f64>>,
    rows: Vec<Vec<Row>>,
}

impl BestJacobian {
    /// For the grey pictures of a case. Rows are spread evenly over the pixels.
    pub(super) fn new(case: &Case, registration: &Registration) -> Result<Self> {
        let numbers = &registration.jacobian;
        let source = case.corrupted_pictures(registration, Layout::Grey, registration.seeds.test)?;
        let lambda = registration.training.lambda;
        let of_point = |index: u32| -> Result<(Array1<f64>, Vec<Row>)> {
            let samples = source.corruptions(index, numbers.corruptions)?;
            let x = samples[0].target.clone();
            let (basis, n) = (source.manifold().tangent_basis(&x)?, x.len());
            let tangent = projector(&basis);
            let row = |place: usize| {
                let index = (2 * place + 1) * n / (2 * numbers.rows);
                let moment = moment(&samples, |sample| weight(sample, index, lambda));
                let best = LeastSquaresProjector::new(&basis, &moment)?.matrix().row(index).to_owned();
                Ok(Row { index, moment, best, orthogonal: tangent.row(index).to_owned() })
            };
            Ok((x, (0..numbers.rows).into_par_iter().map(row).collect::<Result<_>>()?))
        };
        let (points, rows) = (0..numbers.points as u32).map(of_point).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok(Self { points, rows })
    }

    /// `Σ_i ‖(j_i - r_i) C_i^½‖²` over the rows j_i of a Jacobian at each point: for r_i the rows of J_C, and of P_T. For J_C it is how much larger the
    /// loss is than the least, to first order, if J fixes T.
    pub(super) fn distances(&self, jacobians: &[Array2<f64>]) -> Vec<[f64; 2]> {
        let of_point = |(rows, jacobian): (&Vec<Row>, &Array2<f64>)| {
            let distance = |to: fn(&Row) -> &Array1<f64>| -> f64 {
                let of_row = |row: &Row| {
                    let difference = &jacobian.row(row.index) - to(row);
                    difference.dot(&row.moment.dot(&difference))
                };
                rows.iter().map(of_row).sum()
            };
            [distance(|row| &row.best), distance(|row| &row.orthogonal)]
        };
        self.rows.iter().zip(jacobians).map(of_point).collect()
    }

    /// The Jacobians whose rows are those of `(1-share) J_C + share P_T`, 0 in all other rows.
    pub(super) fn between(&self, share: f64) -> Vec<Array2<f64>> {
        let of_point = |(rows, x): (&Vec<Row>, &Array1<f64>)| {
            let mut jacobian = Array2::zeros((x.len(), x.len()));
            rows.iter()
                .for_each(|row| jacobian.row_mut(row.index).assign(&((1.0 - share) * &row.best + share * &row.orthogonal)));
            jacobian
        };
        self.rows.iter().zip(&self.points).map(of_point).collect()
    }
}

/// `E[w eeᵀ]` with a small multiple of the identity.
fn moment(samples: &[CorruptedSample], weight: impl Fn(&CorruptedSample) -> f64) -> Array2<f64> {
    let n = samples[0].target.len();
    let mut scaled = Array2::zeros((samples.len(), n));
    for (mut row, sample) in scaled.axis_iter_mut(Axis(0)).zip(samples) {
        row.assign(&((&sample.corrupted - &sample.target) * weight(sample).sqrt()));
    }
    let mut moment = scaled.t().dot(&scaled) / samples.len() as f64;
    let floor = FLOOR * moment.diag().sum() / n as f64;
    moment.diag_mut().iter_mut().for_each(|entry| *entry += floor);
    moment
}

/// w_i of the objective (Method §3).
fn weight(sample: &CorruptedSample, index: usize, lambda: f64) -> f64 {
    let inside = sample.region.iter().filter(|inside| **inside).count() as f64;
    let n = sample.region.len() as f64;
    if sample.region[index] { lambda / inside } else { (1.0 - lambda) / (n - inside).max(1.0) }
}
