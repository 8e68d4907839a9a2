//! Weight gradients: sums over pixels of input times output gradient. They use the same micro-kernel, with input channels as
//! rows.
//!
//! This file handles the cases without [`super::winograd`]. The batch is divided into chunks, whose number depends only on the
//! shapes. Each chunk has its own sums, which are added in order at the end.

use std::ops::Range;

use rayon::prelude::*;

use super::Cpu;
use super::correlation::Correlation;
use super::pack::{Block, blocks, padded};
use super::pairs::Precision;
use super::range::ChannelRange;
use super::simd::{LANES, Left, Right, Segment, Simd, Size, Start, Target};
use super::storage::{Buffer, Sum};
use super::winograd;
use crate::backend::Storage;
use crate::error::Result;

/// Floats of input and output gradient in a band. They stay in the second-level cache while all taps are processed.
const BAND: usize = 1 << 16;
/// Pixels per band of a dense product.
const DENSE_BAND: usize = 512;

/// Partial weight gradients: one matrix `[rows, columns]` per chunk, columns padded to whole vectors.
pub(crate) struct Partials {
    pub data: Buffer,
    pub rows: usize,
    pub columns: usize,
}

impl Partials {
    /// Zeros for `chunks` chunks.
    pub fn new(cpu: &Cpu, chunks: usize, rows: usize, columns: usize) -> Result<Self> {
        Ok(Self { data: cpu.zeros(chunks * rows * padded(columns))?, rows, columns })
    }

    /// Floats per chunk.
    pub fn chunk(&self) -> usize {
        self.rows * padded(self.columns)
    }

    /// `dw += (Σ_chunks partial)ᵀ`: dw is `[columns, rows]`.
    pub fn add_to(&self, dw: Sum<'_>) {
        let Sum { data: dw, blank } = dw;
        dw.par_chunks_mut(LANES * self.rows).enumerate().for_each(|(group, dw)| {
            if blank {
                dw.fill(0.0);
            }
            for row in 0..self.rows {
                let offset = row * padded(self.columns) + group * LANES;
                let mut sums = [0.0f32; LANES];
                for chunk in self.data.chunks_exact(self.chunk()) {
                    sums.iter_mut().zip(&chunk[offset..offset + LANES]).for_each(|(sum, value)| *sum += value);
                }
                dw.iter_mut().skip(row).step_by(self.rows).zip(sums).for_each(|(dw, sum)| *dw += sum);
            }
        });
    }
}

/// Number of chunks for `items` units of work, each chunk with `partial` floats of sums: enough for many cores, few enough for
/// memory.
pub(crate) fn chunk_count(items: usize, partial: usize) -> usize {
    let max = if partial <= 1 << 16 { 16 } else { 8 };
    items.clamp(1, max)
}

/// Adds the products of `segments` to `partial`, which is `[rows, width]`: the `rows` input channels of one tap.
pub(crate) fn add_products(
    (simd, precision): (Simd, Precision),
    left: (&[f32], usize),
    right: Right<'_>,
    (segments, depth): (&[Segment], usize),
    block: &Block,
    partial: &mut [f32],
    (rows, width): (usize, usize),
) -> Result<()> {
    let size = Size { rows, vectors: block.vectors, depth };
    let left = Left { data: left.0, row: 1, step: left.1 };
    let mut target = Target { data: &mut partial[block.first..], row: width, start: Start::Target };
    precision.tile(simd, size, left, right, segments, &mut target)
}

/// `dw += Σ x dz` over all pixels of a convolution, dw `[c_out, kernel, kernel, c_in]`.
pub(crate) fn weight_grad(cpu: &Cpu, shape: &Correlation, x: &[f32], dz: &[f32], dw: Sum<'_>) -> Result<()> {
    if winograd::pays(shape) {
        return winograd::weight_grad(cpu, shape, x, dz, dw);
    }
    let lines = shape.n * shape.target.0;
    let size = shape.depth() * padded(shape.write.count);
    let per_chunk = lines.div_ceil(chunk_count(lines, size)).max(1);
    let mut partials = Partials::new(cpu, lines.div_ceil(per_chunk), shape.depth(), shape.write.count)?;
    let pixel = shape.read.count * shape.stride * shape.stride + shape.write.count;
    let band = (BAND / (shape.target.1 * pixel)).max(1);
    partials.data.par_chunks_mut(size).enumerate().try_for_each(|(chunk, partial)| {
        let end = lines.min((chunk + 1) * per_chunk);
        (chunk * per_chunk..end).step_by(band).try_for_each(|first| {
            let rows = first..end.min(first + band);
            weight_grad_band(cpu, shape, x, dz, rows, partial)
        })
    })?;
    partials.add_to(dw);
    Ok(())
}

/// Adds the contribution of the output rows `rows`, which are numbered over the whole batch.
fn weight_grad_band(
    cpu: &Cpu,
    shape: &Correlation,
    x: &[f32],
    dz: &[f32],
    rows: Range<usize>,
    partial: &mut [f32],
) -> Result<()> {
    let (width, columns) = (shape.target.1, padded(shape.write.count));
    let pixels = rows.start * width..rows.end * width;
    let aligned = Aligned::new(cpu, dz, shape.write, pixels)?;
    let step = shape.stride * shape.read.stride;
    for block in blocks(0, shape.write.count) {
        for (ky, kx) in (0..shape.kernel).flat_map(|ky| (0..shape.kernel).map(move |kx| (ky, kx))) {
            let across = shape.columns(kx);
            let segments = band_segments(shape, (ky, kx), rows.clone(), &aligned, block.first);
            let tap = (ky * shape.kernel + kx) * shape.read.count * columns;
            let terms = (&segments[..], across.len());
            let partial = &mut partial[tap..];
            add_products(
                (cpu.simd, Precision::F32),
                (x, step),
                aligned.right(),
                terms,
                &block,
                partial,
                (shape.read.count, columns),
            )?;
        }
    }
    Ok(())
}

/// Start of each output row of a band in x and dz, for one tap.
fn band_segments(
    shape: &Correlation,
    (ky, kx): (usize, usize),
    rows: Range<usize>,
    aligned: &Aligned<'_>,
    column: usize,
) -> Vec<Segment> {
    let across = shape.columns(kx);
    let (height, width) = shape.source;
    let first = rows.start;
    rows.filter_map(|line| {
        let (image, oy) = (line / shape.target.0, line % shape.target.0);
        let iy = shape.row(oy, ky)?;
        let ix = (across.start * shape.stride).checked_add_signed(shape.shift(kx))?;
        let left = ((image * height + iy) * width + ix) * shape.read.stride + shape.read.start;
        Some((left, aligned.offset((line - first) * shape.target.1 + across.start) + column))
    })
    .collect()
}

/// Output gradients of a range of pixels, with channels padded to whole vectors. They are copied only if they need padding.
pub(crate) struct Aligned<'a> {
    dz: &'a [f32],
    copy: Option<Buffer>,
    origin: usize,
    step: usize,
}

impl<'a> Aligned<'a> {
    pub fn new(cpu: &Cpu, dz: &'a [f32], range: ChannelRange, pixels: Range<usize>) -> Result<Self> {
        let (origin, step) = (pixels.start * range.stride + range.start, padded(range.count));
        if step == range.count {
            return Ok(Self { dz, copy: None, origin, step: range.stride });
        }
        let mut copy = cpu.alloc(pixels.len() * step)?;
        for (target, source) in copy.chunks_exact_mut(step).zip(dz[pixels.start * range.stride..].chunks(range.stride)) {
            let (values, rest) = target.split_at_mut(range.count);
            values.copy_from_slice(&source[range.start..range.start + range.count]);
            rest.fill(0.0);
        }
        Ok(Self { dz, copy: Some(copy), origin: 0, step })
    }

    pub fn right(&self) -> Right<'_> {
        Right { data: self.copy.as_deref().unwrap_or(self.dz), step: self.step }
    }

    /// Offset of pixel number `pixel` of the range.
    pub fn offset(&self, pixel: usize) -> usize {
        self.origin + pixel * self.step
    }
}

/// `dw += Σ x dz` over all pixels of a dense product, dw `[c_out, c_in]`.
pub(crate) fn dense_weight_grad(
    cpu: &Cpu,
    (x, read): (&[f32], ChannelRange),
    (dz, write): (&[f32], ChannelRange),
    dw: Sum<'_>,
) -> Result<()> {
    let pixels = x.len() / read.stride;
    let size = read.count * padded(write.count);
    let per_chunk = pixels.div_ceil(chunk_count(pixels.div_ceil(LANES), size)).max(1);
    let mut partials = Partials::new(cpu, pixels.div_ceil(per_chunk), read.count, write.count)?;
    partials.data.par_chunks_mut(size).enumerate().try_for_each(|(chunk, partial)| {
        let end = pixels.min((chunk + 1) * per_chunk);
        (chunk * per_chunk..end).step_by(DENSE_BAND).try_for_each(|first| {
            let count = DENSE_BAND.min(end - first);
            let aligned = Aligned::new(cpu, dz, write, first..first + count)?;
            blocks(0, write.count).iter().try_for_each(|block| {
                let segments = [(first * read.stride + read.start, aligned.offset(0) + block.first)];
                let extents = (read.count, padded(write.count));
                add_products(
                    (cpu.simd, Precision::F32),
                    (x, read.stride),
                    aligned.right(),
                    (&segments, count),
                    block,
                    partial,
                    extents,
                )
            })
        })
    })?;
    partials.add_to(dw);
    Ok(())
}
