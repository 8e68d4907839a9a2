//! Max-pool as a selection, `kernels/pool.cu`.

use super::{MaxPool, PoolSpec};
use crate::backend::cuda::kernels::pool as kernel;
use crate::backend::cuda::storage::CHUNK;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;
use crate::ops::pointwise::cuda::finish;

pub(in crate::ops) fn run(cuda: &Cuda, call: MaxPool<'_, Buffer>) -> Result<()> {
    match call {
        MaxPool::Forward { spec, x, v, y } => forward(cuda, spec, [x, v], y),
        MaxPool::InputGrad { spec, x, dy, dv, slope } if [x, dy, dv].iter().all(|buffer| buffer.is_bf16()) => {
            let len = dy.len();
            let windows = spec.n * spec.h.div_ceil(spec.window) * spec.w.div_ceil(spec.window);
            let launch = cuda.launch_over(&kernel::MAX_POOL_GRAD_BF16, windows as usize * (spec.c as usize / CHUNK));
            let launch = launch.bf16_input(x).bf16_input(dy).bf16_sum(dv, "adds").slope(slope, "has_slope");
            let sloped = slope.is_some_and(|slope| !std::ptr::eq(slope.y, x));
            launch.value(*spec).with("sloped", usize::from(sloped)).with("len", len).run()
        }
        MaxPool::InputGrad { spec, x, dy, dv, slope } => finish(cuda, slope, dv, |dv| {
            let len = dy.len();
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::MAX_POOL_GRAD_NAIVE, len)
            } else {
                cuda.launch_over(&kernel::MAX_POOL_GRAD, quads(spec, len))
            };
            launch.input(x).input(dy).update(dv).value(*spec).with("len", len).run()
        }),
    }
}

fn forward(cuda: &Cuda, spec: &PoolSpec, [x, v]: [&Buffer; 2], y: &mut Buffer) -> Result<()> {
    let len = y.len();
    let launch = if [x, v, &*y].iter().all(|buffer| buffer.is_bf16()) {
        let launch = cuda.launch_over(&kernel::MAX_POOL_BF16, len / CHUNK);
        launch.bf16_input(x).bf16_input(v).bf16_output(y)
    } else if cuda.is_naive() {
        cuda.launch_over(&kernel::MAX_POOL_NAIVE, len).input(x).input(v).output(y)
    } else {
        cuda.launch_over(&kernel::MAX_POOL, quads(spec, len)).input(x).input(v).output(y)
    };
    // In the plain pool x and v are the same buffer, which is read once.
    let inputs = if std::ptr::eq(x, v) { 1 } else { 2 };
    launch.value(*spec).with("inputs", inputs).with("len", len).run()
}

/// Threads for `output` elements, each with up to four channels.
fn quads(spec: &PoolSpec, output: usize) -> usize {
    output / spec.c as usize * spec.c.div_ceil(4) as usize
}
