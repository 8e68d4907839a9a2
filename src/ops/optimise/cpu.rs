//! Updates of the optimiser.

use rayon::prelude::*;

use super::{AdamSpec, Optimise, Update};
use crate::backend::cpu::elementwise::CHUNK;
use crate::backend::cpu::simd::Simd;
use crate::backend::cpu::{Buffer, Cpu};

pub(in crate::ops) fn run(cpu: &Cpu, call: Optimise<'_, Buffer>) {
    let Optimise::Adam { spec, step, loss, tensors } = call;
    if !loss[0].is_finite() {
        return;
    }
    let adam = Adam::new(cpu.simd, spec, step);
    let pieces: Vec<_> = tensors.into_iter().flat_map(pieces).collect();
    // The elements of a single chunk are processed on this thread, because a task would cost more.
    if pieces.iter().map(|piece| piece.p.len()).sum::<usize>() <= CHUNK {
        return pieces.into_iter().for_each(|piece| adam.update(piece));
    }
    pieces.into_par_iter().for_each(|piece| adam.update(piece));
}

/// The chunks of a tensor.
fn pieces(tensor: Update<'_, Buffer>) -> impl Iterator<Item = Update<'_, [f32]>> {
    let Update { g, p, m, v, average } = tensor;
    let mut averages = average.map(|average| average.chunks_mut(CHUNK));
    let state = m.chunks_mut(CHUNK).zip(v.chunks_mut(CHUNK));
    let chunks = g.chunks(CHUNK).zip(p.chunks_mut(CHUNK)).zip(state);
    chunks.map(move |((g, p), (m, v))| Update { g, p, m, v, average: averages.as_mut().and_then(Iterator::next) })
}

/// The constants of one step.
struct Adam {
    simd: Simd,
    rate: f32,
    scale: f32,
    keep: f32,
    take: f32,
    beta: [f32; 2],
    /// 1 - beta, computed before rounding to f32, where 1 - 0.999 would lose most digits.
    rest: [f32; 2],
    epsilon: f32,
}

impl Adam {
    /// `step` holds the elements of an [`AdamStep`](super::AdamStep).
    fn new(simd: Simd, spec: &AdamSpec, step: &[f32]) -> Self {
        let betas = [spec.beta1, spec.beta2];
        let [beta, rest] = [betas, betas.map(|beta| 1.0 - beta)].map(|pair| pair.map(|value| value as f32));
        let [rate, scale, keep, take] = std::array::from_fn(|i| step[i]);
        Self { simd, rate, scale, keep, take, beta, rest, epsilon: spec.epsilon as f32 }
    }

    fn update(&self, Update { g, p, m, v, average }: Update<'_, [f32]>) {
        let &Self { rate, scale, keep, take, beta: [beta1, beta2], rest: [rest1, rest2], epsilon, .. } = self;
        self.simd.run(
            #[inline(always)]
            || {
                for ((p, &g), (m, v)) in p.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
                    *m = beta1 * *m + rest1 * g;
                    *v = beta2 * *v + rest2 * (g * g);
                    *p -= rate * *m / ((*v * scale).sqrt() + epsilon);
                }
                for (average, &mut p) in average.into_iter().flatten().zip(p) {
                    *average = keep * *average + take * p;
                }
            },
        );
    }
}
