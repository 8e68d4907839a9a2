//! Max-pool as a selection, `kernels/pool.cu`.

use super::kernel::{File, Kernel};
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{MaxPool, Unit};
use crate::error::Result;
use crate::shape::PoolSpec;

static FILE: File = File { name: "pool.cu", text: include_str!("../../../kernels/pool.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static MAX_POOL: Kernel = kernel("max_pool", "window^2 len", "4 inputs window^2 len + 4 len");
static MAX_POOL_GRAD: Kernel = kernel("max_pool_grad", "window^2 len + len", "12 window^2 len + 4 len");
static MAX_POOL_NAIVE: Kernel = kernel("max_pool_naive", "window^2 len", "4 inputs window^2 len + 4 len");
static MAX_POOL_GRAD_NAIVE: Kernel = kernel("max_pool_grad_naive", "window^2 len + len", "12 window^2 len + 4 len");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[&MAX_POOL, &MAX_POOL_GRAD, &MAX_POOL_NAIVE, &MAX_POOL_GRAD_NAIVE];

/// Elements of x and of y.
fn lengths(spec: &PoolSpec) -> Result<(usize, usize)> {
    let input = [spec.n, spec.h, spec.w, spec.c].map(|extent| extent as usize).iter().product();
    Ok((input, spec.output()?.len()))
}

/// Threads for `output` elements, each with up to four channels.
fn quads(spec: &PoolSpec, output: usize) -> usize {
    output / spec.c as usize * spec.c.div_ceil(4) as usize
}

impl MaxPool for Cuda {
    fn max_pool(&self, spec: &PoolSpec, x: &Buffer, v: &Buffer, y: &mut Buffer) -> Result<()> {
        let (input, output) = lengths(spec)?;
        check_lengths("max_pool", &[("x", x.len(), input), ("v", v.len(), input), ("y", y.len(), output)])?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&MAX_POOL_NAIVE, output),
            _ => self.launch_over(&MAX_POOL, quads(spec, output)),
        };
        // As a pool x and v are the same values, which are read once.
        let inputs = if std::ptr::eq(x, v) { 1 } else { 2 };
        launch.input(x).input(v).output(y).value(*spec).with("inputs", inputs).with("len", output).run()
    }

    fn max_pool_grad(&self, spec: &PoolSpec, x: &Buffer, dy: &Buffer, dv: &mut Buffer) -> Result<()> {
        let (input, output) = lengths(spec)?;
        check_lengths("max_pool_grad", &[("x", x.len(), input), ("dy", dy.len(), output), ("dv", dv.len(), input)])?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&MAX_POOL_GRAD_NAIVE, output),
            _ => self.launch_over(&MAX_POOL_GRAD, quads(spec, output)),
        };
        launch.input(x).input(dy).output(dv).value(*spec).with("len", output).run()
    }
}
