use super::{Accumulate, Tape, Var};
use crate::error::{Error, Result};
use crate::shape::Shape;

impl<B: Accumulate> Tape<B> {
    /// Records the JVPs of `outputs` for the seeds `(input, direction)`: `Σ ∂output/∂input · direction`. None for an output that
    /// does not depend on any seeded input.
    ///
    /// Directions are nodes, so tangents of tangents and products such as `J (J v)` are possible, and [`Tape::backward`] can
    /// differentiate every tangent.
    ///
    /// # Errors
    /// A direction whose shape differs from its input; an operation without a higher derivative; the device failed.
    pub fn tangents(&mut self, outputs: &[Var], seeds: &[(Var, Var)]) -> Result<Vec<Option<Var>>> {
        let wanted = self.ancestors(outputs);
        let mut tangents: Vec<Option<Var>> = vec![None; wanted.len()];
        for &(input, direction) in seeds {
            Shape::same("tangents", &self.shape(input), &self.shape(direction))?;
            if let Some(slot) = tangents.get_mut(input.0) {
                *slot = Some(direction);
            }
        }
        for index in 0..wanted.len() {
            let Some(operation) = self.nodes[index].operation.clone().filter(|_| wanted[index] && tangents[index].is_none())
            else {
                continue;
            };
            let inputs: Vec<_> = operation.inputs().iter().map(|input| tangents[input.0]).collect();
            if inputs.iter().any(Option::is_some) {
                tangents[index] = operation.tangent(self, Var(index), &inputs)?;
            }
        }
        Ok(outputs.iter().map(|output| tangents[output.0]).collect())
    }

    /// The tangent of one output, as [`Tape::tangents`].
    ///
    /// # Errors
    /// As [`Tape::tangents`]; also if `output` does not depend on the seeded inputs.
    pub fn tangent(&mut self, output: Var, seeds: &[(Var, Var)]) -> Result<Var> {
        self.tangents(&[output], seeds)?[0]
            .ok_or_else(|| Error::argument(format!("node {} does not depend on the inputs given", output.0)))
    }

    /// Marks every node that an output depends on.
    fn ancestors(&self, outputs: &[Var]) -> Vec<bool> {
        let end = outputs.iter().map(|output| output.0 + 1).max().unwrap_or(0);
        let mut marked = vec![false; end];
        for output in outputs {
            marked[output.0] = true;
        }
        for index in (0..end).rev() {
            if let (true, Some(operation)) = (marked[index], &self.nodes[index].operation) {
                for input in operation.inputs() {
                    marked[input.0] = true;
                }
            }
        }
        marked
    }

    /// A constant of zeros.
    pub(crate) fn zeros(&mut self, shape: Shape) -> Result<Var> {
        let zeros = super::Tensor::zeros(&self.backend, shape)?;
        Ok(self.constant(zeros))
    }
}
