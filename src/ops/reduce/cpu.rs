//! Sums in f64, chunk by chunk in fixed order.

use rayon::prelude::*;

use super::Reduce;
use crate::backend::cpu::elementwise::{CHUNK, update};
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
            update(cpu.simd, dx, [], |dx, []| *dx += step);
        }
    }
}
