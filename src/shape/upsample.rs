use super::{Shape, extent};
use crate::error::Result;

/// Bilinear upsampling by two with half-pixel centres and clamped borders: x `[n, h, w, c]`, y `[n, 2h, 2w, c]`.
///
/// Per axis: `y[2i] = ¼ x[i-1] + ¾ x[i]`, `y[2i+1] = ¾ x[i] + ¼ x[i+1]`, indices clamped to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}
