//! Bilinear upsampling by two. The adjoint gathers, so that no two tasks write the same element.

use rayon::prelude::*;

use super::Upsample;
use crate::backend::cpu::simd::{LANES, Vector, VectorWork};
use crate::backend::cpu::storage::Sum;
use crate::backend::cpu::{Buffer, Cpu};
use crate::ops::pointwise::cpu::finish;

pub(in crate::ops) fn run(cpu: &Cpu, call: Upsample<'_, Buffer>) {
    match call {
        Upsample::Forward { spec, x, y } => {
            let (h, w, c) = (spec.h as usize, spec.w as usize, spec.c as usize);
            y.par_chunks_mut(2 * w * c).enumerate().for_each(|(line, y)| {
                let image = line / (2 * h) * h;
                let rows = forward_rows(line % (2 * h), h).map(|iy| &x[(image + iy) * w * c..][..w * c]);
                cpu.simd.vectorised(Upsampled { rows, extents: (w, c), y });
            });
        }
        Upsample::InputGrad { spec, dy, dx, slope } => {
            let (h, w, c) = (spec.h as usize, spec.w as usize, spec.c as usize);
            let Sum { data, blank } = dx.sum();
            data.par_chunks_mut(w * c).enumerate().for_each(|(line, dx)| {
                if blank {
                    dx.fill(0.0);
                }
                let image = line / h * 2 * h;
                let rows = adjoint_taps(line % h, h).map(|oy| &dy[(image + oy) * 2 * w * c..][..2 * w * c]);
                cpu.simd.vectorised(UpsampledGrad { rows, extents: (w, c), dx });
            });
            finish(cpu, slope, dx);
        }
    }
}

/// The two input rows of output row `o` among `len` input rows: the farther one with weight ¼ and the nearer one with weight ¾.
fn forward_rows(o: usize, len: usize) -> [usize; 2] {
    let near = o / 2;
    let far = if o.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(len - 1) };
    [far, near]
}

/// Outputs that input `i` contributes to along an axis of `len` inputs, with weights ¼, ¾, ¾, ¼.
#[inline(always)]
fn adjoint_taps(i: usize, len: usize) -> [usize; 4] {
    [(2 * i).saturating_sub(1), 2 * i, 2 * i + 1, (2 * i + 2).min(2 * len - 1)]
}

/// `¼ far + ¾ near`.
#[inline(always)]
fn blend<V: Vector>(far: V, near: V) -> V {
    far.mul_add(V::splat(0.25), near.mul(V::splat(0.75)))
}

/// `¼ a + ¾ b + ¾ c + ¼ d`.
#[inline(always)]
fn gather<V: Vector>([a, b, c, d]: [V; 4]) -> V {
    a.add(d).mul_add(V::splat(0.25), b.add(c).mul(V::splat(0.75)))
}

/// The blend of two input rows at `at`.
#[inline(always)]
fn column<V: Vector>([far, near]: [&[f32]; 2], at: usize, count: usize) -> V {
    blend(V::load_first(far, at, count), V::load_first(near, at, count))
}

/// The contribution of four output rows to their input row, at `at`.
#[inline(always)]
fn column_grad<V: Vector>(rows: [&[f32]; 4], at: usize, count: usize) -> V {
    let mut taps = [V::splat(0.0); 4];
    for (tap, row) in taps.iter_mut().zip(rows) {
        *tap = V::load_first(row, at, count);
    }
    gather(taps)
}

/// One output row: the blend of two input rows `[w, c]`, blended along the row.
struct Upsampled<'a> {
    rows: [&'a [f32]; 2],
    extents: (usize, usize),
    y: &'a mut [f32],
}

impl VectorWork for Upsampled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { rows, extents: (w, c), y } = self;
        for channel in (0..c).step_by(LANES) {
            let count = LANES.min(c - channel);
            let first: V = column(rows, channel, count);
            let (mut left, mut here) = (first, first);
            for ix in 0..w {
                let right = column(rows, (ix + 1).min(w - 1) * c + channel, count);
                blend(left, here).store_first(y, 2 * ix * c + channel, count);
                blend(right, here).store_first(y, (2 * ix + 1) * c + channel, count);
                (left, here) = (here, right);
            }
        }
    }
}

/// `dx +=` of one input row, from the four output rows `[2 w, c]` that it contributes to.
struct UpsampledGrad<'a> {
    rows: [&'a [f32]; 4],
    extents: (usize, usize),
    dx: &'a mut [f32],
}

impl VectorWork for UpsampledGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { rows, extents: (w, c), dx } = self;
        for channel in (0..c).step_by(LANES) {
            let count = LANES.min(c - channel);
            let [left, here, _, _] = adjoint_taps(0, w).map(|ox| ox * c + channel);
            let (mut left, mut here): (V, V) = (column_grad(rows, left, count), column_grad(rows, here, count));
            for ix in 0..w {
                let ([_, _, second, right], to) = (adjoint_taps(ix, w), ix * c + channel);
                let second = column_grad(rows, second * c + channel, count);
                let right = column_grad(rows, right * c + channel, count);
                let sum = V::load_first(dx, to, count).add(gather([left, here, second, right]));
                sum.store_first(dx, to, count);
                (left, here) = (second, right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjoint_taps_are_the_transpose() {
        for len in 1..6 {
            let mut dense = vec![0.0f32; 2 * len * len];
            for o in 0..2 * len {
                forward_rows(o, len).into_iter().zip([0.25, 0.75]).for_each(|(i, weight)| dense[o * len + i] += weight);
            }
            for i in 0..len {
                adjoint_taps(i, len)
                    .into_iter()
                    .zip([0.25, 0.75, 0.75, 0.25])
                    .for_each(|(o, weight)| dense[o * len + i] -= weight);
            }
            assert!(dense.iter().all(|&value| value == 0.0), "{len}: {dense:?}");
        }
    }
}
