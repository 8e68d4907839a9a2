//! Updates of the optimiser, `kernels/optimise.cu`.

use super::Optimise;
use crate::backend::cuda::kernels::optimise as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: Optimise<'_, Buffer>) -> Result<()> {
    match call {
        Optimise::Adam { spec, step, loss, g, p, m, v } => {
            let len = g.len();
            let launch = cuda.launch_over(&kernel::ADAM, len).input(step).input(loss).input(g);
            launch.update(p).update(m).update(v).value(*spec).number("len", len as u32).run()
        }
        Optimise::MovingAverage { step, loss, p, average } => {
            let len = p.len();
            let launch = cuda.launch_over(&kernel::MOVING_AVERAGE, len).input(step).input(loss);
            launch.input(p).update(average).number("len", len as u32).run()
        }
    }
}
