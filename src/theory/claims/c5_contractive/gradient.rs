use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::model::{Architecture, Bound, Parameters};
use crate::ops::Backend;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::{norm, square_norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::claims::training::{batch, mean_square_error, weighted_sum};
use crate::theory::derivative::{contraction_exact, jacobians};
use crate::theory::statistics::larger;

use super::constants::{GAMMA, NUMBER};
use super::network::Circle;

const STEP: f64 = 1e-5;
/// Makes the penalty as large as the reconstruction error, so that it matters in the gradient.
const WEIGHT: f64 = 20.0 * GAMMA;

const DIFFERENCES: (f64, &str) =
    (1e-6, "central differences with step 1e-5 have an error of about 1e-9; half of the penalty's gradient is 0.1 or more");
const ROUNDING: (f64, &str) = (1e-10, "the same derivatives in another order");

/// The map x + h(x) at a few points of D, with one hidden layer in h. The sum makes the sign of tangents matter: in a plain
/// network, flipping the sign of every slope changes neither ‖J‖² nor its gradient.
struct Fixture<'a, B: Backend> {
    backend: &'a B,
    network: Parameters<B>,
    points: Vec<Array1<f64>>,
}

struct Recorded<B: Backend> {
    tape: Tape<B>,
    bound: Bound,
    x: Var,
    y: Var,
}

/// Compares the gradient of the penalised loss, which training computes through tangents, with central differences of the same
/// loss computed without tangents; and Jacobians by tangents with Jacobians by reverse sweeps.
///
/// # Errors
/// The device failed.
pub fn gradient_checks<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<Vec<Check>> {
    let mut fixture = Fixture::new(backend, setting)?;
    let [exact, unpenalised] = [fixture.gradients(WEIGHT)?, fixture.gradients(0.0)?];
    // Of two elements of each tensor, its first and one in the middle: both gradients and the slope.
    let mut elements = Vec::new();
    for which in 0..exact.len() {
        for element in [0, exact[which].len() / 2] {
            elements.push([exact[which][element], unpenalised[which][element], fixture.slope(which, element)?]);
        }
    }
    let worst = |share: f64| {
        let off = |[exact, without, slope]: &[f64; 3]| ((1.0 - share) * exact + share * without - slope).abs();
        elements.iter().map(off).fold(0.0, larger)
    };
    let mut recorded = fixture.record()?;
    let swept = fixture.reverse_jacobians(&recorded)?;
    let (tangents, identity) = (jacobians(&mut recorded.tape, recorded.x, recorded.y)?, Array2::eye(fixture.points[0].len()));
    let apart = |found: &Array2<f64>, swept: &Array2<f64>| norm(&(found - swept));
    let largest = |values: Vec<f64>| values.into_iter().fold(0.0, larger);
    let difference = largest(tangents.iter().zip(&swept).map(|(found, swept)| apart(found, swept)).collect());
    let of_identity = largest(swept.iter().map(|swept| apart(&identity, swept)).collect());
    Ok(vec![
        Check::equal("gradient of L_γ by the tape - by central differences", 0.0, worst(0.0), DIFFERENCES.0, DIFFERENCES.1)
            .against("gradient without the penalty", |share| Ok(worst(share)))?,
        Check::equal("‖J_f by tangents - J_f by reverse sweeps‖", 0.0, difference, ROUNDING.0, ROUNDING.1)
            .control("Jacobian of the identity", of_identity),
    ])
}

impl<'a, B: Backend<Elem = f64>> Fixture<'a, B> {
    fn new(backend: &'a B, setting: &Setting) -> Result<Self> {
        let circle = Circle::small()?;
        let network = Parameters::initialise(backend, &Architecture::mlp(circle.ambient(), &[6])?, setting.seed())?;
        Ok(Self { backend, network, points: circle.samples(&mut setting.stream(NUMBER, 2), 5) })
    }

    fn record(&self) -> Result<Recorded<B>> {
        let mut tape = Tape::new(self.backend.clone());
        let bound = self.network.bind(&mut tape, true);
        let x = tape.variable(batch(self.backend, &self.points)?);
        let h = self.network.forward(&mut tape, &bound, x)?;
        let y = tape.add(x, h)?;
        Ok(Recorded { tape, bound, x, y })
    }

    /// Gradients of `E‖f - x‖² + weight E‖J‖_F²`, as in training.
    fn gradients(&self, weight: f64) -> Result<Vec<Vec<f64>>> {
        let Recorded { mut tape, bound, x, y } = self.record()?;
        let error = mean_square_error(&mut tape, y, x)?;
        let penalty = contraction_exact(&mut tape, x, y)?;
        let loss = weighted_sum(&mut tape, error, weight, penalty)?;
        let gradients = tape.backward(loss)?;
        let of = |&var: &Var| match gradients.get(var) {
            Some(_) => gradients.host(var),
            None => Ok(vec![0.0; tape.shape(var).len()]),
        };
        bound.vars().iter().map(of).collect()
    }

    /// The penalised loss, computed without tangents.
    fn loss(&self) -> Result<f64> {
        let mut recorded = self.record()?;
        let penalty: f64 = self.reverse_jacobians(&recorded)?.iter().map(|jacobian| square_norm(jacobian)).sum();
        let error = mean_square_error(&mut recorded.tape, recorded.y, recorded.x)?;
        let error = recorded.tape.host(error)?.iter().sum::<f64>();
        Ok(error + WEIGHT * penalty / self.points.len() as f64)
    }

    /// Jacobians by one reverse sweep for each output value.
    fn reverse_jacobians(&self, recorded: &Recorded<B>) -> Result<Vec<Array2<f64>>> {
        let n = recorded.tape.shape(recorded.y).channels();
        let seed = |output: usize| (0..self.points.len() * n).map(|index| f64::from(u8::from(index % n == output))).collect();
        let sweep = |output: usize| {
            let seed: Vec<f64> = seed(output);
            recorded.tape.backward_from(recorded.y, &seed)?.host(recorded.x)
        };
        let rows = (0..n).map(sweep).collect::<Result<Vec<_>>>()?;
        let matrix = |sample: usize| Array2::from_shape_fn((n, n), |(row, column)| rows[row][sample * n + column]);
        Ok((0..self.points.len()).map(matrix).collect())
    }

    /// Central difference of [`Fixture::loss`] in one weight.
    fn slope(&mut self, which: usize, element: usize) -> Result<f64> {
        let shape = self.network.tensors()[which].shape();
        let original = self.network.tensors()[which].to_host(self.backend)?;
        let mut at = |offset: f64| {
            let mut values = original.clone();
            values[element] += offset;
            self.network.tensors_mut()[which] = Tensor::from_f64(self.backend, shape, &values)?;
            self.loss()
        };
        let slope = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
        at(0.0)?;
        Ok(slope)
    }
}
