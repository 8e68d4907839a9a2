//! Stacked dilated convolution: branch k is the 3x3 convolution with dilation `dilations[k]` and writes channels
//! `k·c_out .. (k+1)·c_out` of the concatenated result; `y = A(concat_k(w_k * x + b_k))`. Every branch is computed, even if few
//! of its taps are inside the image.

pub(super) mod cpu;
pub(super) mod cuda;
mod cuda_bf16;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::Contract;
use super::conv2d::{Conv2dOptions, Conv2dSpec};
use crate::backend::Phase;
use crate::backend::Slope;
use crate::error::{Error, Result};
use crate::shape::{Activation, Shape, extent};

/// Maximum number of branches of a stacked dilated convolution.
pub const MAX_BRANCHES: usize = 8;

/// Stacked dilated convolution (SDC): parallel 3x3 convolutions of one input with different dilations, concatenated along the
/// channels, followed by `A`.
///
/// x `[n, h, w, c_in]`, each weight `[c_out, 3, 3, c_in]`, each b `[c_out]`, y `[n, h, w, branches * c_out]`; branch k writes
/// channels `k * c_out ..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
#[repr(C)]
pub struct SdcSpec {
    /// Images.
    pub n: u32,
    /// Height.
    pub h: u32,
    /// Width.
    pub w: u32,
    /// Input channels.
    pub c_in: u32,
    /// Output channels of one branch.
    pub c_out: u32,
    /// Number of branches, at most [`MAX_BRANCHES`].
    pub branches: u32,
    /// Dilation of each branch; unused entries are 0.
    pub dilations: [u32; MAX_BRANCHES],
    /// Applied to the concatenated result.
    pub activation: Activation,
}

impl SdcSpec {
    /// Checks the operands of an SDC block; every branch has weights of shape `weight`.
    ///
    /// # Errors
    /// No or too many branches, a dilation of 0, weights that do not fit or are not 3x3.
    pub fn new(x: &Shape, weights: &[Shape], dilations: &[usize], activation: Activation) -> Result<Self> {
        const OP: &str = "sdc";
        let [n, h, w, c_in] = x.nhwc(OP)?;
        if dilations.is_empty() || dilations.len() > MAX_BRANCHES || weights.len() != dilations.len() {
            let (found, given) = (weights.len(), dilations.len());
            return Err(Error::shape(
                OP,
                format!("needs 1 to {MAX_BRANCHES} branches, got {found} weights and {given} dilations"),
            ));
        }
        let first = weights[0];
        let [c_out, kernel, ..] = first.nhwc(OP)?;
        if kernel != 3 {
            return Err(Error::shape(OP, format!("weights must be 3x3, got {first}")));
        }
        for (weight, &dilation) in weights.iter().zip(dilations) {
            Shape::same(OP, &first, weight)?;
            Conv2dSpec::new(x, weight, None, Conv2dOptions::same(3, dilation, activation))?;
        }
        let mut own = [0; MAX_BRANCHES];
        own.iter_mut().zip(dilations).for_each(|(own, &dilation)| *own = extent(dilation));
        let branches = extent(dilations.len());
        let spec = Self {
            n: extent(n),
            h: extent(h),
            w: extent(w),
            c_in: extent(c_in),
            c_out: extent(c_out),
            branches,
            dilations: own,
            activation,
        };
        spec.output().map(|_| spec)
    }

    /// Shape of y.
    ///
    /// # Errors
    /// More than 2^32-1 elements.
    pub fn output(&self) -> Result<Shape> {
        Shape::new(&[self.n as usize, self.h as usize, self.w as usize, (self.branches * self.c_out) as usize])
    }

    /// One branch as a separate convolution, without the activation.
    pub fn branch(&self, index: usize) -> Conv2dSpec {
        let dilation = self.dilations[index];
        Conv2dSpec {
            n: self.n,
            h: self.h,
            w: self.w,
            c_in: self.c_in,
            h_out: self.h,
            w_out: self.w,
            c_out: self.c_out,
            kernel: 3,
            stride: 1,
            dilation,
            padding: dilation,
            activation: Activation::Identity,
        }
    }

    /// Elements of x, of the weights of one branch, and of y.
    pub(super) fn lengths(&self) -> [usize; 3] {
        let [x, w, y] = self.branch(0).lengths();
        [x, w, y * self.branches as usize]
    }

    /// Floating-point operations of one forward pass, padding taps included.
    pub fn flops(&self) -> u64 {
        u64::from(self.branches) * self.branch(0).flops()
    }
}

/// A call. See [`SdcSpec`]; w, b, dw, db hold one buffer per branch, dz is the gradient before the activation.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Sdc<'a, T> {
    /// `y =`.
    Forward { spec: &'a SdcSpec, x: &'a T, w: &'a [&'a T], b: &'a [&'a T], y: &'a mut T },
    /// `dx +=`, summed over the branches, then `dx *= slope` if this is the last contribution to the gradient of an activation.
    InputGrad { spec: &'a SdcSpec, dz: &'a T, w: &'a [&'a T], dx: &'a mut T, slope: Option<Slope<'a, T>> },
    /// `dw +=`, `db +=`.
    WeightGrad { spec: &'a SdcSpec, x: &'a T, dz: &'a T, dw: &'a mut [T], db: &'a mut [T] },
}

impl<T> Sdc<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        let contract = |spec: &SdcSpec, phase| Contract::<T>::new("sdc").phase(phase).flops(spec.flops());
        match self {
            Self::Forward { spec, x, w, b, y } => {
                let [x_len, w_len, y_len] = spec.lengths();
                let contract = contract(spec, Phase::Forward).read("x", x, x_len);
                let contract = each_branch(contract, spec, "w", w, |contract, w| contract.read("w", w, w_len));
                let contract = each_branch(contract, spec, "b", b, |contract, b| contract.read("b", b, spec.c_out as usize));
                contract.write("y", y, y_len)
            }
            Self::InputGrad { spec, dz, w, dx, slope } => {
                let [x_len, w_len, y_len] = spec.lengths();
                let contract = contract(spec, Phase::InputGradient).read("dz", dz, y_len);
                let contract = each_branch(contract, spec, "w", w, |contract, w| contract.read("w", w, w_len));
                contract.update("dx", dx, x_len).through(*slope, x_len)
            }
            Self::WeightGrad { spec, x, dz, dw, db } => {
                let [x_len, w_len, y_len] = spec.lengths();
                let contract = contract(spec, Phase::WeightGradient).read("x", x, x_len).read("dz", dz, y_len);
                let contract = each_branch(contract, spec, "dw", dw, |contract, dw| contract.update("dw", dw, w_len));
                each_branch(contract, spec, "db", db, |contract, db| contract.update("db", db, spec.c_out as usize))
            }
        }
    }
}

/// Declares one operand per branch and checks their number.
fn each_branch<'a, T, V>(
    contract: Contract<'a, T>,
    spec: &SdcSpec,
    name: &str,
    buffers: &'a [V],
    declare: impl Fn(Contract<'a, T>, &'a V) -> Contract<'a, T>,
) -> Contract<'a, T> {
    let (branches, found) = (spec.branches as usize, buffers.len());
    let contract = contract.require(found == branches, || format!("{name} must have {branches} branches, has {found}"));
    buffers.iter().fold(contract, declare)
}
