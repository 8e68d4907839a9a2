//! Convolution (strictly, cross-correlation) with zero padding:
//!
//! `z[n, p, q, o] = b[o] + Σ_{a, b, i} w[o, a, b, i] x[n, p·stride + a·dilation - padding, q·stride + b·dilation - padding, i]`,
//! `y = A(z)`.

pub(super) mod cpu;
pub(super) mod cuda;
mod cuda_3x3;
pub(super) mod cuda_bf16;
mod cuda_wgmma;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::Contract;
use super::pool::PoolSpec;
use super::weighted::Weighted;
use crate::backend::Slope;
use crate::error::{Error, Result};
use crate::shape::{Activation, Shape, extent};

const OP: &str = "conv2d";

/// Options of a convolution that its operand shapes do not determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dOptions {
    /// Step between output pixels, 1 or 2.
    pub stride: usize,
    /// Distance between kernel taps, at least 1.
    pub dilation: usize,
    /// Zeros added on every side.
    pub padding: usize,
    /// Applied to the result.
    pub activation: Activation,
}

/// Largest dilation and padding, so that their products with a kernel size and their sums with a side are exact in u32.
const MAX_REACH: usize = 1 << 24;

impl Conv2dOptions {
    /// Stride 1 and the padding that keeps height and width: `dilation * (kernel - 1) / 2`.
    pub fn same(kernel: usize, dilation: usize, activation: Activation) -> Self {
        Self { stride: 1, dilation, padding: dilation * kernel.saturating_sub(1) / 2, activation }
    }
}

/// `y = A(w * x + b)`: x `[n, h, w, c_in]`, weight `[c_out, kernel, kernel, c_in]`, b `[c_out]`, y `[n, h_out, w_out, c_out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
#[repr(C)]
pub struct Conv2dSpec {
    /// Images.
    pub n: u32,
    /// Input height.
    pub h: u32,
    /// Input width.
    pub w: u32,
    /// Input channels.
    pub c_in: u32,
    /// Output height.
    pub h_out: u32,
    /// Output width.
    pub w_out: u32,
    /// Output channels.
    pub c_out: u32,
    /// Kernel height and width: 1, 3 or 5.
    pub kernel: u32,
    /// Step between output pixels.
    pub stride: u32,
    /// Distance between taps.
    pub dilation: u32,
    /// Zeros on every side.
    pub padding: u32,
    /// Fused activation.
    pub activation: Activation,
}

impl Conv2dSpec {
    /// Checks the operands of a convolution and derives its output shape.
    ///
    /// # Errors
    /// Ranks, channels, kernel size, stride, dilation or padding that do not fit; a kernel larger than the padded input.
    pub fn new(x: &Shape, weight: &Shape, bias: Option<&Shape>, options: Conv2dOptions) -> Result<Self> {
        let [n, h, w, c_in] = x.nhwc(OP)?;
        let [c_out, kernel, kernel_w, weight_in] = weight.nhwc(OP)?;
        let Conv2dOptions { stride, dilation, padding, activation } = options;
        let fail = |reason: String| Err(Error::shape(OP, format!("{reason} (x {x}, w {weight})")));
        if weight_in != c_in {
            return fail(format!("weight expects {weight_in} input channels, input has {c_in}"));
        }
        if kernel != kernel_w || !matches!(kernel, 1 | 3 | 5) {
            return fail(format!("kernel must be 1x1, 3x3 or 5x5, got {kernel}x{kernel_w}"));
        }
        if !matches!(stride, 1 | 2) || dilation == 0 {
            return fail(format!("stride must be 1 or 2 and dilation at least 1, got {stride} and {dilation}"));
        }
        if dilation.max(padding) > MAX_REACH {
            return fail(format!("dilation and padding must be at most {MAX_REACH}, got {dilation} and {padding}"));
        }
        if let Some(bias) = bias.filter(|bias| bias.dims() != [c_out]) {
            return fail(format!("bias must be [{c_out}], got {bias}"));
        }
        let reach = dilation * (kernel - 1);
        if h + 2 * padding <= reach || w + 2 * padding <= reach {
            return fail(format!(
                "kernel reaches over {} pixels, padded input has {}x{}",
                reach + 1,
                h + 2 * padding,
                w + 2 * padding
            ));
        }
        let (h_out, w_out) = ((h + 2 * padding - reach - 1) / stride + 1, (w + 2 * padding - reach - 1) / stride + 1);
        Shape::new(&[n, h_out, w_out, c_out])?;
        Ok(Self {
            n: extent(n),
            h: extent(h),
            w: extent(w),
            c_in: extent(c_in),
            h_out: extent(h_out),
            w_out: extent(w_out),
            c_out: extent(c_out),
            kernel: extent(kernel),
            stride: extent(stride),
            dilation: extent(dilation),
            padding: extent(padding),
            activation,
        })
    }

    /// Shape of y.
    ///
    /// # Errors
    /// Never for a spec made by [`Conv2dSpec::new`].
    pub fn output(&self) -> Result<Shape> {
        Shape::new(&[self.n as usize, self.h_out as usize, self.w_out as usize, self.c_out as usize])
    }

    /// FLOPs of one forward pass, two per multiply-add, including taps in the padding.
    pub fn flops(&self) -> u64 {
        let taps = u64::from(self.kernel).pow(2) * u64::from(self.c_in);
        2 * u64::from(self.n) * u64::from(self.h_out) * u64::from(self.w_out) * u64::from(self.c_out) * taps
    }

    /// Elements of x, w and y.
    pub(super) fn lengths(&self) -> [usize; 3] {
        let product = |extents: [u32; 4]| extents.iter().map(|&extent| extent as usize).product();
        [
            product([self.n, self.h, self.w, self.c_in]),
            product([self.c_out, self.kernel, self.kernel, self.c_in]),
            product([self.n, self.h_out, self.w_out, self.c_out]),
        ]
    }

    fn weighted(&self) -> Weighted {
        Weighted { op: OP, flops: self.flops(), lengths: self.lengths(), bias: self.c_out as usize }
    }
}

/// A call. See [`Conv2dSpec`]; dz is the gradient before the activation.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Conv2d<'a, T> {
    /// `y = A(w * x + b)`.
    Forward { spec: &'a Conv2dSpec, x: &'a T, w: &'a T, b: Option<&'a T>, y: &'a mut T },
    /// `y = A(w * x + b)`, and `pooled` the maxima of y over windows of 2 x 2 pixels, which is `pool`'s result.
    ForwardPooled {
        spec: &'a Conv2dSpec,
        pool: &'a PoolSpec,
        x: &'a T,
        w: &'a T,
        b: Option<&'a T>,
        y: &'a mut T,
        pooled: &'a mut T,
    },
    /// `dx += wᵀ * dz`, the adjoint in x, then `dx *= slope` if this is the last contribution to the gradient of an activation.
    InputGrad { spec: &'a Conv2dSpec, dz: &'a T, w: &'a T, dx: &'a mut T, slope: Option<Slope<'a, T>> },
    /// `dw += Σ x dz`, `db += Σ dz`, the adjoints in w and b.
    WeightGrad { spec: &'a Conv2dSpec, x: &'a T, dz: &'a T, dw: &'a mut T, db: Option<&'a mut T> },
}

impl<T> Conv2d<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        match self {
            Self::Forward { spec, x, w, b, y } => spec.weighted().forward(x, w, b.as_deref(), y),
            Self::ForwardPooled { spec, pool, x, w, b, y, pooled } => {
                let contract: Contract<'_, T> = spec.weighted().forward(x, w, b.as_deref(), y);
                // The pool's comparisons are not counted, as the activation's are not.
                let [_, pooled_len] = pool.selected();
                contract.write("pooled", pooled, pooled_len)
            }
            Self::InputGrad { spec, dz, w, dx, slope } => {
                let contract: Contract<'_, T> = spec.weighted().input_grad(dz, w, dx);
                contract.through(*slope, spec.lengths()[0])
            }
            Self::WeightGrad { spec, x, dz, dw, db } => spec.weighted().weight_grad(x, dz, dw, db.as_deref()),
        }
    }
}
