//! Gaussian-weighted local mean of a product, per channel: with the window's weights `g` and only the pixels inside the image,
//!
//! `y[n, p, q, c] = Σ_{i, j} g[i] g[j] a[n, p+i, q+j, c] b[n, p+i, q+j, c] / Σ_{i, j} g[i] g[j]`.
//!
//! It gives all local moments for SSIM (Wang et al. 2004): the mean of an image (without b), its second moment (`b = a`), and the
//! mixed moment of two images.

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

/// Largest window.
const MAX_WINDOW: usize = 31;

/// A Gaussian window over images a, b and y `[n, h, w, c]`.
#[derive(Clone, Copy, Debug, PartialEq, NoUninit, Serialize)]
#[repr(C)]
pub struct WindowedMeanSpec {
    /// Images.
    pub n: u32,
    /// Height.
    pub h: u32,
    /// Width.
    pub w: u32,
    /// Channels.
    pub c: u32,
    /// Height and width of the window in pixels, odd.
    pub size: u32,
    /// Weights along one axis, the first `size` of them used; they add up to 1.
    pub taps: [f32; MAX_WINDOW],
}

impl WindowedMeanSpec {
    /// Checks the operand and computes a Gaussian window with standard deviation `sigma` pixels.
    ///
    /// # Errors
    /// Another rank than 4; a window that is even or larger than 31; a sigma that is not above 0.
    pub fn new(a: &Shape, size: usize, sigma: f64) -> Result<Self> {
        const OP: &str = "windowed_mean";
        let [n, h, w, c] = a.nhwc(OP)?;
        if size.is_multiple_of(2) || size > MAX_WINDOW {
            return Err(Error::shape(OP, format!("window must be odd and at most {MAX_WINDOW}, got {size}")));
        }
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Err(Error::shape(OP, format!("sigma must be above 0, got {sigma}")));
        }
        let gaussian = |tap: usize| (-0.5 * ((tap as f64 - (size / 2) as f64) / sigma).powi(2)).exp();
        let total: f64 = (0..size).map(gaussian).sum();
        let taps = std::array::from_fn(|tap| if tap < size { (gaussian(tap) / total) as f32 } else { 0.0 });
        Ok(Self { n: extent(n), h: extent(h), w: extent(w), c: extent(c), size: extent(size), taps })
    }

    /// Elements of a, b and y.
    pub(super) fn len(&self) -> usize {
        [self.n, self.h, self.w, self.c].map(|extent| extent as usize).iter().product()
    }

    /// The taps of the window around position `at` of an axis that fall inside it, as `(position, weight)`; weights add up to 1.
    pub(super) fn window(&self, at: usize, extent: usize) -> impl Iterator<Item = (usize, f64)> {
        let (size, radius) = (self.size as usize, self.size as usize / 2);
        let inside = move |tap: usize| (at + tap).checked_sub(radius).filter(|&position| position < extent);
        let taps = self.taps.map(f64::from);
        let total: f64 = (0..size).filter(|&tap| inside(tap).is_some()).map(|tap| taps[tap]).sum();
        (0..size).filter_map(move |tap| Some((inside(tap)?, taps[tap] / total)))
    }
}

/// A call. See [`WindowedMeanSpec`].
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum WindowedMean<'a, T> {
    /// `y = G (a ⊙ b)`, or `G a` without b.
    Forward { spec: &'a WindowedMeanSpec, a: &'a T, b: Option<&'a T>, y: &'a mut T },
    /// `da += b ⊙ Gᵀ dy`, or `Gᵀ dy` without b. The map is symmetric in a and b, so this is the gradient in either.
    InputGrad { spec: &'a WindowedMeanSpec, dy: &'a T, b: Option<&'a T>, da: &'a mut T },
}

impl<T> WindowedMean<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        let contract = |spec: &WindowedMeanSpec| {
            // A product, then a multiply-add per tap and a division along each axis.
            Contract::<T>::new("windowed_mean").flops((4 * u64::from(spec.size) + 3) * spec.len() as u64)
        };
        match self {
            Self::Forward { spec, a, b, y } => {
                let len = spec.len();
                contract(spec).read("a", a, len).read_if("b", b.as_deref(), len).write("y", y, len)
            }
            Self::InputGrad { spec, dy, b, da } => {
                let (contract, len) = (contract(spec).phase(Phase::InputGradient), spec.len());
                contract.read("dy", dy, len).read_if("b", b.as_deref(), len).update("da", da, len)
            }
        }
    }
}
