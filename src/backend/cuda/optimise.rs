#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Optimise for Cuda {
    fn adam(
        &self,
        spec: &AdamSpec,
        control: [&Buffer; 2],
        g: &Buffer,
        p: &mut Buffer,
        m: &mut Buffer,
        v: &mut Buffer,
    ) -> Result<()> {
        Err(Error::shape("optimise", "STUB"))
    }
    fn moving_average(&self, control: [&Buffer; 2], p: &Buffer, average: &mut Buffer) -> Result<()> {
        Err(Error::shape("optimise", "STUB"))
    }
}
