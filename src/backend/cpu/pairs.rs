//! bf16 on the CPU: operands of products are rounded to bf16, and one 32-bit element holds a pair of them. Sums are f32.
//!
//! Convolutions that use [`super::winograd`] stay in f32: this is faster, and Winograd's transforms would amplify the rounding
//! error (`benches/winograd.py` prints by how much). Weight gradients stay in f32 too, except those of the CCM.
//!
//! `2 h` channels become h pairs: pair i is (channel i, channel i + h), so whole vectors are read and written.

use rayon::prelude::*;

use super::Cpu;
use super::range::ChannelRange;
use super::simd::{LANES, Left, Right, Segment, Simd, Size, Target, Vector, VectorWork};
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::Result;

/// Pixels per task.
const PIXELS: usize = 1024;

/// Precision of the operands of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Each element is one f32.
    F32,
    /// Each element is a pair of bf16.
    Bf16,
}

impl Precision {
    /// The micro-kernel for operands of this precision.
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
            Self::F32 => simd.tile(size, left, right, segments, target),
            Self::Bf16 => simd.tile_pairs(size, left, right, segments, target),
        }
    }
}

impl Cpu {
    /// The precision of sums over `channels` channels: bf16 if it was requested and the pairs fill whole vectors.
    pub(crate) fn precision(&self, channels: usize) -> Precision {
        if self.bf16 && channels.is_multiple_of(2 * LANES) { Precision::Bf16 } else { Precision::F32 }
    }

    /// Whether products of this precision use the bf16 instructions. Without these, the two products of a pair are computed in
    /// f32.
    pub(crate) fn uses_matrix_unit(&self, precision: Precision) -> bool {
        precision == Precision::Bf16 && self.simd.has_bf16()
    }
}

/// Rows of pairs: `target[r][i] = (low[r][i], high[r][i])`. Rows of low and high start `stride` elements apart. Elements beyond
/// the end of `high` count as 0. A row of the target is a whole number of vectors.
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

/// Pairs of channels for every pixel: `[pixels, channels / 2]`.
pub(crate) fn of_channels(cpu: &Cpu, data: &[f32], channels: ChannelRange) -> Result<Buffer> {
    let (half, stride) = (channels.count / 2, channels.stride);
    let mut pairs = cpu.alloc(data.len() / stride * half)?;
    pairs.par_chunks_mut(PIXELS * half).zip(data.par_chunks(PIXELS * stride)).for_each(|(target, data)| {
        let low = &data[channels.start..];
        cpu.simd.vectorised(Paired { low, high: &low[half..], stride, row: half, target });
    });
    Ok(pairs)
}

/// Pairs of pixels, `[h, channels]` with `h = ⌈pixels / 2⌉`: row i is (pixel i, pixel i + h).
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
    fn channels_and_pixels_are_paired_with_those_half_the_range_away() {
        let cpu = Cpu::new();
        let data: Vec<f32> = (0..3 * 80).map(|i| (i % 251) as f32).collect();
        let range = ChannelRange { start: 16, count: 64, stride: 80 };
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
