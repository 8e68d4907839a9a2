//! n-fold box average (Method §6): `(G x)[p] = 1/|W(p)| Σ_{q in W(p)} x[q]`, where W(p) is the k x k window around p, cut at the
//! border; `y = Gⁿ x`. The adjoint spreads `dy[p] / |W(p)|` over W(p), n times.

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

/// n-fold box average (Method §6): `repeats` times the mean over a `size x size` window. Near the border only the pixels inside
/// the image count. x and y are `[n, h, w]` or `[n, h, w, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
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
        let (&[n, h, w] | &[n, h, w, 1]) = x.dims() else {
            return Err(Error::shape(OP, format!("expects [N, H, W] or [N, H, W, 1], got {x}")));
        };
        if size.is_multiple_of(2) || size > (1 << 16) || repeats > (1 << 16) {
            return Err(Error::shape(OP, format!("window must be odd and below 65536, repeats too, got {size} and {repeats}")));
        }
        Ok(Self { n: extent(n), h: extent(h), w: extent(w), size: extent(size), repeats: extent(repeats) })
    }

    /// Elements of x and of y.
    pub(super) fn len(&self) -> usize {
        [self.n, self.h, self.w].map(|extent| extent as usize).iter().product()
    }
}

/// A call. See [`BoxAverageSpec`].
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum BoxAverage<'a, T> {
    /// `y =`.
    Forward { spec: &'a BoxAverageSpec, x: &'a T, y: &'a mut T },
    /// `dx +=`, the exact adjoint.
    InputGrad { spec: &'a BoxAverageSpec, dy: &'a T, dx: &'a mut T },
}

impl<T> BoxAverage<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        // Per repeat and axis, a running sum needs an addition, a subtraction and a product.
        let contract =
            |spec: &BoxAverageSpec| Contract::<T>::new("box_average").flops(6 * u64::from(spec.repeats) * spec.len() as u64);
        match self {
            Self::Forward { spec, x, y } => contract(spec).read("x", x, spec.len()).write("y", y, spec.len()),
            Self::InputGrad { spec, dy, dx } => {
                contract(spec).phase(Phase::InputGradient).read("dy", dy, spec.len()).update("dx", dx, spec.len())
            }
        }
    }
}
