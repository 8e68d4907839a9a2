use super::{Shape, extent};
use crate::error::{Error, Result};

/// n-fold box average (Method §6): `repeats` times the mean over a `size x size` window; near the border the mean of what
/// is inside. x and y `[n, h, w]` (trailing extent of 1 allowed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BoxAverageSpec {
    /// Images.
    pub n: u32,
    /// Height.
    pub h: u32,
    /// Width.
    pub w: u32,
    /// Window height and width k, odd.
    pub size: u32,
    /// How often the average is applied.
    pub repeats: u32,
}

impl BoxAverageSpec {
    /// Checks the operand of a box average.
    ///
    /// # Errors
    /// A shape other than `[N, H, W]` or `[N, H, W, 1]`, or an even window.
    pub fn new(x: &Shape, size: usize, repeats: usize) -> Result<Self> {
        const OP: &str = "box_average";
        let (&[n, h, w] | &[n, h, w, 1]) = x.extents() else {
            return Err(Error::shape(OP, format!("expects [N, H, W] or [N, H, W, 1], got {x}")));
        };
        if size.is_multiple_of(2) || size > (1 << 16) || repeats > (1 << 16) {
            return Err(Error::shape(OP, format!("window must be odd and below 65536, repeats too, got {size} and {repeats}")));
        }
        Ok(Self { n: extent(n), h: extent(h), w: extent(w), size: extent(size), repeats: extent(repeats) })
    }
}
