use super::batches::StepBatch;
use super::{ObjectiveConfig, Terms};
use crate::backend::Real;
use crate::data::{Batch, ResidentSet};
use crate::error::Result;
use crate::ops::{self, AdamStep, Backend, Picks};
use crate::shape::Shape;
use crate::tape::Tensor;

/// The buffers that every step reads and writes. Their addresses do not change, so that a step can be recorded and replayed.
pub(super) struct StepBuffers<B: Backend> {
    /// x̂, x, M.
    operands: [Tensor<B>; 3],
    /// An [`AdamStep`].
    step: B::Buffer,
    loss: B::Buffer,
    /// The terms of the loss, if there are several.
    terms: Option<Terms<B::Buffer>>,
    /// If the device makes the batches: the images, and the picks as a buffer.
    resident: Option<(ResidentSet<B>, B::Buffer)>,
    pub(super) program: B::Program,
}

impl<B: Backend> StepBuffers<B> {
    /// Buffers with the host values of `batch` written to them. `old` is reused if it fits. A recorded step reads the resident
    /// set at a fixed address, so the buffers keep the set alive, and another set needs new buffers.
    pub(super) fn load(old: Option<Self>, backend: &B, objective: &ObjectiveConfig, batch: &StepBatch<'_, B>) -> Result<Self> {
        match batch {
            StepBatch::Host(batch) => {
                let mut own = Self::for_shapes(old, backend, objective, batch.shapes()?, None)?;
                own.write_batch(backend, batch).map(|()| own)
            }
            StepBatch::Device(set, picks) => {
                let mut own = Self::for_shapes(old, backend, objective, set.shapes()?, Some(set))?;
                own.write_picks(backend, picks).map(|()| own)
            }
        }
    }

    fn for_shapes(
        old: Option<Self>,
        backend: &B,
        objective: &ObjectiveConfig,
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
            terms: objective.terms().map(|terms| terms.try_map(|()| backend.zeros(1))).transpose()?,
            resident,
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

    fn write_batch(&mut self, backend: &B, batch: &Batch) -> Result<()> {
        for (operand, values) in self.operands.iter_mut().zip([&batch.corrupted, &batch.target, &batch.region]) {
            let values = values.as_standard_layout();
            backend.write(&B::Elem::from_f32(values.as_slice().unwrap_or_default()), operand.buffer_mut()?)?;
        }
        Ok(())
    }

    fn write_picks(&mut self, backend: &B, picks: &Picks) -> Result<()> {
        match &mut self.resident {
            Some((_, buffer)) => backend.write(&picks.elements::<B::Elem>(), buffer),
            None => Ok(()),
        }
    }

    /// Makes the batch if the device makes batches. This is part of the recorded step.
    pub(super) fn make_batch(&mut self) -> Result<()> {
        let Some((set, picks)) = &self.resident else { return Ok(()) };
        let [corrupted, target, region] = &mut self.operands;
        let [corrupted, images, region] = [corrupted.buffer_mut()?, target.buffer_mut()?, region.buffer_mut()?];
        set.batch(picks, ops::Batch { corrupted, images, region })
    }

    /// Writes the constants of a step.
    pub(super) fn write_constants(&mut self, backend: &B, step: &AdamStep) -> Result<()> {
        backend.write(&step.elements::<B::Elem>(), &mut self.step)
    }

    /// x̂, x, M; the clones share their memory.
    pub(super) fn operands(&self) -> [Tensor<B>; 3] {
        self.operands.clone()
    }

    /// Step constants and loss, which the optimiser reads.
    pub(super) fn control(&self) -> [&B::Buffer; 2] {
        [&self.step, &self.loss]
    }

    pub(super) fn set_loss(&mut self, backend: &B, loss: &Tensor<B>) -> Result<()> {
        backend.copy(loss.buffer(), &mut self.loss)
    }

    pub(super) fn set_terms(&mut self, backend: &B, terms: &Terms<&Tensor<B>>) -> Result<()> {
        let Some(own) = &mut self.terms else { return Ok(()) };
        own.iter_mut().zip(terms.iter()).try_for_each(|(own, term)| backend.copy(term.buffer(), own))
    }

    /// The terms of the loss, if there are several, once the device has finished the step.
    pub(super) fn terms(&self, backend: &B) -> Result<Option<Terms<f64>>> {
        let value = |buffer: &B::Buffer| Ok(backend.download(buffer)?[0].f64());
        self.terms.as_ref().map(|terms| terms.try_map(value)).transpose()
    }

    /// The loss, once the device has finished the step.
    pub(super) fn loss(&self, backend: &B) -> Result<f64> {
        Ok(backend.download(&self.loss)?[0].f64())
    }
}
