use crate::backend::{AdamStep, Backend, Picks, Real};
use crate::data::{Batch, ResidentSet};
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
    /// Where the batches are made on the device: from what, and the picks.
    resident: Option<(ResidentSet<B>, B::Buffer)>,
    /// Room for values of a batch in the device's type.
    host: Vec<B::Elem>,
    pub(super) program: B::Program,
}

impl<B: Backend> Desk<B> {
    /// The desk for batches of these shapes, from `resident` if they are made on the device: `old` if it fits. A recorded step
    /// reads the resident set at its place, so the desk keeps it, and another set needs another desk.
    pub(super) fn at(
        old: Option<Self>,
        backend: &B,
        [image, region]: [Shape; 2],
        resident: Option<&ResidentSet<B>>,
    ) -> Result<Self> {
        if let Some(old) = old.filter(|old| old.fits([image, region], resident)) {
            return Ok(old);
        }
        let empty = |shape| Tensor::zeros(backend, shape);
        let resident = resident.map(|set| Ok((set.clone(), backend.zeros(set.picks_len())?))).transpose()?;
        Ok(Self {
            operands: [empty(image)?, empty(image)?, empty(region)?],
            step: backend.zeros(AdamStep::LEN)?,
            loss: backend.zeros(1)?,
            resident,
            host: Vec::new(),
            program: B::Program::default(),
        })
    }

    fn fits(&self, [image, region]: [Shape; 2], resident: Option<&ResidentSet<B>>) -> bool {
        let same_set = match (&self.resident, resident) {
            (None, None) => true,
            (Some((own, _)), Some(other)) => own.same(other),
            _ => false,
        };
        same_set && self.operands[0].shape() == image && self.operands[2].shape() == region
    }

    /// Writes a batch from the host.
    pub(super) fn put(&mut self, backend: &B, batch: &Batch) -> Result<()> {
        for (operand, values) in self.operands.iter_mut().zip([&batch.corrupted, &batch.target, &batch.region]) {
            self.host.clear();
            self.host.extend(values.iter().map(|&value| B::Elem::of(f64::from(value))));
            backend.write(&self.host, operand.buffer_mut()?)?;
        }
        Ok(())
    }

    /// Writes what the next batch on the device shows.
    pub(super) fn pick(&mut self, backend: &B, picks: &Picks) -> Result<()> {
        match &mut self.resident {
            Some((_, buffer)) => backend.write(&picks.elements::<B::Elem>(), buffer),
            None => Ok(()),
        }
    }

    /// Makes the batch on the device if it has a resident set; part of the recorded step.
    pub(super) fn fill(&mut self, backend: &B) -> Result<()> {
        let Some((set, picks)) = &self.resident else { return Ok(()) };
        let [corrupted, target, region] = &mut self.operands;
        set.batch(backend, picks, [corrupted.buffer_mut()?, target.buffer_mut()?, region.buffer_mut()?])
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
