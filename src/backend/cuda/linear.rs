//! Linear map, `kernels/linear.cu`.

use super::gemm::{GEMM_THREADS, tiles};
use super::kernel::{File, Kernel};
use super::reduce::column_sums;
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{Linear, Unit};
use crate::error::Result;
use crate::shape::LinearSpec;

const OP: &str = "linear";
const FLOPS: &str = "2 rows c_in c_out";
const BYTES: &str = "4 (rows c_in + c_out c_in + bias + rows c_out)";

static FILE: File = File { name: "linear.cu", text: include_str!("../../../kernels/linear.cu") };

const fn kernel(name: &'static str, threads: u32, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads, dynamic_shared: 0, unit: Unit::Fma, flops: FLOPS, bytes }
}

static FORWARD: Kernel = kernel("linear", GEMM_THREADS, BYTES);
static INPUT_GRAD: Kernel = kernel("linear_input_grad", GEMM_THREADS, "4 (rows c_out + c_out c_in + 2 rows c_in)");
static WEIGHT_GRAD: Kernel = kernel("linear_weight_grad", GEMM_THREADS, "4 (rows c_out + rows c_in + splits c_out c_in)");
static FORWARD_NAIVE: Kernel = kernel("linear_naive", 256, BYTES);
static INPUT_GRAD_NAIVE: Kernel = kernel("linear_input_grad_naive", 256, "4 (rows c_out + c_out c_in + 2 rows c_in)");
static WEIGHT_GRAD_NAIVE: Kernel = kernel("linear_weight_grad_naive", 256, "4 (rows c_out + rows c_in + 2 c_out c_in)");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] =
    &[&FORWARD, &INPUT_GRAD, &WEIGHT_GRAD, &FORWARD_NAIVE, &INPUT_GRAD_NAIVE, &WEIGHT_GRAD_NAIVE];

impl Linear for Cuda {
    fn linear(&self, spec: &LinearSpec, x: &Buffer, w: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
        let [rows, c_in, c_out] = extents(spec);
        let bias = b.map_or(c_out, Buffer::len);
        let operands =
            [("x", x.len(), rows * c_in), ("w", w.len(), c_out * c_in), ("b", bias, c_out), ("y", y.len(), rows * c_out)];
        check_lengths(OP, &operands)?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&FORWARD_NAIVE, rows * c_out),
            _ => self.launch(&FORWARD, tiles(rows, c_out)),
        };
        launch.input(x).input(w).bias(b).output(y).value(*spec).run()
    }

    fn linear_input_grad(&self, spec: &LinearSpec, dz: &Buffer, w: &Buffer, dx: &mut Buffer) -> Result<()> {
        let [rows, c_in, c_out] = extents(spec);
        check_lengths(OP, &[("dz", dz.len(), rows * c_out), ("w", w.len(), c_out * c_in), ("dx", dx.len(), rows * c_in)])?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&INPUT_GRAD_NAIVE, rows * c_in),
            _ => self.launch(&INPUT_GRAD, tiles(rows, c_in)),
        };
        launch.input(dz).input(w).output(dx).value(*spec).run()
    }

    fn linear_weight_grad(
        &self,
        spec: &LinearSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
        db: Option<&mut Buffer>,
    ) -> Result<()> {
        let [rows, c_in, c_out] = extents(spec);
        let bias = db.as_ref().map_or(c_out, |db| db.len());
        let operands =
            [("x", x.len(), rows * c_in), ("dz", dz.len(), rows * c_out), ("dw", dw.len(), c_out * c_in), ("db", bias, c_out)];
        check_lengths(OP, &operands)?;
        match self.mode {
            Mode::Naive => {
                let launch = self.launch_over(&WEIGHT_GRAD_NAIVE, c_out * c_in);
                launch.input(x).input(dz).output(dw).value(*spec).run()?;
            }
            _ => self.split_product([c_out, c_in, rows], dw, |grid, partial| {
                let launch = self.launch(&WEIGHT_GRAD, grid).with("splits", grid[2] as usize);
                launch.input(x).input(dz).output(partial).value(*spec).run()
            })?,
        }
        db.map_or(Ok(()), |db| column_sums(self, dz, db))
    }
}

fn extents(spec: &LinearSpec) -> [usize; 3] {
    [spec.rows, spec.c_in, spec.c_out].map(|extent| extent as usize)
}
