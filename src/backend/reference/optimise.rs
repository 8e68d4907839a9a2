//! Adam (Kingma, Ba 2015): `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `p -= rate · (m/c₁) / (√(v/c₂) + ε)`; and the
//! exponential moving average of the weights, `average = decay · average + (1-decay) · p`.

use super::{Reference, check_lengths};
use crate::backend::{AdamSpec, Optimise, Real};
use crate::error::Result;

impl<T: Real> Optimise for Reference<T> {
    fn adam(&self, spec: &AdamSpec, g: &Vec<T>, p: &mut Vec<T>, m: &mut Vec<T>, v: &mut Vec<T>) -> Result<()> {
        check_lengths("adam", &[("p", p.len(), g.len()), ("m", m.len(), g.len()), ("v", v.len(), g.len())])?;
        // The differences are taken in f64: in f32, 1 - 0.999 is off by 5e-5.
        let (keep1, take1) = (T::of(spec.beta1), T::of(1.0 - spec.beta1));
        let (keep2, take2) = (T::of(spec.beta2), T::of(1.0 - spec.beta2));
        let (correction1, correction2) = (T::of(spec.correction1), T::of(spec.correction2));
        for (i, &g) in g.iter().enumerate() {
            m[i] = keep1 * m[i] + take1 * g;
            v[i] = keep2 * v[i] + take2 * g * g;
            p[i] -= T::of(spec.rate) * (m[i] / correction1) / ((v[i] / correction2).sqrt() + T::of(spec.epsilon));
        }
        Ok(())
    }

    fn moving_average(&self, decay: f64, p: &Vec<T>, average: &mut Vec<T>) -> Result<()> {
        check_lengths("moving_average", &[("average", average.len(), p.len())])?;
        for (average, &p) in average.iter_mut().zip(p) {
            *average = T::of(decay) * *average + T::of(1.0 - decay) * p;
        }
        Ok(())
    }
}
