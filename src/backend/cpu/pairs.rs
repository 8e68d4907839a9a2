//! bf16 on the CPU: operands of products rounded to bf16, two terms in one element, sums in f32. 3x3 convolutions that
//! [`super::winograd`] does stay in f32: they are faster so, and its transforms would enlarge the rounding (`benches/winograd.py` prints by how much). So do weight
//! gradients, but for those of the CCM.
//!
//! Of `2 h` channels, element i of the pairs is (channel i, channel i + h): whole vectors are read and written.

use rayon::prelude::*;

use super::Cpu;
use super::range::Range;
use super::simd::{LANES, Left, Right, Segment, Simd, Size, Target, Vector, VectorWork};
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::Result;

/// Pixels of one task.
const PIXELS: usize = 1024;

/// What the elements of a product's operands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
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
    pub(crate) fn terms(&self, channels: usize) -> Terms {
        if self.bf16 && channels.is_multiple_of(2 * LANES) { Terms::Pairs } else { Terms::Floats }
    }

    /// Whether sums of these terms take the instructions for pairs; where there are none, pairs are multiplied one after the other.
    pub(crate) fn is_matrix(&self, terms: Terms) -> bool {
        terms == Terms::Pairs && self.simd.has_bf16()
    }
}

/// Rows of pairs: `target[r][i] = (low[r][i], high[r][i])`, where rows of low and high begin `stride` apart. What lies beyond the end of
/// `high` is 0. Rows are whole vectors.
struct Paired<'a> {
    low: &'a [f32],
    high: &'a [f32],
    stride: usize,
    row: usize,
    target: &'a mut [f32],
}

impl VectorWork for Paired<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { low, high, stride, row, target } = self;
        for r in 0..target.len() / row {
            for at in (0..row).step_by(LANES) {
                let from = r * stride + at;
                let second = if from < high.len() { V::load(high, from) } else { V::splat(0.0) };
                V::load(low, from).pair(second).store(target, r * row + at);
            }
        }
    }
}

/// Pairs of the channels of every pixel: `[pixels, channels / 2]`.
pub(crate) fn of_channels(cpu: &Cpu, data: &[f32], channels: Range) -> Result<Buffer> {
    let (half, stride) = (channels.count / 2, channels.stride);
    let mut pairs = cpu.alloc(data.len() / stride * half)?;
    pairs.par_chunks_mut(PIXELS * half).zip(data.par_chunks(PIXELS * stride)).for_each(|(target, data)| {
        let low = &data[channels.start..];
        cpu.simd.vectorised(Paired { low, high: &low[half..], stride, row: half, target });
    });
    Ok(pairs)
}

/// Pairs of pixels: row i of the result is (pixel i, pixel i + h) for `h = ⌈pixels / 2⌉`; `[h, channels]`.
pub(crate) fn of_pixels(cpu: &Cpu, data: &[f32], channels: usize) -> Result<Buffer> {
    let mut pairs = cpu.alloc((data.len() / channels).div_ceil(2) * channels)?;
    let (low, high) = data.split_at(pairs.len());
    cpu.simd.vectorised(Paired { low, high, stride: channels, row: channels, target: &mut pairs });
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
