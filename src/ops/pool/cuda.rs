//! Max-pool as a selection, `kernels/pool.cu`.

use super::{MaxPool, PoolSpec};
use crate::backend::cuda::kernels::pool as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: MaxPool<'_, Buffer>) -> Result<()> {
    match call {
        MaxPool::Forward { spec, x, v, y } => {
            let len = y.len();
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::MAX_POOL_NAIVE, len)
            } else {
                cuda.launch_over(&kernel::MAX_POOL, quads(spec, len))
            };
            // In the plain pool x and v are the same buffer, which is read once.
            let inputs = if std::ptr::eq(x, v) { 1 } else { 2 };
            launch.input(x).input(v).output(y).value(*spec).with("inputs", inputs).with("len", len).run()
        }
        MaxPool::InputGrad { spec, x, dy, dv } => {
            let len = dy.len();
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::MAX_POOL_GRAD_NAIVE, len)
            } else {
                cuda.launch_over(&kernel::MAX_POOL_GRAD, quads(spec, len))
            };
            launch.input(x).input(dy).output(dv).value(*spec).with("len", len).run()
        }
    }
}

/// Threads for `output` elements, each with up to four channels.
fn quads(spec: &PoolSpec, output: usize) -> usize {
    output / spec.c as usize * spec.c.div_ceil(4) as usize
}
