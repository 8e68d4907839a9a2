//! Convex combination module (Method §4): `h = ELU(w_mix [s, u, (s-u)²] + b_mix)`, `β = σ(w_gate h + b_gate)`,
//! `y = β ⊙ s + (1-β) ⊙ u`. The 1x1 convolutions are linear maps applied to each row.

pub(super) mod cpu;
pub(super) mod cuda;
mod cuda_bf16;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::{Contract, Length};
use crate::backend::Phase;
use crate::backend::Slope;
use crate::error::{Error, Result};
use crate::shape::{Shape, extent};
use crate::tape::Var;

/// Convex combination module (CCM): `h = ELU(w_mix [s, u, (s-u)²] + b_mix)`, `β = σ(w_gate h + b_gate)`,
/// `y = β ⊙ s + (1-β) ⊙ u`.
///
/// s, u, h, β, y `[rows, c]` (any leading dimensions), w_mix `[c, 1, 1, 3c]`, w_gate `[c, 1, 1, c]`, biases `[c]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
#[repr(C)]
pub struct CcmSpec {
    /// Pixels of the whole batch.
    pub rows: u32,
    /// Channels.
    pub c: u32,
}

impl CcmSpec {
    /// Checks skip `s` and upsampled `u`, and the gate's weights.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn new(s: &Shape, u: &Shape, w_mix: &Shape, w_gate: &Shape) -> Result<Self> {
        const OP: &str = "ccm";
        let shape = Shape::same(OP, s, u)?;
        let c = shape.channels();
        if w_mix.dims() != [c, 1, 1, 3 * c] || w_gate.dims() != [c, 1, 1, c] {
            let wants = format!("weights must be [{c}, 1, 1, {}] and [{c}, 1, 1, {c}]", 3 * c);
            return Err(Error::shape(OP, format!("{wants}, got {w_mix} and {w_gate} (s {s})")));
        }
        Ok(Self { rows: extent(shape.rows()), c: extent(c) })
    }

    /// Elements of s, of w_mix, of w_gate, and of a bias.
    fn lengths(&self) -> [usize; 4] {
        let (rows, c) = (self.rows as usize, self.c as usize);
        [rows * c, 3 * c * c, c * c, c]
    }

    /// Floating-point operations of the two 1x1 convolutions: 2·3c·c and 2·c·c for each pixel.
    pub(super) fn product_flops(&self) -> u64 {
        8 * u64::from(self.rows) * u64::from(self.c).pow(2)
    }

    /// FLOPs of a forward pass: the products, and 4 per value of the combination.
    fn flops(&self) -> u64 {
        self.product_flops() + 4 * u64::from(self.rows) * u64::from(self.c)
    }
}

/// Gate weights of a CCM, or their gradients.
#[derive(Clone, Copy, Debug)]
pub struct CcmWeights<T> {
    /// `[c, 1, 1, 3c]`.
    pub w_mix: T,
    /// `[c]`.
    pub b_mix: T,
    /// `[c, 1, 1, c]`.
    pub w_gate: T,
    /// `[c]`.
    pub b_gate: T,
}

/// From `[w_mix, b_mix, w_gate, b_gate]`.
impl<T> From<[T; 4]> for CcmWeights<T> {
    fn from([w_mix, b_mix, w_gate, b_gate]: [T; 4]) -> Self {
        Self { w_mix, b_mix, w_gate, b_gate }
    }
}

/// Gate weights of a convex combination module, as nodes.
#[derive(Clone, Copy, Debug)]
pub struct CcmVars {
    /// `[c, 1, 1, 3c]`.
    pub w_mix: Var,
    /// `[c]`.
    pub b_mix: Var,
    /// `[c, 1, 1, c]`.
    pub w_gate: Var,
    /// `[c]`.
    pub b_gate: Var,
}

impl CcmVars {
    fn all(&self) -> [Var; 4] {
        [self.w_mix, self.b_mix, self.w_gate, self.b_gate]
    }
}

/// A call. See [`CcmSpec`].
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Ccm<'a, T> {
    /// `y = β ⊙ s + (1-β) ⊙ u`. For β in [0, 1], y is between s and u even after rounding.
    Combination { beta: &'a T, s: &'a T, u: &'a T, y: &'a mut T },
    /// `dβ += dy ⊙ (s-u)`, `ds += dy ⊙ β`, `du += dy ⊙ (1-β)`.
    CombinationGrad { beta: &'a T, s: &'a T, u: &'a T, dy: &'a T, d_beta: &'a mut T, ds: &'a mut T, du: &'a mut T },
    /// The whole module in one call: `y =`, and, if a backward pass will follow, `h =`, `β =` in `saved = [h, β]`.
    Forward { spec: &'a CcmSpec, s: &'a T, u: &'a T, weights: CcmWeights<&'a T>, saved: Option<[&'a mut T; 2]>, y: &'a mut T },
    /// The backward pass: ds, du and the weight gradients, all `+=`; `saved = [h, β]` from the forward pass. Then ds and du are
    /// multiplied by their `slopes`, if these are the last contributions to the gradients of activations.
    Grad {
        spec: &'a CcmSpec,
        s: &'a T,
        u: &'a T,
        weights: CcmWeights<&'a T>,
        saved: [&'a T; 2],
        dy: &'a T,
        ds: &'a mut T,
        du: &'a mut T,
        slopes: [Option<Slope<'a, T>>; 2],
        weight_grads: CcmWeights<&'a mut T>,
    },
}

impl<T> Ccm<'_, T> {
    pub(super) fn contract(&self, len: Length<'_, T>) -> Contract<'_, T> {
        match self {
            Self::Combination { beta, s, u, y } => {
                let len = len(y);
                let contract =
                    Contract::<T>::new("convex_combination").read("beta", beta, len).read("s", s, len).read("u", u, len);
                contract.write("y", y, len).flops(4 * len as u64)
            }
            Self::CombinationGrad { beta, s, u, dy, d_beta, ds, du } => {
                let len = len(dy);
                let contract = Contract::<T>::new("convex_combination").phase(Phase::InputGradient).flops(8 * len as u64);
                let contract = contract.read("beta", beta, len).read("s", s, len).read("u", u, len).read("dy", dy, len);
                contract.update("dbeta", d_beta, len).update("ds", ds, len).update("du", du, len)
            }
            Self::Forward { spec, s, u, weights, saved, y } => {
                let [rows, mix, gate, c] = spec.lengths();
                let contract =
                    Contract::<T>::new("ccm").phase(Phase::Forward).flops(spec.flops()).read("s", s, rows).read("u", u, rows);
                let contract = contract.read("w_mix", weights.w_mix, mix).read("b_mix", weights.b_mix, c);
                let contract = contract.read("w_gate", weights.w_gate, gate).read("b_gate", weights.b_gate, c);
                let contract = match saved {
                    Some([h, beta]) => contract.write("h", h, rows).write("beta", beta, rows),
                    None => contract,
                };
                contract.write("y", y, rows)
            }
            // The biases' values do not matter here.
            Self::Grad { spec, s, u, weights, saved: [h, beta], dy, ds, du, slopes, weight_grads } => {
                let [rows, mix, gate, c] = spec.lengths();
                let contract = Contract::<T>::new("ccm").phase(Phase::InputGradient).flops(2 * spec.flops());
                let contract = contract.read("s", s, rows).read("u", u, rows);
                let contract = contract.read("w_mix", weights.w_mix, mix).read("w_gate", weights.w_gate, gate);
                let contract = contract.read("h", h, rows).read("beta", beta, rows).read("dy", dy, rows);
                let contract = contract.update("ds", ds, rows).update("du", du, rows);
                let contract = slopes.iter().fold(contract, |contract, &slope| contract.through(slope, rows));
                let contract = contract.update("dw_mix", weight_grads.w_mix, mix).update("db_mix", weight_grads.b_mix, c);
                contract.update("dw_gate", weight_grads.w_gate, gate).update("db_gate", weight_grads.b_gate, c)
            }
        }
    }
}
