use std::sync::Arc;

use super::{TrainingSet, row_major};
use crate::backend::{Corruption, Picks, Picture};
use crate::error::Result;
use crate::shape::{CorruptionSpec, Shape};

/// The images and textures of a [`TrainingSet`] in device memory, where the batches are made. Clones share them.
pub struct ResidentSet<B: Corruption> {
    inner: Arc<Inner<B>>,
}

struct Inner<B: Corruption> {
    pictures: B::Resident,
    spec: CorruptionSpec,
}

impl<B: Corruption> Clone for ResidentSet<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl TrainingSet {
    /// The set on the device, for batches of `count` images; `None` for devices whose batches are made by the host.
    ///
    /// # Errors
    /// As [`TrainingSet::validate`]; a batch too large; out of device memory.
    pub fn resident<B: Corruption>(&self, backend: &B, count: usize) -> Result<Option<ResidentSet<B>>> {
        self.validate()?;
        let spec = self.corruption.spec(self.seed, count, self.size, self.images.len(), self.textures.len())?;
        let stored: Vec<_> = self.images.iter().chain(&self.textures).map(|image| (image.dim(), row_major(image))).collect();
        let pictures: Vec<_> =
            stored.iter().map(|((height, width, _), pixels)| Picture { height: *height, width: *width, pixels }).collect();
        let resident = backend.resident(&pictures)?;
        Ok(resident.map(|pictures| ResidentSet { inner: Arc::new(Inner { pictures, spec }) }))
    }
}

impl<B: Corruption> ResidentSet<B> {
    /// Images in a batch.
    pub fn count(&self) -> usize {
        self.inner.spec.n as usize
    }

    /// Shapes of the images and of the region masks of a batch.
    ///
    /// # Errors
    /// None for a set that could be made.
    pub fn shapes(&self) -> Result<[Shape; 2]> {
        let (count, side) = (self.count(), self.inner.spec.side as usize);
        Ok([Shape::new(&[count, side, side, 3])?, Shape::new(&[count, side, side, 1])?])
    }

    /// Makes a batch on the device. `picks` is [`Picks`] as a buffer; x̂, x and M are written to `batch`.
    ///
    /// # Errors
    /// Buffers of another length than [`Picks::len`] and [`ResidentSet::shapes`] say; the device failed.
    pub fn batch(&self, backend: &B, picks: &B::Buffer, batch: [&mut B::Buffer; 3]) -> Result<()> {
        backend.batch(&self.inner.spec, &self.inner.pictures, picks, batch)
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
