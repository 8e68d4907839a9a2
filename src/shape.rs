//! Shapes of arrays, and the activations that operations share.
//!
//! Images are `[N, H, W, C]` (NHWC), convolution weights `[O, kH, kW, I]` (OHWI).

use std::fmt;

use bytemuck::NoUninit;
use serde::Serialize;

use crate::error::{Error, Result};

/// Extents of an array of 1 to 4 dimensions, the last one contiguous in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    extents: [usize; 4],
    rank: usize,
}

impl Shape {
    /// A shape from its extents, outermost first.
    ///
    /// # Errors
    /// Rank 0 or above 4, an extent of 0, or more than `u32::MAX` elements (kernels index with 32 bits).
    pub fn new(extents: &[usize]) -> Result<Self> {
        if extents.is_empty() || extents.len() > 4 {
            return Err(Error::shape("shape", format!("rank must be 1 to 4, got {extents:?}")));
        }
        let elements = extents.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        match elements {
            Some(0) => Err(Error::shape("shape", format!("every extent must be at least 1, got {extents:?}"))),
            Some(count) if count <= u32::MAX as usize => {
                let mut own = [1; 4];
                own[..extents.len()].copy_from_slice(extents);
                Ok(Self { extents: own, rank: extents.len() })
            }
            _ => Err(Error::shape("shape", format!("{extents:?} has more than 2^32-1 elements"))),
        }
    }

    /// The shape `[1]` of a scalar.
    pub const fn scalar() -> Self {
        Self { extents: [1; 4], rank: 1 }
    }

    /// Extents, outermost first.
    pub fn extents(&self) -> &[usize] {
        &self.extents[..self.rank]
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.extents().iter().product()
    }

    /// Never true: a shape has at least one element. Present because `len` is.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The last extent: channels or features.
    pub fn channels(&self) -> usize {
        self.extents[self.rank - 1]
    }

    /// Product of all extents but the last: pixels or samples.
    pub fn rows(&self) -> usize {
        self.len() / self.channels()
    }

    /// The same shape with another last extent.
    ///
    /// # Errors
    /// As [`Shape::new`].
    pub fn with_channels(&self, channels: usize) -> Result<Self> {
        let mut extents = *self;
        extents.extents[self.rank - 1] = channels;
        Self::new(extents.extents())
    }

    /// The extents `[N, H, W, C]` of an image batch.
    ///
    /// # Errors
    /// Another rank than 4, named with `op`.
    pub fn nhwc(&self, op: &'static str) -> Result<[usize; 4]> {
        if self.rank == 4 { Ok(self.extents) } else { Err(Error::shape(op, format!("expects [N, H, W, C], got {self}"))) }
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
        write!(f, "{:?}", self.extents())
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

/// An extent as the 32-bit integer that specs and kernels use. [`Shape::new`] has checked that it fits.
pub(crate) fn extent(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
