//! Batches are made by the host.

use std::convert::Infallible;

use super::Reference;
use crate::backend::{Corruption, Picture, Real};
use crate::error::Result;
use crate::shape::CorruptionSpec;

impl<T: Real> Corruption for Reference<T> {
    type Resident = Infallible;

    fn resident(&self, _: &[Picture<'_>]) -> Result<Option<Infallible>> {
        Ok(None)
    }

    fn batch(&self, _: &CorruptionSpec, resident: &Infallible, _: &Self::Buffer, _: [&mut Self::Buffer; 3]) -> Result<()> {
        match *resident {}
    }
}
