//! Adam (Kingma, Ba 2015): `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `p -= rate · (m/c₁) / (√(v/c₂) + ε)`; and the exponential
//! moving average of the weights, `average = decay · average + (1-decay) · p`.
//!
//! One call updates all tensors of a network, because each is small and a launch of its own would take longer than its bytes.
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

/// A tensor of parameters p with its gradient g, its moments m and v, and its moving average if it has one; all of one length.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub struct Update<'a, T: ?Sized> {
    pub g: &'a T,
    pub p: &'a mut T,
    pub m: &'a mut T,
    pub v: &'a mut T,
    pub average: Option<&'a mut T>,
}

/// A call. `step` is an [`AdamStep`] as a buffer, `loss` one element.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Optimise<'a, T> {
    /// Updates every tensor: its moments by its gradient, its parameters by the moments, its average by the new parameters.
    Adam { spec: &'a AdamSpec, step: &'a T, loss: &'a T, tensors: Vec<Update<'a, T>> },
}

impl<T> Optimise<'_, T> {
    pub(super) fn contract(&self, len: Length<'_, T>) -> Contract<'_, T> {
        let Self::Adam { step, loss, tensors, .. } = self;
        let contract = Contract::<T>::new("adam").phase(Phase::Optimiser).read("step", step, AdamStep::LEN).read("loss", loss, 1);
        let [elements, averaged] = elements(tensors, len);
        // Two moments of 3 and 4 operations; correction, root, sum, product, quotient, difference. An average has 3.
        let flops = 13 * elements as u64 + 3 * averaged as u64;
        let contract = contract.flops(flops).moves(7 * elements + 2 * averaged);
        tensors.iter().fold(contract, |contract, Update { g, p, m, v, average }| {
            let len = len(g);
            let contract = contract.read("g", g, len).update("p", p, len).update("m", m, len).update("v", v, len);
            contract.update_if("average", average.as_deref(), len)
        })
    }
}

/// Number of parameters, and how many of them have an average.
fn elements<T>(tensors: &[Update<'_, T>], len: Length<'_, T>) -> [usize; 2] {
    let averaged = tensors.iter().filter(|tensor| tensor.average.is_some());
    [tensors.iter().map(|tensor| len(tensor.g)).sum(), averaged.map(|tensor| len(tensor.g)).sum()]
}
