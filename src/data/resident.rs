use std::sync::Arc;

use super::TrainingSet;
use crate::error::Result;
use crate::ops::{self, Backend, CorruptionSpec, Picks, Sampler};
use crate::shape::Shape;

/// The images and textures of a [`TrainingSet`] in the memory of a device, which makes the batches. Clones share this memory.
pub struct ResidentSet<B: Backend> {
    inner: Arc<Inner<B>>,
}

struct Inner<B: Backend> {
    sampler: Box<dyn Sampler<B::Buffer>>,
    spec: CorruptionSpec,
}

impl<B: Backend> Clone for ResidentSet<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl TrainingSet {
    /// The set on the device, for batches of `count` images; `None` if the host makes the batches of this device.
    ///
    /// # Errors
    /// As [`TrainingSet::validate`]; a batch too large; out of device memory.
    pub fn resident<B: Backend>(&self, backend: &B, count: usize) -> Result<Option<ResidentSet<B>>> {
        self.validate()?;
        let spec = self.corruption.spec(self.seed, count, self.size, self.images.len(), self.textures.len())?;
        let pictures: Vec<_> = self.images.iter().chain(&self.textures).map(|image| image.view()).collect();
        let sampler = backend.sampler(&pictures)?;
        Ok(sampler.map(|sampler| ResidentSet { inner: Arc::new(Inner { sampler, spec }) }))
    }
}

impl<B: Backend> ResidentSet<B> {
    /// Images in a batch.
    pub fn count(&self) -> usize {
        self.inner.spec.n as usize
    }

    /// Shapes of the images and of the region masks of a batch.
    ///
    /// # Errors
    /// Never for a set made by [`TrainingSet::resident`].
    pub fn shapes(&self) -> Result<[Shape; 2]> {
        let (count, side) = (self.count(), self.inner.spec.side as usize);
        Ok([Shape::new(&[count, side, side, 3])?, Shape::new(&[count, side, side, 1])?])
    }

    /// Makes the batch described by `picks`, which is [`Picks`] as a buffer.
    ///
    /// # Errors
    /// Buffers whose lengths differ from [`Picks::len`] and [`ResidentSet::shapes`]; the device failed.
    pub fn batch(&self, picks: &B::Buffer, batch: ops::Batch<'_, B::Buffer>) -> Result<()> {
        self.inner.sampler.batch(&self.inner.spec, picks, batch)
    }

    /// Elements of the buffer of picks.
    pub fn picks_len(&self) -> usize {
        Picks::len(self.count())
    }

    /// Whether both share the same memory.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}
