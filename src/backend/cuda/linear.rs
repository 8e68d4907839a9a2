#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Linear for Cuda {
    fn linear(&self, spec: &LinearSpec, x: &Buffer, w: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
        Err(Error::shape("linear", "STUB"))
    }
    fn linear_input_grad(&self, spec: &LinearSpec, dz: &Buffer, w: &Buffer, dx: &mut Buffer) -> Result<()> {
        Err(Error::shape("linear", "STUB"))
    }
    fn linear_weight_grad(
        &self,
        spec: &LinearSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
        db: Option<&mut Buffer>,
    ) -> Result<()> {
        Err(Error::shape("linear", "STUB"))
    }
}
