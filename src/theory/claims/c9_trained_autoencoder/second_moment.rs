//! The best Jacobian on D for the corruption that was trained with (Theorem A), in some rows at some points.

use ndarray::{Array1, Array2};
use rayon::prelude::*;

use super::case::Case;
use super::registration::Registration;
use crate::error::{Error, Result};
use crate::theory::algebra::projector;
use crate::theory::claims::masked_moment::row_moment;
use crate::theory::least_squares::LeastSquaresProjector;
use crate::theory::pictures::Layout;
use crate::theory::resemblance::CorruptedSample;

/// Row i of the Jacobian at one point.
struct Row {
    index: usize,
    /// `C_i = E[w_i eeᵀ]` with the weights of the objective.
    moment: Array2<f64>,
    /// Row i of J_C for this C.
    best: Array1<f64>,
    /// The same, estimated from other corruptions.
    other: Array1<f64>,
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
            let x = samples.first().map(|sample| sample.target.clone()).ok_or_else(|| Error::argument("C9: no corruptions"))?;
            let (basis, n) = (source.manifold().tangent_basis(&x)?, x.len());
            let (tangent, (own, others)) = (projector(&basis), samples.split_at(samples.len() / 2));
            let row = |place: usize| {
                let index = (2 * place + 1) * n / (2 * numbers.rows);
                let best = |moment: &Array2<f64>| -> Result<Array1<f64>> {
                    Ok(LeastSquaresProjector::new(&basis, moment)?.matrix().row(index).to_owned())
                };
                let [first, second] = [own, others].map(|samples| moment(samples, index, lambda, numbers.floor));
                Ok(Row {
                    index,
                    best: best(&first)?,
                    other: best(&second)?,
                    moment: first,
                    orthogonal: tangent.row(index).to_owned(),
                })
            };
            Ok((x, (0..numbers.rows).into_par_iter().map(row).collect::<Result<_>>()?))
        };
        let (points, rows) = (0..numbers.points as u32).map(of_point).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok(Self { points, rows })
    }

    /// `Σ_i ‖(j_i - r_i) C_i^½‖²` over the rows j_i of a Jacobian at each point: for r_i the rows of J_C, and of P_T; and the
    /// inner product of these two differences. For J_C it is how much larger the loss is than the least, to first order, if J
    /// fixes T.
    pub(super) fn distances(&self, jacobians: &[Array2<f64>]) -> Array2<f64> {
        self.distances_of(|point, row| jacobians[point].row(row.index).to_owned())
    }

    /// The same for the second estimate of J_C.
    pub(super) fn distances_of_other(&self) -> Array2<f64> {
        self.distances_of(|_, row| row.other.clone())
    }

    fn distances_of(&self, of: impl Fn(usize, &Row) -> Array1<f64>) -> Array2<f64> {
        let mut distances = Array2::zeros((self.rows.len(), 3));
        for (point, rows) in self.rows.iter().enumerate() {
            for row in rows {
                let own = of(point, row);
                let (best, orthogonal) = (&own - &row.best, &own - &row.orthogonal);
                let weighted = row.moment.dot(&orthogonal);
                let parts = [best.dot(&row.moment.dot(&best)), orthogonal.dot(&weighted), best.dot(&weighted)];
                parts.iter().enumerate().for_each(|(part, value)| distances[[point, part]] += value);
            }
        }
        distances
    }
}

/// C_i with a small multiple of the identity.
fn moment(samples: &[CorruptedSample], i: usize, lambda: f64, floor: f64) -> Array2<f64> {
    let mut moment = row_moment(samples, i, lambda);
    let floor = floor * moment.diag().sum() / moment.nrows() as f64;
    moment.diag_mut().iter_mut().for_each(|entry| *entry += floor);
    moment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::claim::{Effort, Setting};

    #[test]
    fn distances_are_those_of_the_jacobian_from_each_limit() {
        let setting = Setting::new(4, Effort::Quick).unwrap();
        let mut registration = Registration::of(&setting).unwrap();
        (registration.jacobian.points, registration.jacobian.rows, registration.jacobian.corruptions) = (2, 3, 600);
        let best = BestJacobian::new(&registration.cases(Effort::Quick)[0], &registration).unwrap();
        // (1-share) J_C + share P_T.
        let at = |share: f64| best.distances_of(|_, row| (1.0 - share) * &row.best + share * &row.orthogonal);
        let (own, orthogonal, middle) = (at(0.0), at(1.0), at(0.5));
        for point in 0..2 {
            let apart = own[[point, 1]];
            assert!(apart > 0.0 && own[[point, 0]] == 0.0 && orthogonal[[point, 1]] == 0.0);
            let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9 * apart, "{found} {wanted}");
            near(orthogonal[[point, 0]], apart);
            near(middle[[point, 0]], 0.25 * apart);
            near(middle[[point, 2]], -0.25 * apart);
        }
        assert!(best.distances_of_other().column(0).iter().all(|&distance| distance > 0.0));
        assert_eq!(best.points.len(), 2);
    }
}
