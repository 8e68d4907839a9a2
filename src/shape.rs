//! Shapes of arrays, and the activations that operations share.
//!
//! Images are `[N, H, W, C]` (NHWC), convolution weights `[O, kH, kW, I]` (OHWI).

use std::fmt;

use bytemuck::NoUninit;
use serde::Serialize;

use crate::error::{Error, Result};

/// Shape of an array of rank 1 to 4. The last dimension is contiguous in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; 4],
    rank: usize,
}

impl Shape {
    /// A shape from its dimensions, outermost first.
    ///
    /// # Errors
    /// Rank 0 or above 4, a dimension of 0, or more than `u32::MAX` elements (kernels index with 32 bits).
    pub fn new(dims: &[usize]) -> Result<Self> {
        if dims.is_empty() || dims.len() > 4 {
            return Err(Error::shape("shape", format!("rank must be 1 to 4, got {dims:?}")));
        }
        let elements = dims.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        match elements {
            Some(0) => Err(Error::shape("shape", format!("every dimension must be at least 1, got {dims:?}"))),
            Some(count) if count <= u32::MAX as usize => {
                let mut own = [1; 4];
                own[..dims.len()].copy_from_slice(dims);
                Ok(Self { dims: own, rank: dims.len() })
            }
            _ => Err(Error::shape("shape", format!("{dims:?} has more than 2^32-1 elements"))),
        }
    }

    /// The shape `[1]` of a scalar.
    pub const fn scalar() -> Self {
        Self { dims: [1; 4], rank: 1 }
    }

    /// Dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// Never true: a shape has at least one element. Present because `len` is.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The last dimension: channels or features.
    pub fn channels(&self) -> usize {
        self.dims[self.rank - 1]
    }

    /// Product of all dimensions but the last: pixels or samples.
    pub fn rows(&self) -> usize {
        self.len() / self.channels()
    }

    /// The same shape with another last dimension.
    ///
    /// # Errors
    /// As [`Shape::new`].
    pub fn with_channels(&self, channels: usize) -> Result<Self> {
        let mut other = *self;
        other.dims[self.rank - 1] = channels;
        Self::new(other.dims())
    }

    /// The dimensions `[N, H, W, C]` of an image batch.
    ///
    /// # Errors
    /// Another rank than 4, named with `op`.
    pub fn nhwc(&self, op: &'static str) -> Result<[usize; 4]> {
        if self.rank == 4 { Ok(self.dims) } else { Err(Error::shape(op, format!("expects [N, H, W, C], got {self}"))) }
    }

    /// Checks that two operands have one shape.
    ///
    /// # Errors
    /// They differ.
    pub fn same(op: &'static str, a: &Self, b: &Self) -> Result<Self> {
        if a == b { Ok(*a) } else { Err(Error::shape(op, format!("operands differ: {a} and {b}"))) }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Pointwise nonlinearity `A`, alone or fused behind a convolution or linear map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, NoUninit, Serialize)]
#[repr(u32)]
pub enum Activation {
    /// `A(x) = x`.
    #[default]
    Identity = 0,
    /// `A(x) = x` for `x > 0`, else `exp(x) - 1`.
    Elu = 1,
    /// Hyperbolic tangent.
    Tanh = 2,
    /// `A(x) = 1 / (1 + exp(-x))`.
    Sigmoid = 3,
    /// `A(x) = log(1 + exp(x))`.
    Softplus = 4,
}

/// The size of a picture in a message: `20x32 pixels (height x width)`, or `32x32 pixels`, where the order does not matter.
pub(crate) fn in_pixels<T: fmt::Display + PartialEq>(height: T, width: T) -> String {
    let order = if height == width { "" } else { " (height x width)" };
    format!("{height}x{width} pixels{order}")
}

/// A dimension as the 32-bit integer that specs and kernels use. [`Shape::new`] has checked that it fits.
pub(crate) fn extent(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_height_and_width_is_said_where_it_matters() {
        assert_eq!(in_pixels(20, 32), "20x32 pixels (height x width)");
        assert_eq!(in_pixels(32, 32), "32x32 pixels");
    }
}
