//! Small fixed filters, `kernels/stencil.cu`.

use super::Stencil;
use crate::backend::cuda::kernels::stencil as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: Stencil<'_, Buffer>) -> Result<()> {
    match call {
        Stencil::Forward { spec, x, y } => {
            let len = y.len();
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::STENCIL_NAIVE, len)
            } else {
                cuda.launch_over(&kernel::STENCIL, len / spec.filters as usize)
            };
            launch.input(x).output(y).value(*spec).with("len", len).run()
        }
        Stencil::InputGrad { spec, dy, dx } => {
            let len = dy.len();
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::STENCIL_GRAD_NAIVE, spec.n as usize * spec.c as usize)
            } else {
                cuda.launch_over(&kernel::STENCIL_GRAD, dx.len() / spec.c as usize)
            };
            launch.input(dy).update(dx).value(*spec).with("len", len).run()
        }
    }
}
