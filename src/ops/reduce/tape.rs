use super::Reduce;
use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Shape;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// `Σ x` over all elements, a scalar.
    ///
    /// # Errors
    /// The device failed.
    pub fn sum(&mut self, x: Var) -> Result<Var> {
        self.record(Shape::scalar(), SumNode { x }, |tape, y| tape.backend().run(Reduce::Sum { x: tape.buffer(x), y }))
    }

    /// Mean of all elements, a scalar.
    ///
    /// # Errors
    /// The device failed.
    pub fn mean(&mut self, x: Var) -> Result<Var> {
        let sum = self.sum(x)?;
        self.affine(sum, 1.0 / self.shape(x).len() as f64, 0.0)
    }

    /// `‖x‖²`, a scalar.
    ///
    /// # Errors
    /// The device failed.
    pub fn square_norm(&mut self, x: Var) -> Result<Var> {
        let squares = self.mul(x, x)?;
        self.sum(squares)
    }
}

struct SumNode {
    x: Var,
}

impl<B: Backend> Operation<B> for SumNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.run(Reduce::SumGrad { alpha: 1.0, dy, dx }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.sum(x)).transpose()
    }
}
