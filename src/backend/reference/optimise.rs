//! Adam (Kingma, Ba 2015): `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `p -= rate · (m/c₁) / (√(v/c₂) + ε)`; and the
//! exponential moving average of the weights, `average = decay · average + (1-decay) · p`. Nothing moves where the loss is not finite.

use super::{Reference, check_lengths};
use crate::backend::{AdamSpec, AdamStep, Optimise, Real};
use crate::error::Result;

impl<T: Real> Optimise for Reference<T> {
    fn adam(
        &self,
        spec: &AdamSpec,
        control: [&Vec<T>; 2],
        g: &Vec<T>,
        p: &mut Vec<T>,
        m: &mut Vec<T>,
        v: &mut Vec<T>,
    ) -> Result<()> {
        check_lengths("adam", &[("p", p.len(), g.len()), ("m", m.len(), g.len()), ("v", v.len(), g.len())])?;
        let Some([rate, scale, ..]) = step("adam", control)? else { return Ok(()) };
        // The differences are taken in f64: in f32, 1 - 0.999 is off by 5e-5.
        let (keep1, take1) = (T::of(spec.beta1), T::of(1.0 - spec.beta1));
        let (keep2, take2) = (T::of(spec.beta2), T::of(1.0 - spec.beta2));
        for (i, &g) in g.iter().enumerate() {
            m[i] = keep1 * m[i] + take1 * g;
            v[i] = keep2 * v[i] + take2 * g * g;
            p[i] -= rate * m[i] / ((scale * v[i]).sqrt() + T::of(spec.epsilon));
        }
        Ok(())
    }

    fn moving_average(&self, control: [&Vec<T>; 2], p: &Vec<T>, average: &mut Vec<T>) -> Result<()> {
        check_lengths("moving_average", &[("average", average.len(), p.len())])?;
        let Some([_, _, keep, take]) = step("moving_average", control)? else { return Ok(()) };
        for (average, &p) in average.iter_mut().zip(p) {
            *average = keep * *average + take * p;
        }
        Ok(())
    }
}

/// The elements of the [`AdamStep`], if the loss is finite.
fn step<T: Real>(op: &'static str, [step, loss]: [&Vec<T>; 2]) -> Result<Option<[T; AdamStep::LEN]>> {
    check_lengths(op, &[("step", step.len(), AdamStep::LEN), ("loss", loss.len(), 1)])?;
    Ok(loss[0].is_finite().then(|| std::array::from_fn(|i| step[i])))
}
