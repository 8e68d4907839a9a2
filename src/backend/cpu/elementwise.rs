//! Loops over buffers of one length, in chunks of fixed size.

use rayon::prelude::*;

use super::simd::Simd;

/// Floats of one task.
pub(super) const CHUNK: usize = 1 << 14;

/// `f(&mut y, inputs)` for every element; all inputs are as long as y.
pub(super) fn update<const N: usize>(simd: Simd, y: &mut [f32], inputs: [&[f32]; N], f: impl Fn(&mut f32, [f32; N]) + Sync) {
    y.par_chunks_mut(CHUNK).enumerate().for_each(|(index, y)| {
        // Slices of one known length let the compiler drop the bounds checks and vectorise.
        let len = y.len();
        let inputs = inputs.map(|input| &input[index * CHUNK..][..len]);
        simd.run(
            #[inline(always)]
            || {
                for (i, y) in y.iter_mut().enumerate() {
                    f(y, inputs.map(|input| input[i]));
                }
            },
        );
    });
}
