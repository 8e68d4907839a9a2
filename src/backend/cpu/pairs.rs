//! bf16 on the CPU: operands of products rounded to bf16, two terms in one element, sums in f32. 3x3 convolutions that
//! [`super::winograd`] does stay in f32: they are faster so, and its transforms would enlarge the rounding five times.
//!
//! Of `2 h` channels, element i of the pairs is (channel i, channel i + h): whole vectors are read and written.

use rayon::prelude::*;

use super::Cpu;
use super::simd::{LANES, Left, Right, Segment, Simd, Size, Target, Vector, VectorWork};
use super::storage::Buffer;
use super::strips::Range;
use crate::backend::Storage;
use crate::error::Result;

/// Pixels of one task.
const PIXELS: usize = 1024;

/// What the elements of a product's operands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    /// One value each.
    Floats,
    /// Pairs of bf16.
    Pairs,
}

impl Terms {
    /// The micro-kernel for operands of these terms.
    pub fn tile(
        self,
        simd: Simd,
        size: Size,
        left: Left<'_>,
        right: Right<'_>,
        segments: &[Segment],
        target: &mut Target<'_>,
    ) -> Result<()> {
        match self {
            Self::Floats => simd.tile(size, left, right, segments, target),
            Self::Pairs => simd.tile_pairs(size, left, right, segments, target),
        }
    }
}

impl Cpu {
    /// The terms of sums over `channels` channels: pairs where the user wants bf16 and pairs fill whole vectors.
    pub(super) fn terms(&self, channels: usize) -> Terms {
        if self.bf16 && channels.is_multiple_of(2 * LANES) { Terms::Pairs } else { Terms::Floats }
    }
}

/// `target[i] = (row[i], row[i + len])` for rows of `2 len` floats; where a row ends early its second values are 0.
struct Halves<'a> {
    low: &'a [f32],
    high: &'a [f32],
    target: &'a mut [f32],
}

impl VectorWork for Halves<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { low, high, target } = self;
        for at in (0..target.len()).step_by(LANES) {
            let second = if at < high.len() { V::load(high, at) } else { V::splat(0.0) };
            V::load(low, at).pair(second).store(target, at);
        }
    }
}

/// Pairs of the two halves of `values`; `target` is as long as the first half, which is the longer one. All are whole vectors.
pub(super) fn halves(simd: Simd, values: &[f32], target: &mut [f32]) {
    let (low, high) = values.split_at(target.len());
    simd.vectorised(Halves { low, high, target });
}

/// Pairs of the channels of every pixel: `[pixels, channels / 2]`.
pub(super) fn of_channels(cpu: &Cpu, data: &[f32], channels: Range) -> Result<Buffer> {
    let half = channels.count / 2;
    let mut pairs = cpu.alloc(data.len() / channels.stride * half)?;
    let tasks = pairs.par_chunks_mut(PIXELS * half).zip(data.par_chunks(PIXELS * channels.stride));
    tasks.for_each(|(pairs, data)| {
        for (target, pixel) in pairs.chunks_exact_mut(half).zip(data.chunks_exact(channels.stride)) {
            halves(cpu.simd, &pixel[channels.start..channels.start + channels.count], target);
        }
    });
    Ok(pairs)
}

/// Pairs of pixels: row i of the result is (pixel i, pixel i + h) for `h = ⌈pixels / 2⌉`; `[h, channels]`.
pub(super) fn of_pixels(cpu: &Cpu, data: &[f32], channels: usize) -> Result<Buffer> {
    let mut pairs = cpu.alloc((data.len() / channels).div_ceil(2) * channels)?;
    halves(cpu.simd, data, &mut pairs);
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::super::simd::unpair;
    use super::*;

    #[test]
    fn channels_and_pixels_meet_their_partners() {
        let cpu = Cpu::new();
        let data: Vec<f32> = (0..3 * 80).map(|i| (i % 251) as f32).collect();
        let range = Range { start: 16, count: 64, stride: 80 };
        let found = of_channels(&cpu, &data, range).unwrap();
        for (i, &pair) in found.iter().enumerate() {
            let first = i / 32 * 80 + 16 + i % 32;
            assert_eq!(unpair(pair), [data[first], data[first + 32]], "channel pair {i}");
        }
        let found = of_pixels(&cpu, &data, 80).unwrap();
        assert_eq!(found.len(), 160);
        for (i, &pair) in found.iter().enumerate() {
            assert_eq!(unpair(pair), [data[i], data.get(i + 160).copied().unwrap_or(0.0)], "pixel pair {i}");
        }
    }
}
