//! Elementwise functions and arithmetic.

use rayon::prelude::*;

use super::Pointwise;
use crate::backend::cpu::activation::{activate, slope_derivative, through_slope};
use crate::backend::cpu::columns::add_column_sums;
use crate::backend::cpu::elementwise::{CHUNK, update};
use crate::backend::cpu::range::Range;
use crate::backend::cpu::{Buffer, Cpu};

pub(in crate::ops) fn run(cpu: &Cpu, call: Pointwise<'_, Buffer>) {
    let simd = cpu.simd;
    match call {
        Pointwise::Activation { activation, x, y } => mapped(x, y, |chunk| activate(simd, activation, chunk)),
        Pointwise::ActivationGrad { activation, y, dz } => through_slope(simd, activation, y, dz),
        Pointwise::ActivationSlope { activation, order, y, s } => {
            mapped(y, s, |chunk| slope_derivative(simd, activation, order, chunk));
        }
        Pointwise::Add { a, b, y } => update(simd, y, [a, b], |y, [a, b]| *y = a + b),
        Pointwise::Sub { a, b, y } => update(simd, y, [a, b], |y, [a, b]| *y = a - b),
        Pointwise::Mul { a, b, y } => update(simd, y, [a, b], |y, [a, b]| *y = a * b),
        Pointwise::MulAdd { a, b, y } => update(simd, y, [a, b], |y, [a, b]| *y += a * b),
        Pointwise::Affine { alpha, beta, x, y } => {
            let (alpha, beta) = (alpha as f32, beta as f32);
            update(simd, y, [x], |y, [x]| *y = alpha * x + beta);
        }
        Pointwise::Axpy { alpha, x, y } => {
            let alpha = alpha as f32;
            update(simd, y, [x], |y, [x]| *y += alpha * x);
        }
        Pointwise::AddBias { x, b, y } => add_bias(x, b, y),
        Pointwise::BiasGrad { dy, db } => add_column_sums(simd, dy, Range::all(db.len()), db),
    }
}

fn add_bias(x: &[f32], b: &[f32], y: &mut [f32]) {
    let rows = CHUNK.div_ceil(b.len()) * b.len();
    y.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(b.len()).zip(x.chunks_exact(b.len())) {
            y.iter_mut().zip(x).zip(b).for_each(|((y, x), b)| *y = x + b);
        }
    });
}

/// `y = f(x)` with `f` working in place on a chunk.
fn mapped(x: &[f32], y: &mut [f32], f: impl Fn(&mut [f32]) + Sync) {
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        f(y);
    });
}
