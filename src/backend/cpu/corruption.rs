//! Batches are made by the host.

use std::convert::Infallible;

use super::{Buffer, Cpu};
use crate::backend::{Corruption, Picture};
use crate::error::Result;
use crate::shape::CorruptionSpec;

impl Corruption for Cpu {
    type Resident = Infallible;

    fn resident(&self, _: &[Picture<'_>]) -> Result<Option<Infallible>> {
        Ok(None)
    }

    fn batch(&self, _: &CorruptionSpec, resident: &Infallible, _: &Buffer, _: [&mut Buffer; 3]) -> Result<()> {
        match *resident {}
    }
}
