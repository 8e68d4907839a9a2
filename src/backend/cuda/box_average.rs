//! n-fold box average, `kernels/box_average.cu`.

use super::kernel::{File, Kernel};
use super::reduce::DOUBLE;
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{BoxAverage, Pointwise, Storage, Unit};
use crate::error::Result;
use crate::shape::BoxAverageSpec;

static FILE: File = File { name: "box_average.cu", text: include_str!("../../../kernels/box_average.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static BOX_BEGIN: Kernel = kernel("box_begin", "0", "12 len");
static BOX_END: Kernel = kernel("box_end", "0", "12 len");
static BOX_END_GRAD: Kernel = kernel("box_end_grad", "len", "16 len");
static BOX_ROWS: Kernel = kernel("box_rows", "8 n h w", "32 n h w");
/// Small blocks, as there are few columns.
static BOX_COLUMNS: Kernel = Kernel { threads: 64, ..kernel("box_columns", "3 n h w", "24 n h w") };
static BOX_AVERAGE_NAIVE: Kernel = kernel("box_average_naive", "size^2 n h w", "8 n h w");
static BOX_AVERAGE_GRAD_NAIVE: Kernel = kernel("box_average_grad_naive", "3 size^2 n h w", "12 n h w");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] =
    &[&BOX_BEGIN, &BOX_END, &BOX_END_GRAD, &BOX_ROWS, &BOX_COLUMNS, &BOX_AVERAGE_NAIVE, &BOX_AVERAGE_GRAD_NAIVE];

/// Threads that have one row.
const WARP: usize = 32;

/// The map or its adjoint.
#[derive(Clone, Copy)]
enum Direction {
    Forward = 0,
    Adjoint = 1,
}

fn check(op: &'static str, spec: &BoxAverageSpec, x: &Buffer, y: &Buffer) -> Result<usize> {
    let len = [spec.n, spec.h, spec.w].map(|extent| extent as usize).iter().product();
    check_lengths(op, &[("the input", x.len(), len), ("the output", y.len(), len)])?;
    Ok(len)
}

impl Cuda {
    /// `y =` the n-fold average of x or its adjoint, by the definition.
    fn average_naively(&self, spec: &BoxAverageSpec, kernel: &'static Kernel, x: &Buffer, y: &mut Buffer) -> Result<()> {
        self.copy(x, y)?;
        for _ in 0..spec.repeats {
            let mut next = self.zeros(x.len())?;
            self.launch_over(kernel, x.len()).input(y).output(&mut next).value(*spec).run()?;
            self.copy(&next, y)?;
        }
        Ok(())
    }

    /// The n-fold average of x or its adjoint, as doubles.
    fn averaged(&self, spec: &BoxAverageSpec, direction: Direction, x: &Buffer) -> Result<Buffer> {
        let (len, direction) = (x.len(), direction as u32);
        let [rows, columns] = [spec.h, spec.w].map(|extent| spec.n as usize * extent as usize);
        let [mut values, mut other] = [self.alloc(len * DOUBLE)?, self.alloc(len * DOUBLE)?];
        self.launch_over(&BOX_BEGIN, len).input(x).output(&mut values).number("len", len as u32).run()?;
        for _ in 0..spec.repeats {
            let launch = self.launch_over(&BOX_ROWS, rows * WARP).output(&mut values).output(&mut other);
            launch.value(direction).value(*spec).run()?;
            let launch = self.launch_over(&BOX_COLUMNS, columns).input(&values).output(&mut other);
            launch.value(direction).value(*spec).run()?;
            std::mem::swap(&mut values, &mut other);
        }
        Ok(values)
    }
}

impl BoxAverage for Cuda {
    fn box_average(&self, spec: &BoxAverageSpec, x: &Buffer, y: &mut Buffer) -> Result<()> {
        let len = check("box_average", spec, x, y)?;
        if self.mode == Mode::Naive {
            return self.average_naively(spec, &BOX_AVERAGE_NAIVE, x, y);
        }
        let values = self.averaged(spec, Direction::Forward, x)?;
        self.launch_over(&BOX_END, len).input(&values).output(y).number("len", len as u32).run()
    }

    fn box_average_grad(&self, spec: &BoxAverageSpec, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        let len = check("box_average_grad", spec, dy, dx)?;
        if self.mode == Mode::Naive {
            let mut gradient = self.alloc(len)?;
            self.average_naively(spec, &BOX_AVERAGE_GRAD_NAIVE, dy, &mut gradient)?;
            return self.axpy(1.0, &gradient, dx);
        }
        let values = self.averaged(spec, Direction::Adjoint, dy)?;
        self.launch_over(&BOX_END_GRAD, len).input(&values).output(dx).number("len", len as u32).run()
    }
}
