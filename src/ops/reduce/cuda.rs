//! Sum of all elements and its adjoint, `kernels/reduce.cu`.

use super::Reduce;
use crate::backend::Storage;
use crate::backend::cuda::kernels::reduce as kernel;
use crate::backend::cuda::reduce::{DOUBLE, partial_blocks, sum_total};
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: Reduce<'_, Buffer>) -> Result<()> {
    match call {
        Reduce::Sum { x, y } if cuda.is_naive() => {
            cuda.launch_over(&kernel::SUM_NAIVE, 1).input(x).output(y).number("len", x.len() as u32).run()
        }
        Reduce::Sum { x, y } => {
            let count = partial_blocks(x.len(), kernel::SUM_PARTIALS.threads);
            let mut partials = cuda.alloc(count as usize * DOUBLE)?;
            let launch = cuda.launch(&kernel::SUM_PARTIALS, [count, 1, 1]).input(x).output(&mut partials);
            launch.number("len", x.len() as u32).run()?;
            sum_total(cuda, &partials, count, y)
        }
        Reduce::SumGrad { alpha, dy, dx } => {
            let len = dx.len();
            let launch = cuda.launch_over(&kernel::SUM_GRAD, len).input(dy).update(dx);
            launch.value(alpha as f32).number("len", len as u32).run()
        }
    }
}
