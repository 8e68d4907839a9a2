//! Loops over buffers of one length, in chunks of fixed size.

use rayon::prelude::*;

use super::simd::Simd;

/// Floats of one task.
pub(super) const CHUNK: usize = 1 << 14;

/// `f(&mut y)` for every element.
pub(super) fn update(simd: Simd, y: &mut [f32], f: impl Fn(&mut f32) + Sync) {
    y.par_chunks_mut(CHUNK).for_each(|y| {
        simd.run(
            #[inline(always)]
            || y.iter_mut().for_each(&f),
        );
    });
}

/// `f(&mut y, a)` for every element.
pub(super) fn update_with(simd: Simd, y: &mut [f32], a: &[f32], f: impl Fn(&mut f32, f32) + Sync) {
    y.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK)).for_each(|(y, a)| {
        simd.run(
            #[inline(always)]
            || y.iter_mut().zip(a).for_each(|(y, &a)| f(y, a)),
        );
    });
}

/// `f(&mut y, a, b)` for every element.
pub(super) fn update_with_two(simd: Simd, y: &mut [f32], a: &[f32], b: &[f32], f: impl Fn(&mut f32, f32, f32) + Sync) {
    y.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK)).zip(b.par_chunks(CHUNK)).for_each(|((y, a), b)| {
        simd.run(
            #[inline(always)]
            || y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| f(y, a, b)),
        );
    });
}
