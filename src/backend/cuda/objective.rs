#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Objective for Cuda {
    fn objective(&self, spec: &ObjectiveSpec, operands: [&Buffer; 3], loss: &mut Buffer) -> Result<()> {
        Err(Error::shape("objective", "STUB"))
    }
    fn objective_derivative(&self, spec: &ObjectiveSpec, order: u32, operands: [&Buffer; 3], d: &mut Buffer) -> Result<()> {
        Err(Error::shape("objective", "STUB"))
    }
}
