#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda, Mode, sdc_bf16};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Sdc for Cuda {
    fn sdc(&self, spec: &SdcSpec, x: &Buffer, w: &[&Buffer], b: &[&Buffer], y: &mut Buffer) -> Result<()> {
        if self.mode == Mode::Bf16 && sdc_bf16::fits(spec) {
            return self.sdc_bf16(spec, x, w, b, y);
        }
        Err(Error::shape("sdc", "STUB"))
    }
    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
        if self.mode == Mode::Bf16 && sdc_bf16::fits(spec) {
            return self.sdc_input_grad_bf16(spec, dz, w, dx);
        }
        Err(Error::shape("sdc", "STUB"))
    }
    fn sdc_weight_grad(&self, spec: &SdcSpec, x: &Buffer, dz: &Buffer, dw: &mut [Buffer], db: &mut [Buffer]) -> Result<()> {
        if self.mode == Mode::Bf16 && sdc_bf16::fits(spec) {
            return self.sdc_weight_grad_bf16(spec, x, dz, dw);
        }
        Err(Error::shape("sdc", "STUB"))
    }
}
