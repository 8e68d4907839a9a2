use ndarray::{ArrayD, IxDyn};

use super::Backend;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::tape::{Tape, Tensor, Var};

/// Result of [`gradcheck`]: the largest errors, each relative to `max(1, |value|)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradCheck {
    /// Reverse-mode gradient against central differences.
    pub backward: f64,
    /// Tangent in a random direction against central differences along it.
    pub tangent: f64,
    /// Gradient of that tangent (the second derivative) against central differences of the tangent. Zero for a linear function.
    pub tangent_gradient: f64,
}

impl GradCheck {
    /// The largest of the three.
    pub fn worst(&self) -> f64 {
        self.backward.max(self.tangent).max(self.tangent_gradient)
    }
}

/// Checks the derivatives of `⟨c, function(inputs)⟩` for random fixed c, in f64, by central differences with `step`
/// (1e-5 suits values near 1; expect errors of about 1e-9).
///
/// The function must be smooth at the inputs (no ties in a max-pool, no ELU input at 0).
///
/// # Errors
/// An input has rank 0 or above 4, `function` fails, or its output does not depend on any input.
pub fn gradcheck<B: Backend<Elem = f64>>(
    backend: &B,
    inputs: &[ArrayD<f64>],
    step: f64,
    function: impl Fn(&mut Tape<B>, &[Var]) -> Result<Var>,
) -> Result<GradCheck> {
    let directions = inputs.iter().zip(0..).map(|(input, index)| normals(input.shape(), index)).collect();
    let probe = Probe { backend, function, directions };
    let exact = probe.evaluate(inputs)?;
    let mut check = GradCheck { backward: 0.0, tangent: 0.0, tangent_gradient: 0.0 };
    for (which, input) in inputs.iter().enumerate() {
        for element in 0..input.len() {
            let [above, below] = [step, -step].map(|offset| {
                let mut moved = inputs.to_vec();
                moved[which].iter_mut().skip(element).take(1).for_each(|value| *value += offset);
                probe.values(&moved)
            });
            let ([value_above, tangent_above], [value_below, tangent_below]) = (above?, below?);
            let slope = (value_above - value_below) / (2.0 * step);
            let tangent_slope = (tangent_above - tangent_below) / (2.0 * step);
            check.backward = check.backward.max(relative(exact.gradients[which][element], slope));
            check.tangent_gradient = check.tangent_gradient.max(relative(exact.tangent_gradients[which][element], tangent_slope));
        }
    }
    let along = |t: f64| {
        let moved: Vec<ArrayD<f64>> = inputs.iter().zip(&probe.directions).map(|(x, v)| x + t * v).collect();
        Ok::<f64, Error>(probe.values(&moved)?[0])
    };
    check.tangent = relative(exact.tangent, (along(step)? - along(-step)?) / (2.0 * step));
    Ok(check)
}

struct Exact {
    tangent: f64,
    gradients: Vec<Vec<f64>>,
    tangent_gradients: Vec<Vec<f64>>,
}

struct Probe<'a, B, F> {
    backend: &'a B,
    function: F,
    directions: Vec<ArrayD<f64>>,
}

impl<B: Backend<Elem = f64>, F: Fn(&mut Tape<B>, &[Var]) -> Result<Var>> Probe<'_, B, F> {
    /// Records `⟨c, f⟩` and its tangent; returns the tape, inputs, and both nodes.
    fn record(&self, inputs: &[ArrayD<f64>]) -> Result<(Tape<B>, Vec<Var>, [Var; 2])> {
        let mut tape = Tape::new(self.backend.clone());
        let mut vars = Vec::new();
        let mut seeds = Vec::new();
        for (input, direction) in inputs.iter().zip(&self.directions) {
            let var = tape.variable(Tensor::from_array(self.backend, input)?);
            let direction = tape.constant(Tensor::from_array(self.backend, direction)?);
            vars.push(var);
            seeds.push((var, direction));
        }
        let y = (self.function)(&mut tape, &vars)?;
        let weights = normals(tape.shape(y).dims(), 1_000);
        let weights = tape.constant(Tensor::from_array(self.backend, &weights)?);
        let weighted = tape.mul(y, weights)?;
        let value = tape.sum(weighted)?;
        let tangent = tape.tangent(value, &seeds)?;
        Ok((tape, vars, [value, tangent]))
    }

    fn values(&self, inputs: &[ArrayD<f64>]) -> Result<[f64; 2]> {
        let (tape, _, [value, tangent]) = self.record(inputs)?;
        Ok([tape.host(value)?[0], tape.host(tangent)?[0]])
    }

    fn evaluate(&self, inputs: &[ArrayD<f64>]) -> Result<Exact> {
        let (tape, vars, [value, tangent]) = self.record(inputs)?;
        let gradients_of = |scalar: Var| -> Result<Vec<Vec<f64>>> {
            let gradients = tape.backward(scalar)?;
            let host = |&var: &Var| match gradients.get(var) {
                Some(_) => gradients.host(var),
                None => Ok(vec![0.0; tape.shape(var).len()]),
            };
            vars.iter().map(host).collect()
        };
        if !tape.needs_gradient(value) {
            return Err(Error::argument("gradcheck: the function does not depend on its inputs"));
        }
        Ok(Exact { tangent: tape.host(tangent)?[0], gradients: gradients_of(value)?, tangent_gradients: gradients_of(tangent)? })
    }
}

fn relative(exact: f64, measured: f64) -> f64 {
    let error = (exact - measured).abs() / exact.abs().max(1.0);
    if error.is_nan() { f64::INFINITY } else { error }
}

fn normals(shape: &[usize], index: u32) -> ArrayD<f64> {
    let mut stream = Stream::new(0, Purpose::Test, 0, index);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || stream.normal())
}
