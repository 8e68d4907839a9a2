//! Elementwise functions and arithmetic, `kernels/pointwise.cu`.

use super::kernel::{File, Kernel};
use super::reduce::column_sums;
use super::{Buffer, Cuda, check_lengths};
use crate::backend::{Pointwise, Unit};
use crate::error::{Error, Result};
use crate::shape::Activation;

static FILE: File = File { name: "pointwise.cu", text: include_str!("../../../kernels/pointwise.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static ACTIVATION: Kernel = kernel("activation", "2 len", "8 len");
static ACTIVATION_GRAD: Kernel = kernel("activation_grad", "3 len", "12 len");
static ACTIVATION_SLOPE: Kernel = kernel("activation_slope", "2 len", "8 len");
static ADD: Kernel = kernel("add", "len", "12 len");
static SUB: Kernel = kernel("sub", "len", "12 len");
static MUL: Kernel = kernel("mul", "len", "12 len");
static MUL_ADD: Kernel = kernel("mul_add", "2 len", "16 len");
static AFFINE: Kernel = kernel("affine", "2 len", "8 len");
static AXPY: Kernel = kernel("axpy", "2 len", "12 len");
static ADD_BIAS: Kernel = kernel("add_bias", "len", "8 len + 4 c");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] =
    &[&ACTIVATION, &ACTIVATION_GRAD, &ACTIVATION_SLOPE, &ADD, &SUB, &MUL, &MUL_ADD, &AFFINE, &AXPY, &ADD_BIAS];

impl Cuda {
    /// `y = a ∘ b` by a kernel of two operands.
    fn binary(&self, kernel: &'static Kernel, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths(kernel.name, &[("the second operand", b.len(), a.len()), ("the output", y.len(), a.len())])?;
        let len = a.len();
        self.launch_over(kernel, len).input(a).input(b).output(y).number("len", len as u32).run()
    }
}

impl Pointwise for Cuda {
    fn activation(&self, activation: Activation, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("activation", &[("the output", y.len(), x.len())])?;
        let len = x.len();
        self.launch_over(&ACTIVATION, len).input(x).output(y).value(activation as u32).number("len", len as u32).run()
    }

    fn activation_grad(&self, activation: Activation, y: &Buffer, dz: &mut Buffer) -> Result<()> {
        check_lengths("activation_grad", &[("dz", dz.len(), y.len())])?;
        let (kind, len) = (activation as u32, y.len());
        self.launch_over(&ACTIVATION_GRAD, len).input(y).output(dz).value(kind).number("len", len as u32).run()
    }

    fn activation_slope(&self, activation: Activation, order: u32, y: &Buffer, s: &mut Buffer) -> Result<()> {
        check_lengths("activation_slope", &[("the output", s.len(), y.len())])?;
        let (kind, len) = (activation as u32, y.len());
        self.launch_over(&ACTIVATION_SLOPE, len).input(y).output(s).value(kind).value(order).number("len", len as u32).run()
    }

    fn add(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.binary(&ADD, a, b, y)
    }

    fn sub(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.binary(&SUB, a, b, y)
    }

    fn mul(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.binary(&MUL, a, b, y)
    }

    fn mul_add(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.binary(&MUL_ADD, a, b, y)
    }

    fn affine(&self, alpha: f64, beta: f64, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("affine", &[("the output", y.len(), x.len())])?;
        let len = x.len();
        let launch = self.launch_over(&AFFINE, len).input(x).output(y);
        launch.value(alpha as f32).value(beta as f32).number("len", len as u32).run()
    }

    fn axpy(&self, alpha: f64, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("axpy", &[("the output", y.len(), x.len())])?;
        let len = x.len();
        self.launch_over(&AXPY, len).input(x).output(y).value(alpha as f32).number("len", len as u32).run()
    }

    fn add_bias(&self, x: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("add_bias", &[("the output", y.len(), x.len())])?;
        check_rows("add_bias", x.len(), b.len())?;
        let (len, c) = (x.len(), b.len() as u32);
        self.launch_over(&ADD_BIAS, len).input(x).input(b).output(y).number("c", c).number("len", len as u32).run()
    }

    fn bias_grad(&self, dy: &Buffer, db: &mut Buffer) -> Result<()> {
        check_rows("bias_grad", dy.len(), db.len())?;
        column_sums(self, dy, db)
    }
}

/// Checks that `elements` is a whole number of rows of `channels`.
fn check_rows(op: &'static str, elements: usize, channels: usize) -> Result<()> {
    if channels == 0 || !elements.is_multiple_of(channels) {
        return Err(Error::shape(op, format!("{elements} elements are no whole number of rows of {channels} channels")));
    }
    Ok(())
}
