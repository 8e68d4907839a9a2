//! bf16 on the CPU: operands of products rounded to bf16, two terms in one element, sums in f32. 3x3 convolutions that
//! [`super::winograd`] does stay in f32: they are faster so, and its transforms would enlarge the rounding (`benches/winograd.py` prints by how much). So do weight
//! gradients, but for those of the CCM.
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

    /// Whether sums of these terms take the instructions for pairs; where there are none, pairs are multiplied one after the other.
    pub(super) fn is_matrix(&self, terms: Terms) -> bool {
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
pub(super) fn of_channels(cpu: &Cpu, data: &[f32], channels: Range) -> Result<Buffer> {
    let (half, stride) = (channels.count / 2, channels.stride);
    let mut pairs = cpu.alloc(data.len() / stride * half)?;
    pairs.par_chunks_mut(PIXELS * half).zip(data.par_chunks(PIXELS * stride)).for_each(|(target, data)| {
        let low = &data[channels.start..];
        cpu.simd.vectorised(Paired { low, high: &low[half..], stride, row: half, target });
    });
    Ok(pairs)
}

/// Pairs of pixels: row i of the result is (pixel i, pixel i + h) for `h = ⌈pixels / 2⌉`; `[h, channels]`.
pub(super) fn of_pixels(cpu: &Cpu, data: &[f32], channels: usize) -> Result<Buffer> {
    let mut pairs = cpu.alloc((data.len() / channels).div_ceil(2) * channels)?;
    let (low, high) = data.split_at(pairs.len());
    cpu.simd.vectorised(Paired { low, high, stride: channels, row: channels, target: &mut pairs });
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::super::simd::unpair;
    use super::*;
    use crate::backend::{Conv2d, Product};
    use crate::shape::{Activation, Conv2dOptions, Conv2dSpec, Shape};

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
    /// What is done in pairs rounds its operands, and so gives other bits than f32.
    #[test]
    fn what_is_said_to_be_done_in_pairs_is_done_in_pairs() {
        let (single, paired) = (Cpu::new(), Cpu::new().with_bf16());
        let values = |count: usize| single.upload(&(0..count).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>()).unwrap();
        for (kernel, stride, c_in, c_out) in
            [(1, 1, 32, 16), (1, 1, 16, 32), (3, 1, 32, 32), (5, 1, 32, 3), (5, 1, 3, 64), (3, 2, 64, 32), (3, 2, 8, 8)]
        {
            let options = Conv2dOptions { stride, ..Conv2dOptions::same(kernel, 1, Activation::Identity) };
            let shape = |extents: &[usize]| Shape::new(extents).unwrap();
            let (x, w) = (shape(&[1, 16, 16, c_in]), shape(&[c_out, kernel, kernel, c_in]));
            let spec = Conv2dSpec::new(&x, &w, None, options).unwrap();
            let y_len = (spec.h_out * spec.w_out * spec.c_out) as usize;
            let (x, w, dz) = (values(256 * c_in), values(c_out * kernel * kernel * c_in), values(y_len));
            let forward = |cpu: &Cpu| {
                let mut y = cpu.zeros(y_len).unwrap();
                cpu.conv2d(&spec, &x, &w, None, &mut y).unwrap();
                y.to_vec()
            };
            let backward = |cpu: &Cpu| {
                let mut dx = cpu.zeros(256 * c_in).unwrap();
                cpu.conv2d_input_grad(&spec, &dz, &w, &mut dx).unwrap();
                dx.to_vec()
            };
            let is_rounded = [forward(&single) != forward(&paired), backward(&single) != backward(&paired)];
            let told = [Product::Forward, Product::InputGradient].map(|product| paired.conv2d_on_matrix(&spec, product));
            let expected = is_rounded.map(|is_rounded| is_rounded && single.simd.has_bf16());
            assert_eq!(told, expected, "{spec:?}");
            assert!(
                !paired.conv2d_on_matrix(&spec, Product::WeightGradient) && !single.conv2d_on_matrix(&spec, Product::Forward)
            );
        }
    }
}
