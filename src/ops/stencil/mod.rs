//! Small fixed filters of the mean over the channels, the border repeated: with the taps `t` of filter k and
//! `r = (size - 1) / 2`,
//!
//! `y[n, p, q, k] = 1/C Σ_{i, j, c} t[k, i, j] x[n, in(s p + i - r), in(s q + j - r), c]`,
//!
//! where `in` moves a position outside the image to the nearest one inside, and s is the stride. It gives the grey image, its
//! gradient by Prewitt's filters, and the image at half the size: the parts of gradient magnitude similarity (Xue et al. 2014;
//! over several scales Zavrtanik et al. 2021).

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::Contract;
use crate::backend::Phase;
use crate::error::{Error, Result};
use crate::shape::{Shape, extent};

/// Which filters are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Mean over the channels: `[N, H, W, 1]`.
    Grey,
    /// Sum over the channels: `[N, H, W, 1]`.
    ChannelSum,
    /// Gradient down and to the right, of the mean over the channels: the difference of the means of three pixels on both sides,
    /// over a distance of two pixels: `[N, H, W, 2]`.
    Prewitt,
    /// Mean over 2 x 2 pixels and the channels: `[N, ⌊H/2⌋, ⌊W/2⌋, 1]`. An odd last row or column is dropped.
    Halve,
}

/// Filters of images x `[n, h, w, c]`; y is `[n, ⌊h / stride⌋, ⌊w / stride⌋, filters]`.
#[derive(Clone, Copy, Debug, PartialEq, NoUninit, Serialize)]
#[repr(C)]
pub struct StencilSpec {
    /// Images.
    pub n: u32,
    /// Height of x.
    pub h: u32,
    /// Width of x.
    pub w: u32,
    /// Channels of x.
    pub c: u32,
    /// Channels of y: 1 or 2.
    pub filters: u32,
    /// Height and width of a filter: 1 to 3.
    pub size: u32,
    /// Pixels of x from one pixel of y to the next.
    pub stride: u32,
    /// The taps of all filters, row by row, already divided by c. The first `filters size²` are used.
    pub taps: [f32; 18],
}

impl StencilSpec {
    /// Checks the operand.
    ///
    /// # Errors
    /// Another rank than 4; for [`Filter::Halve`] fewer than 2 x 2 pixels.
    pub fn new(x: &Shape, filter: Filter) -> Result<Self> {
        const OP: &str = "stencil";
        let [n, h, w, c] = x.nhwc(OP)?;
        const THIRD: f64 = 1.0 / 3.0;
        let (filters, size, stride, taps): (u32, u32, u32, &[f64]) = match filter {
            Filter::Grey => (1, 1, 1, &[1.0]),
            Filter::ChannelSum => (1, 1, 1, &[c as f64]),
            Filter::Prewitt => {
                const DOWN: [f64; 9] = [-THIRD, -THIRD, -THIRD, 0.0, 0.0, 0.0, THIRD, THIRD, THIRD];
                const RIGHT: [f64; 9] = [-THIRD, 0.0, THIRD, -THIRD, 0.0, THIRD, -THIRD, 0.0, THIRD];
                (2, 3, 1, [DOWN, RIGHT].as_flattened())
            }
            Filter::Halve if h.min(w) < 2 => {
                return Err(Error::shape(OP, format!("halving needs at least 2x2 pixels, got {h}x{w}")));
            }
            Filter::Halve => (1, 2, 2, &[0.25; 4]),
        };
        let taps = std::array::from_fn(|index| taps.get(index).map_or(0.0, |tap| (tap / c as f64) as f32));
        Ok(Self { n: extent(n), h: extent(h), w: extent(w), c: extent(c), filters, size, stride, taps })
    }

    /// Shape of y.
    ///
    /// # Errors
    /// As [`Shape::new`].
    pub fn output(&self) -> Result<Shape> {
        let [rows, columns] = [self.h, self.w].map(|extent| (extent / self.stride) as usize);
        Shape::new(&[self.n as usize, rows, columns, self.filters as usize])
    }

    /// Elements of x and of y.
    pub(super) fn lengths(&self) -> [usize; 2] {
        let product = |extents: [u32; 4]| extents.map(|extent| extent as usize).iter().product();
        let y = [self.n, self.h / self.stride, self.w / self.stride, self.filters];
        [product([self.n, self.h, self.w, self.c]), product(y)]
    }

    /// The position of x that tap `tap` reads for position `at` of y, along an axis of `extent` pixels of x.
    #[inline]
    pub(super) fn position(&self, at: usize, tap: usize, extent: usize) -> usize {
        let radius = (self.size as usize - 1) / 2;
        (at * self.stride as usize + tap).saturating_sub(radius).min(extent - 1)
    }

    /// The positions of y that read position `at` of x, along an axis of `extent` pixels of x. Some of them may not.
    #[inline]
    pub(super) fn readers(&self, at: usize, extent: usize) -> std::ops::Range<usize> {
        let (size, stride) = (self.size as usize, self.stride as usize);
        let radius = (size - 1) / 2;
        let first = (at + radius + 1).saturating_sub(size).div_ceil(stride);
        first..((at + radius) / stride + 1).min(extent / stride)
    }
}

/// A call. See [`StencilSpec`].
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Stencil<'a, T> {
    /// `y =`.
    Forward { spec: &'a StencilSpec, x: &'a T, y: &'a mut T },
    /// `dx +=`, the exact adjoint.
    InputGrad { spec: &'a StencilSpec, dy: &'a T, dx: &'a mut T },
}

impl<T> Stencil<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        let contract = |spec: &StencilSpec, y: usize| {
            let products = u64::from(spec.size * spec.size) * u64::from(spec.c) * y as u64;
            Contract::<T>::new("stencil").flops(2 * products)
        };
        match self {
            Self::Forward { spec, x, y } => {
                let [of_x, of_y] = spec.lengths();
                contract(spec, of_y).read("x", x, of_x).write("y", y, of_y)
            }
            Self::InputGrad { spec, dy, dx } => {
                let [of_x, of_y] = spec.lengths();
                contract(spec, of_y).phase(Phase::InputGradient).read("dy", dy, of_y).update("dx", dx, of_x)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_of_a_position_is_found() {
        for (filter, extent) in [Filter::Grey, Filter::Prewitt, Filter::Halve].into_iter().flat_map(|filter| {
            let smallest = if filter == Filter::Halve { 2 } else { 1 };
            (smallest..9).map(move |extent| (filter, extent))
        }) {
            let spec = StencilSpec::new(&Shape::new(&[1, extent, extent, 1]).unwrap(), filter).unwrap();
            for at in 0..extent {
                let reads = |out: &usize| (0..spec.size as usize).any(|tap| spec.position(*out, tap, extent) == at);
                let readers: Vec<usize> = (0..extent / spec.stride as usize).filter(reads).collect();
                let found: Vec<usize> = spec.readers(at, extent).filter(reads).collect();
                assert_eq!(found, readers, "{filter:?} {at} of {extent}");
            }
        }
    }
}
