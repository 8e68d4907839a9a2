#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl Reduce for Cuda {
    fn sum(&self, x: &Buffer, y: &mut Buffer) -> Result<()> {
        Err(Error::shape("reduce", "STUB"))
    }
    fn sum_grad(&self, alpha: f64, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        Err(Error::shape("reduce", "STUB"))
    }
}

/// `db += Σ_rows dy`.
pub(super) fn column_sums(cuda: &Cuda, dy: &Buffer, db: &mut Buffer) -> Result<()> {
    Err(Error::shape("column_sums", "STUB"))
}
