#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Sdc for Cuda {
    fn sdc(&self, spec: &SdcSpec, x: &Buffer, w: &[&Buffer], b: &[&Buffer], y: &mut Buffer) -> Result<()> {
        Err(Error::shape("sdc", "STUB"))
    }
    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
        Err(Error::shape("sdc", "STUB"))
    }
    fn sdc_weight_grad(&self, spec: &SdcSpec, x: &Buffer, dz: &Buffer, dw: &mut [Buffer], db: &mut [Buffer]) -> Result<()> {
        Err(Error::shape("sdc", "STUB"))
    }
}
