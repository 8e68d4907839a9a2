//! Adam (Kingma, Ba 2015): `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `p -= rate · (m/c₁) / (√(v/c₂) + ε)`; and the exponential
//! moving average of the weights, `average = decay · average + (1-decay) · p`. Nothing is updated if the loss is not finite.

use super::{Optimise, Update};
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: Optimise<'_, Vec<T>>) {
    let Optimise::Adam { spec, step, loss, tensors } = call;
    let [rate, scale, keep, take] = std::array::from_fn(|i| step[i]);
    if !loss[0].is_finite() {
        return;
    }
    // The differences are computed in f64. In f32, 1 - 0.999 has a relative error of 5e-5.
    let (keep1, take1) = (T::of(spec.beta1), T::of(1.0 - spec.beta1));
    let (keep2, take2) = (T::of(spec.beta2), T::of(1.0 - spec.beta2));
    for Update { g, p, m, v, mut average } in tensors {
        for (i, &g) in g.iter().enumerate() {
            m[i] = keep1 * m[i] + take1 * g;
            v[i] = keep2 * v[i] + take2 * g * g;
            p[i] -= rate * m[i] / ((scale * v[i]).sqrt() + T::of(spec.epsilon));
            if let Some(average) = &mut average {
                average[i] = keep * average[i] + take * p[i];
            }
        }
    }
}
