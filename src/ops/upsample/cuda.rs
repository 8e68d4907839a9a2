//! Bilinear upsampling by two, `kernels/upsample.cu`.

use super::{Upsample, UpsampleSpec};
use crate::backend::cuda::kernels::upsample as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: Upsample<'_, Buffer>) -> Result<()> {
    match call {
        Upsample::Forward { spec, x, y } => {
            let len = 4 * spec.input_len();
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::UPSAMPLE2_NAIVE, len)
            } else {
                cuda.launch_over(&kernel::UPSAMPLE2, 4 * quads(spec))
            };
            launch.input(x).output(y).value(*spec).with("len", len).run()
        }
        Upsample::InputGrad { spec, dy, dx } => {
            let len = spec.input_len();
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::UPSAMPLE2_GRAD_NAIVE, len)
            } else {
                cuda.launch_over(&kernel::UPSAMPLE2_GRAD, quads(spec))
            };
            launch.input(dy).output(dx).value(*spec).with("len", len).run()
        }
    }
}

/// Threads for the elements of x, each with up to four channels.
fn quads(spec: &UpsampleSpec) -> usize {
    spec.input_len() / spec.c as usize * spec.c.div_ceil(4) as usize
}
