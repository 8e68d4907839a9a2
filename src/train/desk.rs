use crate::backend::{AdamStep, Backend, Real};
use crate::data::Batch;
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::Tensor;

/// The buffers that every step reads and writes. They stay where they are, so that a step can be recorded and repeated.
pub(super) struct Desk<B: Backend> {
    /// x̂, x, M.
    operands: [Tensor<B>; 3],
    /// An [`AdamStep`].
    step: B::Buffer,
    loss: B::Buffer,
    pub(super) program: B::Program,
}

impl<B: Backend> Desk<B> {
    /// The desk for batches of these shapes: `old` if it fits.
    pub(super) fn at(old: Option<Self>, backend: &B, image: Shape, region: Shape) -> Result<Self> {
        if let Some(old) = old.filter(|old| old.operands[0].shape() == image && old.operands[2].shape() == region) {
            return Ok(old);
        }
        let empty = |shape| Tensor::zeros(backend, shape);
        Ok(Self {
            operands: [empty(image)?, empty(image)?, empty(region)?],
            step: backend.zeros(AdamStep::LEN)?,
            loss: backend.zeros(1)?,
            program: B::Program::default(),
        })
    }

    /// Writes a batch from the host.
    pub(super) fn put(&mut self, backend: &B, batch: &Batch) -> Result<()> {
        for (operand, values) in self.operands.iter_mut().zip([&batch.corrupted, &batch.target, &batch.region]) {
            let values: Vec<_> = values.iter().map(|&value| B::Elem::of(f64::from(value))).collect();
            backend.write(&values, operand.buffer_mut()?)?;
        }
        Ok(())
    }

    /// Writes the constants of a step.
    pub(super) fn prepare(&mut self, backend: &B, step: &AdamStep) -> Result<()> {
        backend.write(&step.elements::<B::Elem>(), &mut self.step)
    }

    /// x̂, x, M; cloning is cheap.
    pub(super) fn operands(&self) -> [Tensor<B>; 3] {
        self.operands.clone()
    }

    /// Step constants and loss, as the optimiser reads them.
    pub(super) fn control(&self) -> [&B::Buffer; 2] {
        [&self.step, &self.loss]
    }

    pub(super) fn set_loss(&mut self, backend: &B, loss: &Tensor<B>) -> Result<()> {
        backend.copy(loss.buffer(), &mut self.loss)
    }

    /// The loss, after everything before has been done.
    pub(super) fn loss(&self, backend: &B) -> Result<f64> {
        Ok(backend.download(&self.loss)?[0].f64())
    }
}
