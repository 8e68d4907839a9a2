//! Bilinear upsampling by two; the adjoint gathers, so that no two tasks write one element.

use rayon::prelude::*;

use super::storage::Buffer;
use super::{Cpu, check_lengths};
use crate::backend::Upsample;
use crate::error::Result;
use crate::shape::UpsampleSpec;

/// Inputs of output `o` along an axis of `len` inputs, with weights.
fn forward_taps(o: usize, len: usize) -> [(usize, f32); 2] {
    let i = o / 2;
    let other = if o.is_multiple_of(2) { i.saturating_sub(1) } else { (i + 1).min(len - 1) };
    [(other, 0.25), (i, 0.75)]
}

/// Outputs that input `i` reaches along an axis of `len` inputs, with weights.
fn adjoint_taps(i: usize, len: usize) -> [(usize, f32); 4] {
    [((2 * i).saturating_sub(1), 0.25), (2 * i, 0.75), (2 * i + 1, 0.75), ((2 * i + 2).min(2 * len - 1), 0.25)]
}

/// `target += weight * source`.
fn add_scaled(target: &mut [f32], weight: f32, source: &[f32]) {
    target.iter_mut().zip(source).for_each(|(target, source)| *target += weight * source);
}

fn check(op: &'static str, spec: &UpsampleSpec, x: usize, y: usize) -> Result<()> {
    let output = spec.output()?.len();
    check_lengths(op, &[(x, output / 4), (y, output)])
}

impl Upsample for Cpu {
    fn upsample2(&self, spec: &UpsampleSpec, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check("upsample2", spec, x.len(), y.len())?;
        let (h, w, c) = (spec.h as usize, spec.w as usize, spec.c as usize);
        y.par_chunks_mut(2 * w * c).enumerate().for_each(|(line, y)| {
            let image = line / (2 * h) * h;
            let [(above, _), (row, _)] = forward_taps(line % (2 * h), h).map(|(iy, weight)| ((image + iy) * w * c, weight));
            let (other, near) = (&x[above..above + w * c], &x[row..row + w * c]);
            self.simd.run(
                #[inline(always)]
                || upsample_row(other, near, (w, c), y),
            );
        });
        Ok(())
    }

    fn upsample2_grad(&self, spec: &UpsampleSpec, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        check("upsample2_grad", spec, dx.len(), dy.len())?;
        let (h, w, c) = (spec.h as usize, spec.w as usize, spec.c as usize);
        dx.par_chunks_mut(w * c).enumerate().for_each(|(line, dx)| {
            let image = line / h * 2 * h;
            let rows = adjoint_taps(line % h, h).map(|(oy, weight)| ((image + oy) * 2 * w * c, weight));
            self.simd.run(
                #[inline(always)]
                || {
                    for (ix, dx) in dx.chunks_exact_mut(c).enumerate() {
                        for ((row, down), (ox, across)) in rows.iter().flat_map(|r| adjoint_taps(ix, w).map(|a| (*r, a))) {
                            add_scaled(dx, down * across, &dy[row + ox * c..][..c]);
                        }
                    }
                },
            );
        });
        Ok(())
    }
}

/// One output row from the nearer input row (weight ¾) and the other one (¼).
#[inline(always)]
fn upsample_row(other: &[f32], near: &[f32], (w, c): (usize, usize), y: &mut [f32]) {
    for (ox, y) in y.chunks_exact_mut(c).enumerate() {
        let [(side, _), (centre, _)] = forward_taps(ox, w);
        let [far_side, far] = [side, centre].map(|ix| &other[ix * c..][..c]);
        let [near_side, nearest] = [side, centre].map(|ix| &near[ix * c..][..c]);
        for (i, y) in y.iter_mut().enumerate() {
            *y = 0.0625 * far_side[i] + 0.1875 * (far[i] + near_side[i]) + 0.5625 * nearest[i];
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
            (0..2 * len).for_each(|o| forward_taps(o, len).iter().for_each(|&(i, weight)| dense[o * len + i] += weight));
            (0..len).for_each(|i| adjoint_taps(i, len).iter().for_each(|&(o, weight)| dense[o * len + i] -= weight));
            assert!(dense.iter().all(|&value| value == 0.0), "{len}: {dense:?}");
        }
    }
}
