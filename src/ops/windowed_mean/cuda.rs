//! Gaussian-weighted local mean of a product, `kernels/windowed_mean.cu`.

use super::WindowedMean;
use crate::backend::Storage;
use crate::backend::cuda::kernels::windowed_mean as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: WindowedMean<'_, Buffer>) -> Result<()> {
    match call {
        WindowedMean::Forward { spec, a, b, y } => {
            let (len, inputs) = (y.len(), 1 + usize::from(b.is_some()));
            if cuda.is_naive() {
                let launch = cuda.launch_over(&kernel::WINDOWED_MEAN_NAIVE, len).input(a).bias(b).output(y);
                return launch.value(*spec).with("len", len).with("inputs", inputs).run();
            }
            let mut means = cuda.alloc(len)?;
            let launch = cuda.launch_over(&kernel::WINDOWED_MEAN_ROWS, len).input(a).bias(b).output(&mut means);
            launch.value(*spec).with("len", len).with("inputs", inputs).run()?;
            let launch = cuda.launch_over(&kernel::WINDOWED_MEAN_COLUMNS, len).input(&means).output(y);
            launch.value(*spec).with("len", len).run()
        }
        WindowedMean::InputGrad { spec, dy, b, da } => {
            let (len, inputs) = (da.len(), 1 + usize::from(b.is_some()));
            if cuda.is_naive() {
                let launch = cuda.launch_over(&kernel::WINDOWED_MEAN_GRAD_NAIVE, len).input(dy).bias(b).update(da);
                return launch.value(*spec).with("len", len).with("inputs", inputs).run();
            }
            let mut sums = cuda.alloc(len)?;
            let launch = cuda.launch_over(&kernel::WINDOWED_MEAN_COLUMNS_GRAD, len).input(dy).output(&mut sums);
            launch.value(*spec).with("len", len).run()?;
            let launch = cuda.launch_over(&kernel::WINDOWED_MEAN_ROWS_GRAD, len).input(&sums).bias(b).update(da);
            launch.value(*spec).with("len", len).with("inputs", inputs).run()
        }
    }
}
