//! n-fold box average, `kernels/box_average.cu`.

use super::{BoxAverage, BoxAverageSpec};
use crate::backend::Storage;
use crate::backend::cuda::kernels::box_average as kernel;
use crate::backend::cuda::reduce::DOUBLE;
use crate::backend::cuda::{Buffer, Cuda, Kernel};
use crate::error::Result;
use crate::ops::pointwise::cuda::axpy;

pub(in crate::ops) fn run(cuda: &Cuda, call: BoxAverage<'_, Buffer>) -> Result<()> {
    match call {
        BoxAverage::Forward { spec, x, y } if cuda.is_naive() => average_naively(cuda, spec, &kernel::BOX_AVERAGE_NAIVE, x, y),
        BoxAverage::Forward { spec, x, y } => {
            let (values, len) = (averaged(cuda, spec, Direction::Forward, x)?, y.len());
            cuda.launch_over(&kernel::BOX_END, len).input(&values).output(y).number("len", len as u32).run()
        }
        BoxAverage::InputGrad { spec, dy, dx } if cuda.is_naive() => {
            let mut gradient = cuda.alloc(dx.len())?;
            average_naively(cuda, spec, &kernel::BOX_AVERAGE_GRAD_NAIVE, dy, &mut gradient)?;
            axpy(cuda, 1.0, &gradient, dx)
        }
        BoxAverage::InputGrad { spec, dy, dx } => {
            let (values, len) = (averaged(cuda, spec, Direction::Adjoint, dy)?, dx.len());
            cuda.launch_over(&kernel::BOX_END_GRAD, len).input(&values).update(dx).number("len", len as u32).run()
        }
    }
}

/// Threads per row.
const WARP: usize = 32;

/// The map or its adjoint.
#[derive(Clone, Copy)]
enum Direction {
    Forward = 0,
    Adjoint = 1,
}

/// `y =` the n-fold average of x or its adjoint, computed by the definition.
fn average_naively(cuda: &Cuda, spec: &BoxAverageSpec, kernel: &'static Kernel, x: &Buffer, y: &mut Buffer) -> Result<()> {
    cuda.copy(x, y)?;
    for _ in 0..spec.repeats {
        let mut next = cuda.zeros(x.len())?;
        cuda.launch_over(kernel, x.len()).input(y).update(&mut next).value(*spec).run()?;
        cuda.copy(&next, y)?;
    }
    Ok(())
}

/// The n-fold average of x or its adjoint, as doubles.
fn averaged(cuda: &Cuda, spec: &BoxAverageSpec, direction: Direction, x: &Buffer) -> Result<Buffer> {
    let (len, direction) = (x.len(), direction as u32);
    let [rows, columns] = [spec.h, spec.w].map(|extent| spec.n as usize * extent as usize);
    let [mut values, mut other] = [cuda.alloc(len * DOUBLE)?, cuda.alloc(len * DOUBLE)?];
    cuda.launch_over(&kernel::BOX_BEGIN, len).input(x).output(&mut values).number("len", len as u32).run()?;
    for _ in 0..spec.repeats {
        let launch = cuda.launch_over(&kernel::BOX_ROWS, rows * WARP).update(&mut values).output(&mut other);
        launch.value(direction).value(*spec).run()?;
        let launch = cuda.launch_over(&kernel::BOX_COLUMNS, columns).input(&values).output(&mut other);
        launch.value(direction).value(*spec).run()?;
        std::mem::swap(&mut values, &mut other);
    }
    Ok(values)
}
