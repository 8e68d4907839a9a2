#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Ccm for Cuda {
    fn convex_combination(&self, beta: &Buffer, s: &Buffer, u: &Buffer, y: &mut Buffer) -> Result<()> {
        Err(Error::shape("ccm", "STUB"))
    }
    fn convex_combination_grad(&self, operands: [&Buffer; 3], dy: &Buffer, grads: [&mut Buffer; 3]) -> Result<()> {
        Err(Error::shape("ccm", "STUB"))
    }
    fn ccm(
        &self,
        spec: &CcmSpec,
        operands: [&Buffer; 2],
        weights: &CcmWeights<&Buffer>,
        saved: [&mut Buffer; 2],
        y: &mut Buffer,
    ) -> Result<()> {
        Err(Error::shape("ccm", "STUB"))
    }
    fn ccm_grad(
        &self,
        spec: &CcmSpec,
        operands: [&Buffer; 2],
        weights: &CcmWeights<&Buffer>,
        saved: [&Buffer; 2],
        dy: &Buffer,
        grads: [&mut Buffer; 2],
        weight_grads: CcmWeights<&mut Buffer>,
    ) -> Result<()> {
        Err(Error::shape("ccm", "STUB"))
    }
}
