#![allow(unused_imports, unused_variables)]
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::*;
use crate::error::{Error, Result};
use crate::shape::*;

pub(super) const KERNELS: &[&Kernel] = &[];

impl BoxAverage for Cuda {
    fn box_average(&self, spec: &BoxAverageSpec, x: &Buffer, y: &mut Buffer) -> Result<()> {
        Err(Error::shape("box_average", "STUB"))
    }
    fn box_average_grad(&self, spec: &BoxAverageSpec, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        Err(Error::shape("box_average", "STUB"))
    }
}
