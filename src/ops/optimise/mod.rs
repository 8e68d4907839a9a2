//! Adam (Kingma, Ba 2015): `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `p -= rate · (m/c₁) / (√(v/c₂) + ε)`; and the exponential
//! moving average of the weights, `average = decay · average + (1-decay) · p`.
//!
//! If the loss is not finite, nothing is updated. The device decides this without a host round trip.

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::{Contract, Length};
use crate::backend::{Phase, Real};

/// Constants of Adam (Kingma, Ba 2015).
#[derive(Clone, Copy, Debug, PartialEq, NoUninit, Serialize)]
#[repr(C)]
pub struct AdamSpec {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

/// The values that change with each step. On the device they are a buffer, so that a recorded step can be replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f64,
    /// `c₁ = 1 - β₁^t`.
    pub correction1: f64,
    /// `c₂ = 1 - β₂^t`.
    pub correction2: f64,
    /// Decay of the weights' moving average.
    pub decay: f64,
}

impl AdamStep {
    /// Elements of the buffer.
    pub const LEN: usize = 4;

    /// The content of the buffer: rate / c₁, 1 / c₂, decay, 1 - decay, computed in f64. In f32, 1 - 0.999 has a relative error of
    /// 5e-5.
    pub fn elements<T: Real>(&self) -> [T; Self::LEN] {
        [self.rate / self.correction1, 1.0 / self.correction2, self.decay, 1.0 - self.decay].map(T::of)
    }
}

/// A call. `step` is an [`AdamStep`] as a buffer, `loss` one element.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Optimise<'a, T> {
    /// Updates the parameters p and their moments m and v by the gradient g.
    Adam { spec: &'a AdamSpec, step: &'a T, loss: &'a T, g: &'a T, p: &'a mut T, m: &'a mut T, v: &'a mut T },
    /// `average = decay · average + (1-decay) · p`.
    MovingAverage { step: &'a T, loss: &'a T, p: &'a T, average: &'a mut T },
}

impl<T> Optimise<'_, T> {
    pub(super) fn contract(&self, len: Length<'_, T>) -> Contract<'_, T> {
        let contract = |op, step, loss| {
            Contract::<T>::new(op).phase(Phase::Optimiser).read("step", step, AdamStep::LEN).read("loss", loss, 1)
        };
        match self {
            // Two moments of 3 and 4 operations; correction, root, sum, product, quotient, difference.
            Self::Adam { step, loss, g, p, m, v, .. } => {
                let len = len(g);
                let contract = contract("adam", step, loss).read("g", g, len).update("p", p, len);
                contract.update("m", m, len).update("v", v, len).flops(13 * len as u64).moves(7 * len)
            }
            Self::MovingAverage { step, loss, p, average } => {
                let len = len(p);
                let contract = contract("moving_average", step, loss).read("p", p, len).update("average", average, len);
                contract.flops(3 * len as u64).moves(3 * len)
            }
        }
    }
}
