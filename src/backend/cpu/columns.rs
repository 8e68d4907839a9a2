//! Sums over pixels for each channel: gradients of biases.

use rayon::prelude::*;

use super::range::ChannelRange;
use super::simd::{LANES, Simd, Vector, VectorWork};

/// Minimum number of pixels per chunk.
const MIN_PIXELS: usize = 256;
/// Maximum number of chunks.
const MAX_CHUNKS: usize = 64;

/// Number of pixels that are summed in f32 before their sum is added in f64.
const SHORT: usize = 32;

/// Adds the sum over the pixels of `values` to `sums`, for each channel of `range`, in f64. Whole vectors of channels are first
/// summed in f32 over [`SHORT`] pixels.
pub(crate) fn accumulate(simd: Simd, values: &[f32], range: ChannelRange, sums: &mut [f64]) {
    simd.vectorised(Accumulate { values, range, sums });
}

struct Accumulate<'a> {
    values: &'a [f32],
    range: ChannelRange,
    sums: &'a mut [f64],
}

impl VectorWork for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { values, range, sums } = self;
        let whole = range.count / LANES * LANES;
        for pixels in values.chunks(SHORT * range.stride) {
            for channel in (0..whole).step_by(LANES) {
                let (mut sum, mut short) = (V::splat(0.0), [0.0; LANES]);
                for pixel in 0..pixels.len() / range.stride {
                    sum = sum.add(V::load(pixels, pixel * range.stride + range.start + channel));
                }
                sum.store(&mut short, 0);
                sums[channel..channel + LANES].iter_mut().zip(short).for_each(|(sum, short)| *sum += f64::from(short));
            }
            for pixel in pixels.chunks_exact(range.stride) {
                let rest = &pixel[range.start + whole..range.start + range.count];
                sums[whole..].iter_mut().zip(rest).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
    }
}

/// `db += Σ_pixels dz`. The chunks depend only on the shape and are added in order.
pub(crate) fn add_column_sums(simd: Simd, dz: &[f32], range: ChannelRange, db: &mut [f32]) {
    let pixels = (dz.len() / range.stride).div_ceil(MAX_CHUNKS).max(MIN_PIXELS);
    let sums = |chunk: &[f32]| {
        let mut sums = vec![0.0; range.count];
        accumulate(simd, chunk, range, &mut sums);
        sums
    };
    let partials: Vec<Vec<f64>> = dz.par_chunks(pixels * range.stride).map(sums).collect();
    add_in_order(&partials, db);
}

/// `db += Σ partials`, from first to last.
pub(crate) fn add_in_order(partials: &[Vec<f64>], db: &mut [f32]) {
    for (channel, db) in db.iter_mut().enumerate() {
        let sum: f64 = partials.iter().map(|partial| partial[channel]).sum();
        *db = (f64::from(*db) + sum) as f32;
    }
}
