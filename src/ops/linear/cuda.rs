//! Linear map, `kernels/linear.cu`.

use super::Linear;
use crate::backend::cuda::gemm::tiles;
use crate::backend::cuda::kernels::linear as kernel;
use crate::backend::cuda::reduce::column_sums;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: Linear<'_, Buffer>) -> Result<()> {
    match call {
        Linear::Forward { spec, x, w, b, y } => {
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::LINEAR_NAIVE, y.len())
            } else {
                cuda.launch(&kernel::LINEAR, tiles(spec.rows as usize, spec.c_out as usize))
            };
            launch.input(x).input(w).bias(b).output(y).value(*spec).run()
        }
        Linear::InputGrad { spec, dz, w, dx } => {
            if cuda.is_naive() {
                let launch = cuda.launch_over(&kernel::LINEAR_INPUT_GRAD_NAIVE, dx.len());
                return launch.input(dz).input(w).update(dx).value(*spec).run();
            }
            let launch = cuda.launch(&kernel::LINEAR_INPUT_GRAD, tiles(spec.rows as usize, spec.c_in as usize));
            launch.input(dz).input(w).sum(dx).value(*spec).run()
        }
        Linear::WeightGrad { spec, x, dz, dw, db } => {
            if cuda.is_naive() {
                let launch = cuda.launch_over(&kernel::LINEAR_WEIGHT_GRAD_NAIVE, dw.len());
                launch.input(x).input(dz).update(dw).value(*spec).run()?;
            } else {
                let extents = [spec.c_out, spec.c_in, spec.rows].map(|extent| extent as usize);
                cuda.split_product(extents, dw, |grid, partial| {
                    let launch = cuda.launch(&kernel::LINEAR_WEIGHT_GRAD, grid).with("splits", grid[2] as usize);
                    launch.input(x).input(dz).output(partial).value(*spec).run()
                })?;
            }
            db.map_or(Ok(()), |db| column_sums(cuda, dz, db))
        }
    }
}
