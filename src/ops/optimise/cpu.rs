//! Updates of the optimiser.

use rayon::prelude::*;

use super::{AdamSpec, AdamStep, Optimise};
use crate::backend::cpu::elementwise::{CHUNK, Elementwise, each_in_parallel};
use crate::backend::cpu::simd::{Simd, Vector};
use crate::backend::cpu::{Buffer, Cpu};

pub(in crate::ops) fn run(cpu: &Cpu, call: Optimise<'_, Buffer>) {
    match call {
        Optimise::Adam { spec, step, loss, g, p, m, v } => {
            let Some([rate, scale, ..]) = constants(step, loss) else { return };
            let adam = Adam::new(cpu.simd, spec, rate, scale);
            // A single chunk runs on this thread, because a task would cost more.
            if p.len() <= CHUNK {
                return adam.update(p, g, m, v);
            }
            let state = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
            let pieces = p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(state);
            pieces.for_each(|((p, g), (m, v))| adam.update(p, g, m, v));
        }
        Optimise::MovingAverage { step, loss, p, average } => {
            let Some([_, _, keep, take]) = constants(step, loss) else { return };
            each_in_parallel(cpu.simd, Average { keep, take }, average, [p]);
        }
    }
}

/// The constants of one step.
struct Adam {
    simd: Simd,
    rate: f32,
    scale: f32,
    beta: [f32; 2],
    /// 1 - beta, computed before rounding to f32, where 1 - 0.999 would lose most digits.
    rest: [f32; 2],
    epsilon: f32,
}

impl Adam {
    fn new(simd: Simd, spec: &AdamSpec, rate: f32, scale: f32) -> Self {
        let betas = [spec.beta1, spec.beta2];
        let [beta, rest] = [betas, betas.map(|beta| 1.0 - beta)].map(|pair| pair.map(|value| value as f32));
        Self { simd, rate, scale, beta, rest, epsilon: spec.epsilon as f32 }
    }

    fn update(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let &Self { rate, scale, beta: [beta1, beta2], rest: [rest1, rest2], epsilon, .. } = self;
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
    }
}

/// The elements of the [`AdamStep`], if the loss is finite.
fn constants(step: &[f32], loss: &[f32]) -> Option<[f32; AdamStep::LEN]> {
    loss[0].is_finite().then(|| std::array::from_fn(|i| step[i]))
}

/// `keep · average + take · p`.
#[derive(Clone, Copy)]
struct Average {
    keep: f32,
    take: f32,
}

impl Elementwise<1> for Average {
    #[inline(always)]
    fn apply<V: Vector>(self, average: V, [p]: [V; 1]) -> V {
        V::splat(self.keep).mul(average).add(V::splat(self.take).mul(p))
    }
}
