//! A map that is applied again and again to what it believes of x̂: unrolled iteratively reweighted least squares.

use ndarray::{Array1, Zip};

use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Activation;
use crate::tape::{Tape, Var};

/// Logit of the gate where nothing differs; it is 0 at a difference of κ.
const OPEN: f64 = 4.0;

/// How much of x̂ is believed where it differs from z: `w = σ(4 - 4 (x̂-z)²/κ²)`. The next input is `w x̂ + (1-w) z`, the convex
/// combination of the CCM of Model II, whose gate is a sigmoid of a function of (s-u)² too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    /// κ.
    pub(super) kappa: f64,
}

impl Gate {
    /// `w x̂ + (1-w) z`.
    fn mixed(&self, corrupted: &Array1<f64>, z: &Array1<f64>) -> Array1<f64> {
        Zip::from(corrupted).and(z).map_collect(|&seen, &believed| {
            let weight = 1.0 / (1.0 + (OPEN * (((seen - believed) / self.kappa).powi(2) - 1.0)).exp());
            weight * seen + (1.0 - weight) * believed
        })
    }

    /// The same on a tape.
    pub(super) fn record<B: Backend>(&self, tape: &mut Tape<B>, corrupted: Var, z: Var) -> Result<Var> {
        let difference = tape.sub(corrupted, z)?;
        let square = tape.mul(difference, difference)?;
        let logit = tape.affine(square, -OPEN / self.kappa.powi(2), OPEN)?;
        let weight = tape.activation(logit, Activation::Sigmoid)?;
        tape.convex_combination(weight, corrupted, z)
    }

    /// `f(w x̂ + (1-w) z)` for each point x̂ and z.
    ///
    /// # Errors
    /// Those of `f`.
    pub(super) fn next(
        &self,
        points: &[Array1<f64>],
        z: &[Array1<f64>],
        f: impl Fn(&[Array1<f64>]) -> Result<Vec<Array1<f64>>>,
    ) -> Result<Vec<Array1<f64>>> {
        f(&points.iter().zip(z).map(|(seen, z)| self.mixed(seen, z)).collect::<Vec<_>>())
    }

    /// `z₀ = f(x̂)` and `z_(k+1) = f(w x̂ + (1-w) z_k)`, for k up to `repetitions`: `[repetitions + 1][points]`.
    ///
    /// # Errors
    /// Those of `f`.
    pub(super) fn repeat(
        &self,
        points: &[Array1<f64>],
        repetitions: usize,
        f: impl Fn(&[Array1<f64>]) -> Result<Vec<Array1<f64>>>,
    ) -> Result<Vec<Vec<Array1<f64>>>> {
        let mut results = vec![f(points)?];
        for last in 0..repetitions {
            results.push(self.next(points, &results[last], &f)?);
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Reference;
    use crate::tape::Tensor;
    use crate::theory::claim::{Effort, Setting};
    use crate::theory::manifold::{Gratings, Manifold};

    #[test]
    fn the_gate_of_the_tape_is_that_of_arrays() {
        let gate = Gate { kappa: 0.1 };
        let (seen, z) = (Array1::linspace(-0.3, 0.3, 7), Array1::zeros(7));
        let mut tape = Tape::new(Reference::<f64>::default());
        let [a, b] = [&seen, &z].map(|values| {
            let row = Tensor::from_array(tape.backend(), &values.view().insert_axis(ndarray::Axis(0))).unwrap();
            tape.variable(row)
        });
        let mixed = gate.record(&mut tape, a, b).unwrap();
        for (own, other) in tape.host(mixed).unwrap().iter().zip(&gate.mixed(&seen, &z)) {
            assert!((own - other).abs() < 1e-12);
        }
        // Nearly all of x̂ where it agrees, half at κ, nothing far away.
        let of = |difference: f64| gate.mixed(&Array1::from_elem(1, difference), &Array1::zeros(1))[0] / difference;
        assert!((of(1e-6) - 0.982).abs() < 1e-3 && (of(0.1) - 0.5).abs() < 1e-12 && of(0.3) < 1e-10);
    }

    #[test]
    fn repeating_the_projection_leads_from_the_nearest_point_to_x() {
        let gratings = Gratings::standard(16, 2).unwrap();
        let x = gratings.sample(&mut Setting::new(1, Effort::Quick).unwrap().stream(9, 0));
        let mut y = x.clone();
        (0..5).for_each(|row| (0..5).for_each(|column| y[16 * row + column] += 0.8));
        let project = |points: &[Array1<f64>]| points.iter().map(|point| gratings.project_point(point)).collect();
        let steps = Gate { kappa: 0.1 }.repeat(&[y], 12, project).unwrap();
        let error = |z: &[Array1<f64>]| crate::theory::algebra::norm(&(&z[0] - &x));
        assert_eq!(steps.len(), 13);
        assert!(error(&steps[12]) < 1e-3 * error(&steps[0]), "{} {}", error(&steps[0]), error(&steps[12]));
    }
}
