//! Masked two-region objective (Method §3), with `e = f(x̂) - x`:
//!
//! `L = 1/n Σ_images [(1-λ)/‖M̄‖₁ Σ M̄ ρ(e) + λ/‖M‖₁ Σ M ρ(e)]`.
//!
//! Every element e has one weight, `((1-λ) M̄/‖M̄‖₁ + λ M/‖M‖₁) / n`; the norms count every channel, and a region of norm 0
//! contributes 0. The k-th derivative is this weight times `ρ⁽ᵏ⁾(e)`; the Hessian is diagonal. The loss sums millions of terms,
//! so it is computed in f64 for both element types.

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

/// Penalty of a reconstruction error `e = f(x̂) - x`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, NoUninit, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum Penalty {
    /// `ρ(e) = e²`, as in the paper.
    #[default]
    Squared = 0,
    /// `ρ(e) = 2ε (√(e² + ε²) - ε)`: e² near 0, linear beyond ε. Charbonnier et al. 1994.
    Charbonnier = 1,
}

/// Masked two-region objective (Method §3): per image `(1-λ)/‖M̄‖₁ Σ M̄ ρ(e) + λ/‖M‖₁ Σ M ρ(e)`, then the batch mean.
///
/// f(x̂) and x `[n, pixels, channels]`, M `[n, pixels]` (equal over channels; the norms count every channel). A region with
/// norm 0 contributes 0. On the tape: images `[N, H, W, C]` with a mask `[N, H, W, 1]`, or vectors `[N, n]` with a mask `[N, n]`.
#[derive(Clone, Copy, Debug, PartialEq, NoUninit, Serialize)]
#[repr(C)]
pub struct ObjectiveSpec {
    /// Images.
    pub n: u32,
    /// Pixels of one image.
    pub pixels: u32,
    /// Channels.
    pub channels: u32,
    /// ρ.
    pub penalty: Penalty,
    /// λ in [0, 1], the weight of the corrupted region.
    pub lambda: f64,
    /// ε of [`Penalty::Charbonnier`], above 0.
    pub epsilon: f64,
}

impl ObjectiveSpec {
    /// Checks output, target and mask of the objective.
    ///
    /// # Errors
    /// Shapes that do not fit; λ outside [0, 1]; ε not above 0.
    pub fn new(output: &Shape, target: &Shape, mask: &Shape, penalty: Penalty, lambda: f64, epsilon: f64) -> Result<Self> {
        const OP: &str = "objective";
        let [n, pixels, channels] = match *Shape::same(OP, output, target)?.dims() {
            [n, h, w, c] if mask.dims() == [n, h, w, 1] => [n, h * w, c],
            [n, h, w, _] => return Err(Error::shape(OP, format!("mask must be [{n}, {h}, {w}, 1], got {mask}"))),
            // Vector data: every value counts as a pixel.
            [n, features] if mask.dims() == [n, features] => [n, features, 1],
            [n, features] => return Err(Error::shape(OP, format!("mask must be [{n}, {features}], got {mask}"))),
            _ => return Err(Error::shape(OP, format!("expects [N, H, W, C] or [N, n], got {output}"))),
        };
        let positive = epsilon > 0.0 && epsilon.is_finite();
        if !(0.0..=1.0).contains(&lambda) || !positive {
            return Err(Error::shape(OP, format!("lambda must be in [0, 1] and epsilon above 0, got {lambda} and {epsilon}")));
        }
        Ok(Self { n: extent(n), pixels: extent(pixels), channels: extent(channels), penalty, lambda, epsilon })
    }

    /// Elements of the output, and of the mask.
    pub(super) fn lengths(&self) -> [usize; 2] {
        let pixels = self.n as usize * self.pixels as usize;
        [pixels * self.channels as usize, pixels]
    }
}

/// A call. See [`ObjectiveSpec`]; `output = f(x̂)`, `target = x`, `mask = M`.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Objective<'a, T> {
    /// `loss[0] =`.
    Loss { spec: &'a ObjectiveSpec, output: &'a T, target: &'a T, mask: &'a T, loss: &'a mut T },
    /// `d =` the derivative of order 1, 2 or 3 in each element of the output.
    Derivative { spec: &'a ObjectiveSpec, order: u32, output: &'a T, target: &'a T, mask: &'a T, d: &'a mut T },
}

impl<T> Objective<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        let (Self::Loss { spec, output, target, mask, .. } | Self::Derivative { spec, output, target, mask, .. }) = self;
        let [len, pixels] = spec.lengths();
        let contract = Contract::<T>::new("objective").read("f(x)", output, len).read("x", target, len).read("M", mask, pixels);
        match self {
            // Difference, square, weight, sum.
            Self::Loss { loss, .. } => contract.phase(Phase::Forward).write("loss", loss, 1).flops(5 * len as u64),
            Self::Derivative { order, d, .. } => {
                let contract = contract.phase(Phase::InputGradient).write("d", d, len).flops(4 * len as u64);
                contract.require((1..=3).contains(order), || format!("derivatives have order 1, 2 or 3, got {order}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(output: &[usize], mask: &[usize]) -> Result<ObjectiveSpec> {
        let [output, mask] = [output, mask].map(|extents| Shape::new(extents).unwrap());
        ObjectiveSpec::new(&output, &output, &mask, Penalty::Squared, 0.5, 0.05)
    }

    #[test]
    fn a_vector_is_an_image_of_one_channel() {
        let (vector, image) = (spec(&[3, 6], &[3, 6]).unwrap(), spec(&[3, 2, 3, 1], &[3, 2, 3, 1]).unwrap());
        assert_eq!(vector, image);
        assert_eq!([vector.n, vector.pixels, vector.channels], [3, 6, 1]);
    }

    #[test]
    fn errors_name_masks_of_the_wrong_shape() {
        for (output, mask) in [(&[3, 6][..], &[3, 1][..]), (&[3, 2, 3, 1], &[3, 6]), (&[6], &[6])] {
            assert!(spec(output, mask).unwrap_err().to_string().starts_with("objective: "));
        }
    }
}
