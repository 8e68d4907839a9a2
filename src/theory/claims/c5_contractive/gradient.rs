use crate::error::Result;
use crate::model::{Architecture, Bound, Parameters};
use crate::ops::Backend;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::Matrix;
use crate::theory::claim::{Row, Setting};
use crate::theory::claims::training::{batch, mean_square_error, weighted_sum};
use crate::theory::derivative::{contraction_exact, jacobians};
use crate::theory::statistics::larger;

use super::circle::Circle;
use super::{GAMMA, NUMBER};

const STEP: f64 = 1e-5;
/// A penalty as large as the reconstruction error, so that it matters in the gradient.
const WEIGHT: f64 = 20.0 * GAMMA;

const DIFFERENCES: (f64, &str) =
    (1e-6, "central differences of step 1e-5 are off by about 1e-9; half the penalty's gradient is 0.1 or more");
const ROUNDING: (f64, &str) = (1e-10, "the same derivatives in another order");

/// The map x + h(x) at a few points of D, with one hidden layer in h. The sum makes the sign of a tangent matter: in a plain
/// network a sign that is wrong in every slope leaves ‖J‖² and its gradient as they are.
struct Bench<'a, B: Backend> {
    backend: &'a B,
    network: Parameters<B>,
    points: Vec<Vec<f64>>,
}

struct Recorded<B: Backend> {
    tape: Tape<B>,
    bound: Bound,
    x: Var,
    y: Var,
}

/// The gradient of the penalised loss that training uses, which runs through tangents, against central differences of the same
/// loss computed without a tangent; and Jacobians by tangents against those by reverse sweeps.
///
/// # Errors
/// The device failed.
pub fn gradient_rows<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<Vec<Row>> {
    let mut bench = Bench::new(backend, setting)?;
    let (mut worst, mut without) = (0.0_f64, 0.0_f64);
    let [exact, unpenalised] = [bench.gradients(WEIGHT)?, bench.gradients(0.0)?];
    for which in 0..exact.len() {
        // Two elements of each tensor: its first and one in the middle.
        for element in [0, exact[which].len() / 2] {
            let slope = bench.slope(which, element)?;
            worst = larger(worst, (exact[which][element] - slope).abs());
            without = larger(without, (unpenalised[which][element] - slope).abs());
        }
    }
    let mut recorded = bench.record()?;
    let swept = bench.reverse_jacobians(&recorded)?;
    let (tangents, identity) = (jacobians(&mut recorded.tape, recorded.x, recorded.y)?, Matrix::identity(bench.points[0].len()));
    let apart = |found: &Matrix, swept: &Matrix| found.minus(swept).frobenius();
    let largest = |values: Vec<f64>| values.into_iter().fold(0.0, larger);
    let difference = largest(tangents.iter().zip(&swept).map(|(found, swept)| apart(found, swept)).collect());
    let of_identity = largest(swept.iter().map(|swept| apart(&identity, swept)).collect());
    Ok(vec![
        Row::equal("gradient of L_γ by the tape - by central differences", 0.0, worst, DIFFERENCES.0, DIFFERENCES.1)
            .control("gradient without the penalty", without),
        Row::equal("‖J_f by tangents - J_f by reverse sweeps‖", 0.0, difference, ROUNDING.0, ROUNDING.1)
            .control("Jacobian of the identity", of_identity),
    ])
}

impl<'a, B: Backend<Elem = f64>> Bench<'a, B> {
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

    /// Of `E‖f - x‖² + weight E‖J‖_F²`, as training has it.
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

    /// The penalised loss without a tangent.
    fn loss(&self) -> Result<f64> {
        let mut recorded = self.record()?;
        let penalty: f64 = self.reverse_jacobians(&recorded)?.iter().map(|jacobian| jacobian.frobenius().powi(2)).sum();
        let error = mean_square_error(&mut recorded.tape, recorded.y, recorded.x)?;
        let error = recorded.tape.host(error)?.iter().sum::<f64>();
        Ok(error + WEIGHT * penalty / self.points.len() as f64)
    }

    /// One sweep for each output value.
    fn reverse_jacobians(&self, recorded: &Recorded<B>) -> Result<Vec<Matrix>> {
        let n = recorded.tape.shape(recorded.y).channels();
        let seed = |output: usize| (0..self.points.len() * n).map(|index| f64::from(u8::from(index % n == output))).collect();
        let sweep = |output: usize| {
            let seed: Vec<f64> = seed(output);
            recorded.tape.backward_from(recorded.y, &seed)?.host(recorded.x)
        };
        let rows = (0..n).map(sweep).collect::<Result<Vec<_>>>()?;
        let matrix = |sample: usize| Matrix::from_fn(n, n, |row, column| rows[row][sample * n + column]);
        Ok((0..self.points.len()).map(matrix).collect())
    }

    /// Central difference of [`Bench::loss`] in one weight.
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
