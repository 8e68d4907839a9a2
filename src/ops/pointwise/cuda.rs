//! Elementwise functions and arithmetic, `kernels/pointwise.cu`.

use super::Pointwise;
use crate::backend::Slope;
use crate::backend::cuda::kernels::pointwise as kernel;
use crate::backend::cuda::reduce::column_sums;
use crate::backend::cuda::storage::CHUNK;
use crate::backend::cuda::{Buffer, Cuda, Kernel};
use crate::error::Result;
use crate::shape::Activation;

pub(in crate::ops) fn run(cuda: &Cuda, call: Pointwise<'_, Buffer>) -> Result<()> {
    match call {
        Pointwise::Activation { activation, x, y } => {
            let len = y.len();
            let launch = cuda.launch_over(&kernel::ACTIVATION, len).input(x).output(y);
            launch.value(activation as u32).number("len", len as u32).run()
        }
        Pointwise::ActivationGrad { activation, y, dz } => activation_grad(cuda, activation, y, dz),
        Pointwise::ActivationSlope { activation, order, y, s } => {
            let len = s.len();
            let launch = cuda.launch_over(&kernel::ACTIVATION_SLOPE, len).input(y).output(s);
            launch.value(activation as u32).value(order).number("len", len as u32).run()
        }
        Pointwise::Add { a, b, y } => binary(cuda, &kernel::ADD, a, b, y),
        Pointwise::Sub { a, b, y } => binary(cuda, &kernel::SUB, a, b, y),
        Pointwise::Mul { a, b, y } => binary(cuda, &kernel::MUL, a, b, y),
        Pointwise::Div { a, b, y } => binary(cuda, &kernel::DIVIDE, a, b, y),
        Pointwise::Sqrt { x, y } => {
            let len = y.len();
            cuda.launch_over(&kernel::SQUARE_ROOT, len).input(x).output(y).number("len", len as u32).run()
        }
        Pointwise::MulAdd { a, b, y } => {
            let len = y.len();
            cuda.launch_over(&kernel::MUL_ADD, len).input(a).input(b).sum(y).number("len", len as u32).run()
        }
        Pointwise::Affine { alpha, beta, x, y } => {
            let len = y.len();
            let launch = cuda.launch_over(&kernel::AFFINE, len).input(x).output(y);
            launch.value(alpha as f32).value(beta as f32).number("len", len as u32).run()
        }
        Pointwise::Axpy { alpha, x, y } => axpy(cuda, alpha, x, y),
        Pointwise::AddBias { x, b, y } => {
            let (len, c) = (y.len(), b.len() as u32);
            let launch = cuda.launch_over(&kernel::ADD_BIAS, len).input(x).input(b).output(y);
            launch.number("c", c).number("len", len as u32).run()
        }
        Pointwise::BiasGrad { dy, db } => column_sums(cuda, dy, db),
    }
}

/// `dz = dy S(y)` in place.
fn activation_grad(cuda: &Cuda, activation: Activation, y: &Buffer, dz: &mut Buffer) -> Result<()> {
    let len = dz.len();
    let launch = if y.is_bf16() && dz.is_bf16() {
        cuda.launch_over(&kernel::ACTIVATION_GRAD_BF16, len.div_ceil(CHUNK)).bf16_input(y).bf16_update(dz)
    } else {
        cuda.launch_over(&kernel::ACTIVATION_GRAD, len).input(y).update(dz)
    };
    launch.value(activation as u32).number("len", len as u32).run()
}

/// Lets `add` accumulate into `dx` with kernels that know no slope, then multiplies by the slope if there is one. Values stored
/// as bf16 are rounded once, after the slope.
pub(in crate::ops) fn finish(
    cuda: &Cuda,
    slope: Option<Slope<'_, Buffer>>,
    dx: &mut Buffer,
    add: impl FnOnce(&mut Buffer) -> Result<()>,
) -> Result<()> {
    let Some(Slope { activation, y }) = slope else { return add(dx) };
    if !dx.is_bf16() {
        add(dx)?;
        return activation_grad(cuda, activation, y, dx);
    }
    let mut wide = cuda.wide(dx)?;
    add(&mut wide)?;
    activation_grad(cuda, activation, y, &mut wide)?;
    cuda.convert(&wide, dx)
}

/// `y += alpha x`.
pub(in crate::ops) fn axpy(cuda: &Cuda, alpha: f64, x: &Buffer, y: &mut Buffer) -> Result<()> {
    let len = y.len();
    cuda.launch_over(&kernel::AXPY, len).input(x).sum(y).value(alpha as f32).number("len", len as u32).run()
}

/// `y = a ∘ b` by a kernel of two operands.
fn binary(cuda: &Cuda, kernel: &'static Kernel, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
    let len = y.len();
    cuda.launch_over(kernel, len).input(a).input(b).output(y).number("len", len as u32).run()
}
