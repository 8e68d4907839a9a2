//! Bilinear upsampling by two, half-pixel centres, clamped borders. Per axis
//! `y[2i] = ¼ x[i-1] + ¾ x[i]`, `y[2i+1] = ¾ x[i] + ¼ x[i+1]`; in two dimensions the product of both.

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::Contract;
use crate::backend::Phase;
use crate::backend::Slope;
use crate::error::Result;
use crate::shape::{Shape, extent};

/// Bilinear upsampling by two with half-pixel centres and clamped borders: x `[n, h, w, c]`, y `[n, 2h, 2w, c]`.
///
/// Per axis: `y[2i] = ¼ x[i-1] + ¾ x[i]`, `y[2i+1] = ¾ x[i] + ¼ x[i+1]`, indices clamped to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
#[repr(C)]
pub struct UpsampleSpec {
    /// Images.
    pub n: u32,
    /// Input height.
    pub h: u32,
    /// Input width.
    pub w: u32,
    /// Channels.
    pub c: u32,
}

impl UpsampleSpec {
    /// Checks the operand of an upsampling.
    ///
    /// # Errors
    /// Another rank than 4, or a result too large.
    pub fn new(x: &Shape) -> Result<Self> {
        let [n, h, w, c] = x.nhwc("upsample2")?;
        let spec = Self { n: extent(n), h: extent(h), w: extent(w), c: extent(c) };
        spec.output().map(|_| spec)
    }

    /// Shape of y.
    ///
    /// # Errors
    /// More than 2^32-1 elements.
    pub fn output(&self) -> Result<Shape> {
        Shape::new(&[self.n as usize, 2 * self.h as usize, 2 * self.w as usize, self.c as usize])
    }

    /// Elements of x; y has four times as many.
    pub fn input_len(&self) -> usize {
        [self.n, self.h, self.w, self.c].map(|extent| extent as usize).iter().product()
    }
}

/// A call. See [`UpsampleSpec`].
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Upsample<'a, T> {
    /// `y =`.
    Forward { spec: &'a UpsampleSpec, x: &'a T, y: &'a mut T },
    /// `dx +=`, the exact adjoint, then `dx *= slope` if this is the last contribution to the gradient of an activation.
    InputGrad { spec: &'a UpsampleSpec, dy: &'a T, dx: &'a mut T, slope: Option<Slope<'a, T>> },
}

impl<T> Upsample<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        let contract = Contract::<T>::new("upsample2");
        match self {
            // Four taps for each output, two of which share a weight.
            Self::Forward { spec, x, y } => {
                let len = spec.input_len();
                contract.read("x", x, len).write("y", y, 4 * len).flops(6 * 4 * len as u64)
            }
            Self::InputGrad { spec, dy, dx, slope } => {
                let len = spec.input_len();
                let contract = contract.phase(Phase::InputGradient);
                contract.read("dy", dy, 4 * len).update("dx", dx, len).through(*slope, len).flops(8 * 4 * len as u64)
            }
        }
    }
}
