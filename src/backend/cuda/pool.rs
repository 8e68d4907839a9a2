#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl MaxPool for Cuda {
    fn max_pool(&self, spec: &PoolSpec, x: &Buffer, v: &Buffer, y: &mut Buffer) -> Result<()> {
        Err(Error::shape("pool", "STUB"))
    }
    fn max_pool_grad(&self, spec: &PoolSpec, x: &Buffer, dy: &Buffer, dv: &mut Buffer) -> Result<()> {
        Err(Error::shape("pool", "STUB"))
    }
}
