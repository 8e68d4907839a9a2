//! Adam (Kingma, Ba 2015): `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `p -= rate · (m/c₁) / (√(v/c₂) + ε)`; and the exponential
//! moving average of the weights, `average = decay · average + (1-decay) · p`. Nothing is updated if the loss is not finite.

use super::{AdamStep, Optimise};
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: Optimise<'_, Vec<T>>) {
    match call {
        Optimise::Adam { spec, step, loss, g, p, m, v } => {
            let Some([rate, scale, ..]) = constants(step, loss) else { return };
            // The differences are computed in f64. In f32, 1 - 0.999 has a relative error of 5e-5.
            let (keep1, take1) = (T::of(spec.beta1), T::of(1.0 - spec.beta1));
            let (keep2, take2) = (T::of(spec.beta2), T::of(1.0 - spec.beta2));
            for (i, &g) in g.iter().enumerate() {
                m[i] = keep1 * m[i] + take1 * g;
                v[i] = keep2 * v[i] + take2 * g * g;
                p[i] -= rate * m[i] / ((scale * v[i]).sqrt() + T::of(spec.epsilon));
            }
        }
        Optimise::MovingAverage { step, loss, p, average } => {
            let Some([_, _, keep, take]) = constants(step, loss) else { return };
            for (average, &p) in average.iter_mut().zip(p) {
                *average = keep * *average + take * p;
            }
        }
    }
}

/// The elements of the [`AdamStep`], if the loss is finite.
fn constants<T: Real>(step: &[T], loss: &[T]) -> Option<[T; AdamStep::LEN]> {
    loss[0].is_finite().then(|| std::array::from_fn(|i| step[i]))
}
