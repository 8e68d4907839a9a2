//! Sums in f64, chunk by chunk in fixed order.

use rayon::prelude::*;

use super::Reduce;
use crate::backend::cpu::elementwise::{CHUNK, Elementwise, each_in_parallel};
use crate::backend::cpu::simd::Vector;
use crate::backend::cpu::{Buffer, Cpu};

pub(in crate::ops) fn run(cpu: &Cpu, call: Reduce<'_, Buffer>) {
    match call {
        Reduce::Sum { x, y } => {
            let partial = |chunk: &[f32]| chunk.iter().map(|&x| f64::from(x)).sum::<f64>();
            let partials: Vec<f64> = x.par_chunks(CHUNK).map(partial).collect();
            y[0] = partials.iter().sum::<f64>() as f32;
        }
        Reduce::SumGrad { alpha, dy, dx } => {
            let step = (alpha * f64::from(dy[0])) as f32;
            each_in_parallel(cpu.simd, AddConstant(step), dx, []);
        }
    }
}

/// `dx + step`.
#[derive(Clone, Copy)]
struct AddConstant(f32);

impl Elementwise<0> for AddConstant {
    #[inline(always)]
    fn apply<V: Vector>(self, dx: V, []: [V; 0]) -> V {
        dx.add(V::splat(self.0))
    }
}
