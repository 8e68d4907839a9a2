#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda, Mode, conv2d_bf16};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Conv2d for Cuda {
    fn conv2d(&self, spec: &Conv2dSpec, x: &Buffer, w: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
        if self.mode == Mode::Bf16 && conv2d_bf16::fits(spec, 1) {
            return self.conv2d_bf16(spec, x, w, b, y);
        }
        Err(Error::shape("conv2d", "STUB"))
    }
    fn conv2d_input_grad(&self, spec: &Conv2dSpec, dz: &Buffer, w: &Buffer, dx: &mut Buffer) -> Result<()> {
        if self.mode == Mode::Bf16 && conv2d_bf16::fits(spec, 1) {
            return self.conv2d_input_grad_bf16(spec, dz, w, dx);
        }
        Err(Error::shape("conv2d", "STUB"))
    }
    fn conv2d_weight_grad(
        &self,
        spec: &Conv2dSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
        db: Option<&mut Buffer>,
    ) -> Result<()> {
        if self.mode == Mode::Bf16 && conv2d_bf16::fits(spec, 1) {
            return self.conv2d_weight_grad_bf16(spec, x, dz, dw);
        }
        Err(Error::shape("conv2d", "STUB"))
    }
}
