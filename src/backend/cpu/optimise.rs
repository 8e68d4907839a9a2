//! Updates of the optimiser.

use rayon::prelude::*;

use super::elementwise::{CHUNK, update};
use super::storage::Buffer;
use super::{Cpu, check_lengths};
use crate::backend::{AdamSpec, AdamStep, Optimise};
use crate::error::Result;

impl Optimise for Cpu {
    fn adam(
        &self,
        spec: &AdamSpec,
        control: [&Buffer; 2],
        g: &Buffer,
        p: &mut Buffer,
        m: &mut Buffer,
        v: &mut Buffer,
    ) -> Result<()> {
        check_lengths("adam", &[(p.len(), g.len()), (m.len(), g.len()), (v.len(), g.len())])?;
        let Some([rate, scale, ..]) = step("adam", control)? else { return Ok(()) };
        let [beta1, beta2, epsilon] = [spec.beta1, spec.beta2, spec.epsilon].map(|value| value as f32);
        // 1 - beta is taken before rounding: 1 - 0.999 has few digits left in f32.
        let [rest1, rest2] = [1.0 - spec.beta1, 1.0 - spec.beta2].map(|value| value as f32);
        let piece = |p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]| {
            self.simd.run(
                #[inline(always)]
                || {
                    for ((p, &g), (m, v)) in p.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
                        *m = beta1 * *m + rest1 * g;
                        *v = beta2 * *v + rest2 * (g * g);
                        *p -= rate * *m / ((*v * scale).sqrt() + epsilon);
                    }
                },
            );
        };
        // One piece is done here: to hand it over would take longer.
        if p.len() <= CHUNK {
            piece(p, g, m, v);
            return Ok(());
        }
        let state = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(state).for_each(|((p, g), (m, v))| piece(p, g, m, v));
        Ok(())
    }

    fn moving_average(&self, control: [&Buffer; 2], p: &Buffer, average: &mut Buffer) -> Result<()> {
        check_lengths("moving_average", &[(average.len(), p.len())])?;
        let Some([_, _, keep, take]) = step("moving_average", control)? else { return Ok(()) };
        update(self.simd, average, [p], |average, [p]| *average = keep * *average + take * p);
        Ok(())
    }
}

/// The elements of the [`AdamStep`], if the loss is finite.
fn step(op: &'static str, [step, loss]: [&Buffer; 2]) -> Result<Option<[f32; AdamStep::LEN]>> {
    check_lengths(op, &[(step.len(), AdamStep::LEN), (loss.len(), 1)])?;
    Ok(loss[0].is_finite().then(|| std::array::from_fn(|i| step[i])))
}
