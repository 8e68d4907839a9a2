//! A row of pixels times a packed matrix, strip by strip through the micro-kernel, and what is done with the sums.

use super::Cpu;
use super::activation::activate;
use super::pack::{Block, Packed};
use super::pairs::{self, Terms};
use super::simd::{COLUMNS, LANES, Left, ROWS, Right, Segment, Simd, Size, Start, Sums, Target};
use crate::error::Result;
use crate::shape::Activation;

/// What becomes of finished sums.
#[derive(Clone, Copy, Debug)]
pub(super) enum Finish<'a> {
    /// `y = A(sums + bias)`.
    Assign { bias: Option<&'a [f32]>, activation: Activation },
    /// `y += sums`.
    Add,
}

/// Channels `start .. start + count` of pixels that have `stride` of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub start: usize,
    pub count: usize,
    pub stride: usize,
}

impl Range {
    /// All `channels`.
    pub fn all(channels: usize) -> Self {
        Self { start: 0, count: channels, stride: channels }
    }
}

/// A row of `count` pixels as left operand: pixel p's terms of segment (a, b) are `data[a + p * row ..][..depth]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PixelRow<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub depth: usize,
    pub segments: &'a [Segment],
    pub count: usize,
}

/// Cuts `total` into the fewest pieces of at most [`ROWS`], as even as possible: (start, length).
pub(super) fn cut(total: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = total.div_ceil(ROWS);
    (0..pieces).map(move |i| {
        let start = i * total / pieces;
        (start, (i + 1) * total / pieces - start)
    })
}

/// Multiplies a row of pixels with one block of columns; `target` starts at the row's first pixel.
pub(super) fn multiply(
    simd: Simd,
    pixels: PixelRow<'_>,
    weights: &Packed,
    block: &Block,
    finish: Finish<'_>,
    (target, range): (&mut [f32], Range),
) -> Result<()> {
    let mut sums: Sums = [0.0; ROWS * COLUMNS];
    for (start, rows) in cut(pixels.count) {
        let size = Size { rows, vectors: block.vectors, depth: pixels.depth };
        let left = Left { data: &pixels.data[start * pixels.row..], row: pixels.row, step: 1 };
        let right = Right { data: &weights.data, step: size.columns() };
        let mut into = Target { data: &mut sums, row: size.columns(), start: Start::Zero };
        weights.terms.tile(simd, size, left, right, pixels.segments, &mut into)?;
        let target = &mut target[start * range.stride..];
        write(simd, finish, &mut sums[..rows * size.columns()], block, target, range);
    }
    Ok(())
}

/// One of the parts that the left operand of a product is joined of: some channels of every pixel, and the weights they meet. All
/// parts have weights of the same columns.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub data: &'a [f32],
    pub channels: Range,
    pub weights: &'a Packed,
}

/// A dense matrix product over all pixels of `parts`, which need not be joined in memory; all blocks of columns.
pub(super) fn multiply_dense<const N: usize>(
    cpu: &Cpu,
    parts: [Part<'_>; N],
    finish: Finish<'_>,
    (target, range): (&mut [f32], Range),
) -> Result<()> {
    let count = parts[0].data.len() / parts[0].channels.stride;
    let mut converted = [const { None }; N];
    for (converted, Part { data, channels, weights }) in converted.iter_mut().zip(parts) {
        if weights.terms == Terms::Pairs {
            *converted = Some(pairs::of_channels(cpu, data, channels)?);
        }
    }
    let mut sums: Sums = [0.0; ROWS * COLUMNS];
    for (index, block) in parts[0].weights.blocks.iter().enumerate() {
        for (first, rows) in cut(count) {
            let columns = block.vectors * LANES;
            let mut into = Target { data: &mut sums, row: columns, start: Start::Zero };
            for (Part { data, channels, weights }, converted) in parts.iter().zip(&converted) {
                let depth = weights.elements(channels.count);
                let (data, range) = converted.as_deref().map_or((*data, *channels), |pairs| (pairs, Range::all(depth)));
                let left = Left { data: &data[first * range.stride + range.start..], row: range.stride, step: 1 };
                let right = Right { data: &weights.data[weights.blocks[index].offset..], step: columns };
                let size = Size { rows, vectors: block.vectors, depth };
                weights.terms.tile(cpu.simd, size, left, right, &[(0, 0)], &mut into)?;
                into.start = Start::Target;
            }
            write(cpu.simd, finish, &mut sums[..rows * columns], block, &mut target[first * range.stride..], range);
        }
    }
    Ok(())
}

/// Writes the sums of a strip to its pixels.
fn write(simd: Simd, finish: Finish<'_>, sums: &mut [f32], block: &Block, target: &mut [f32], range: Range) {
    let (width, first) = (block.vectors * LANES, range.start + block.first);
    if let Finish::Assign { bias: Some(bias), .. } = finish {
        let bias = &bias[block.first..][..block.count];
        simd.run(
            #[inline(always)]
            || sums.chunks_exact_mut(width).for_each(|row| row.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias)),
        );
    }
    if let Finish::Assign { activation, .. } = finish {
        activate(simd, activation, sums);
    }
    simd.run(
        #[inline(always)]
        || {
            for (row, pixel) in sums.chunks_exact(width).zip(target.chunks_mut(range.stride)) {
                let (row, pixel) = (&row[..block.count], &mut pixel[first..first + block.count]);
                match finish {
                    Finish::Assign { .. } => pixel.copy_from_slice(row),
                    Finish::Add => pixel.iter_mut().zip(row).for_each(|(pixel, sum)| *pixel += sum),
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_even_and_complete() {
        for total in 1..200 {
            let pieces: Vec<_> = cut(total).collect();
            assert_eq!(pieces.len(), total.div_ceil(ROWS));
            let mut next = 0;
            for &(start, length) in &pieces {
                assert_eq!(start, next);
                assert!((1..=ROWS).contains(&length) && length + 1 >= pieces[0].1 && length <= pieces[0].1 + 1);
                next += length;
            }
            assert_eq!(next, total);
        }
    }
}
