//! Sums over pixels, one per channel: gradients of biases.

use rayon::prelude::*;

use super::strips::Range;

/// Fewest pixels of a chunk, and most chunks.
const PIXELS: usize = 256;
const CHUNKS: usize = 64;

/// Adds each channel of `range` over the pixels of `values` to `sums`, in f64.
pub(super) fn accumulate(values: &[f32], range: Range, sums: &mut [f64]) {
    for pixel in values.chunks_exact(range.stride) {
        let channels = &pixel[range.start..range.start + range.count];
        sums.iter_mut().zip(channels).for_each(|(sum, &value)| *sum += f64::from(value));
    }
}

/// `db += Σ_pixels dz`: chunks fixed by the shape, added in order.
pub(super) fn add_column_sums(dz: &[f32], range: Range, db: &mut [f32]) {
    let pixels = (dz.len() / range.stride).div_ceil(CHUNKS).max(PIXELS);
    let sums = |chunk: &[f32]| {
        let mut sums = vec![0.0; range.count];
        accumulate(chunk, range, &mut sums);
        sums
    };
    let partials: Vec<Vec<f64>> = dz.par_chunks(pixels * range.stride).map(sums).collect();
    add_in_order(&partials, db);
}

/// `db += Σ partials`, first to last.
pub(super) fn add_in_order(partials: &[Vec<f64>], db: &mut [f32]) {
    for (channel, db) in db.iter_mut().enumerate() {
        let sum: f64 = partials.iter().map(|partial| partial[channel]).sum();
        *db = (f64::from(*db) + sum) as f32;
    }
}
