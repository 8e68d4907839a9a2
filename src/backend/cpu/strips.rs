//! A row of pixels times a packed matrix, strip by strip with the micro-kernel.

use super::Cpu;
use super::finish::{Epilogue, Finish, Finishing, put};
use super::pack::{Block, Packed};
use super::pairs::{self, Precision};
use super::range::ChannelRange;
use super::simd::{COLUMNS, LANES, Left, ROWS, Right, Segment, Simd, Size, Start, Target, Vector, even_parts};
use crate::error::Result;

/// Pixels per strip: a few tiles, whose sums stay in the first-level cache.
const STRIP: usize = 4 * ROWS;

/// A row of `count` pixels as left operand: in segment (a, b), pixel p has the elements `data[a + p * row ..][..depth]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PixelRow<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub depth: usize,
    pub segments: &'a [Segment],
    pub count: usize,
}

/// Multiplies a row of pixels by one block of columns. `target` starts at the first pixel of the row.
pub(crate) fn multiply(
    simd: Simd,
    pixels: PixelRow<'_>,
    weights: &Packed,
    block: &Block,
    finish: Finish<'_>,
    (target, range): (&mut [f32], ChannelRange),
) -> Result<()> {
    let mut sums = [0.0; STRIP * COLUMNS];
    for (start, rows) in even_parts(pixels.count, STRIP) {
        let size = Size { rows, vectors: block.vectors, depth: pixels.depth };
        let left = Left { data: &pixels.data[start * pixels.row..], row: pixels.row, step: 1 };
        let right = Right { data: &weights.data, step: size.columns() };
        let mut into = Target { data: &mut sums, row: size.columns(), start: Start::Zero };
        weights.precision.tile(simd, size, left, right, pixels.segments, &mut into)?;
        let (sums, target) = (&sums[..rows * size.columns()], &mut target[start * range.stride..]);
        finish.compiled(simd, Written { sums, width: size.columns(), block, finish, target, range });
    }
    Ok(())
}

/// One part of the left operand of a product, which is a concatenation along the channels: the channels of every pixel, and the
/// weights they are multiplied by. The weights of all parts have the same number of columns.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub data: &'a [f32],
    pub channels: ChannelRange,
    pub weights: &'a Packed,
}

/// A dense matrix product over all pixels of the concatenated `parts`, for all columns. The concatenation is never stored.
pub(crate) fn multiply_dense<const N: usize>(
    cpu: &Cpu,
    parts: [Part<'_>; N],
    finish: Finish<'_>,
    (target, range): (&mut [f32], ChannelRange),
) -> Result<()> {
    let count = parts[0].data.len() / parts[0].channels.stride;
    let mut converted = [const { None }; N];
    for (converted, Part { data, channels, weights }) in converted.iter_mut().zip(parts) {
        if weights.precision == Precision::Bf16 {
            *converted = Some(pairs::of_channels(cpu, data, channels)?);
        }
    }
    let mut sums = [0.0; STRIP * COLUMNS];
    for (index, block) in parts[0].weights.blocks.iter().enumerate() {
        for (first, rows) in even_parts(count, STRIP) {
            let columns = block.vectors * LANES;
            let mut into = Target { data: &mut sums, row: columns, start: Start::Zero };
            for (Part { data, channels, weights }, converted) in parts.iter().zip(&converted) {
                let depth = weights.elements(channels.count);
                let (data, range) = converted.as_deref().map_or((*data, *channels), |pairs| (pairs, ChannelRange::all(depth)));
                let left = Left { data: &data[first * range.stride + range.start..], row: range.stride, step: 1 };
                let right = Right { data: &weights.data[weights.blocks[index].offset..], step: columns };
                let size = Size { rows, vectors: block.vectors, depth };
                weights.precision.tile(cpu.simd, size, left, right, &[(0, 0)], &mut into)?;
                into.start = Start::Target;
            }
            let (sums, target) = (&sums[..rows * columns], &mut target[first * range.stride..]);
            finish.compiled(cpu.simd, Written { sums, width: columns, block, finish, target, range });
        }
    }
    Ok(())
}

/// The sums of a strip, `width` floats per pixel, and the pixels they are written to.
struct Written<'a> {
    sums: &'a [f32],
    width: usize,
    block: &'a Block,
    finish: Finish<'a>,
    target: &'a mut [f32],
    range: ChannelRange,
}

impl Finishing for Written<'_> {
    #[inline(always)]
    fn run<E: Epilogue, V: Vector>(self) {
        let Self { sums, width, block, finish, target, range } = self;
        for channel in (0..block.count).step_by(LANES) {
            let count = LANES.min(block.count - channel);
            let bias: V = finish.bias(block.first + channel, count);
            for pixel in 0..sums.len() / width {
                let at = pixel * range.stride + range.start + block.first + channel;
                put::<E, V>(V::load(sums, pixel * width + channel).add(bias), count, target, at);
            }
        }
    }
}
