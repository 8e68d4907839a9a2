//! Bilinear upsampling by two, `kernels/upsample.cu`.

use super::{Upsample, UpsampleSpec};
use crate::backend::cuda::kernels::upsample as kernel;
use crate::backend::cuda::storage::CHUNK;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;
use crate::ops::pointwise::cuda::finish;

pub(in crate::ops) fn run(cuda: &Cuda, call: Upsample<'_, Buffer>) -> Result<()> {
    match call {
        Upsample::Forward { spec, x, y } => {
            let len = 4 * spec.input_len();
            let launch = if x.is_bf16() && y.is_bf16() {
                cuda.launch_over(&kernel::UPSAMPLE2_BF16, len / CHUNK).bf16_input(x).bf16_output(y)
            } else if cuda.is_naive() {
                cuda.launch_over(&kernel::UPSAMPLE2_NAIVE, len).input(x).output(y)
            } else {
                cuda.launch_over(&kernel::UPSAMPLE2, 4 * quads(spec)).input(x).output(y)
            };
            launch.value(*spec).with("len", len).run()
        }
        Upsample::InputGrad { spec, dy, dx, slope } => {
            let len = spec.input_len();
            if dy.is_bf16() && dx.is_bf16() {
                let launch = cuda.launch_over(&kernel::UPSAMPLE2_GRAD_BF16, len / CHUNK).bf16_input(dy).bf16_sum(dx, "adds");
                return launch.slope(slope, "sloped").value(*spec).with("len", len).run();
            }
            finish(cuda, slope, dx, |dx| {
                let launch = if cuda.is_naive() {
                    cuda.launch_over(&kernel::UPSAMPLE2_GRAD_NAIVE, len).input(dy).update(dx)
                } else {
                    cuda.launch_over(&kernel::UPSAMPLE2_GRAD, quads(spec)).input(dy).sum(dx)
                };
                launch.value(*spec).with("len", len).run()
            })
        }
    }
}

/// Threads for the elements of x, each with up to four channels.
fn quads(spec: &UpsampleSpec) -> usize {
    spec.input_len() / spec.c as usize * spec.c.div_ceil(4) as usize
}
