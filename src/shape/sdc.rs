use super::{Activation, Conv2dOptions, Conv2dSpec, Shape, extent};
use crate::error::{Error, Result};

/// Most branches that a stacked dilated convolution may have.
pub const MAX_BRANCHES: usize = 8;

/// Stacked dilated convolution (SDC): parallel 3x3 convolutions of one input with different dilations, joined, `A` applied.
///
/// x `[n, h, w, c_in]`, each weight `[c_out, 3, 3, c_in]`, each b `[c_out]`, y `[n, h, w, branches * c_out]`; branch k writes
/// channels `k * c_out ..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Applied to the joined result.
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

    /// One branch as a convolution of its own, without the activation.
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
}
