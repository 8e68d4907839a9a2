//! Right operands of the micro-kernel: a matrix in blocks of 16 or 32 columns, padded with zero columns.

use rayon::prelude::*;

use super::Cpu;
use super::pairs::Precision;
use super::simd::{COLUMNS, LANES, pair};
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::Result;

/// Floats per task.
const TASK: usize = 1 << 15;

/// A matrix `[rows, columns]` as a sequence of blocks `[rows, 16 or 32]`. In bf16 it has half as many rows, of pairs.
pub(crate) struct Packed {
    pub precision: Precision,
    pub data: Buffer,
    pub blocks: Vec<Block>,
}

/// A block of columns of a [`Packed`] matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Start of the block in the data.
    pub offset: usize,
    /// First column.
    pub first: usize,
    /// Number of columns without padding, at most `16 * vectors`.
    pub count: usize,
    /// Width in vectors, 1 or 2.
    pub vectors: usize,
}

/// The blocks of a matrix `[rows, columns]`.
pub(crate) fn blocks(rows: usize, columns: usize) -> Vec<Block> {
    let block = |first: usize| {
        let count = (columns - first).min(COLUMNS);
        Block { offset: rows * first, first, count, vectors: count.div_ceil(LANES) }
    };
    (0..columns).step_by(COLUMNS).map(block).collect()
}

/// Columns rounded up to whole vectors.
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(LANES)
}

impl Packed {
    /// Number of elements that hold `channels` channels.
    pub fn elements(&self, channels: usize) -> usize {
        match self.precision {
            Precision::F32 => channels,
            Precision::Bf16 => channels / 2,
        }
    }
}

/// Packs the matrix whose entry in column j and row i is `element(j, i)`.
pub(crate) fn pack(cpu: &Cpu, rows: usize, columns: usize, element: impl Fn(usize, usize) -> f32 + Sync) -> Result<Packed> {
    pack_rows(cpu, (rows, columns), Precision::F32, element)
}

/// As [`pack`] with the given precision. The rows come in groups of `channels`, the channels of one pixel; pairs are formed
/// within a group.
pub(crate) fn pack_as(
    cpu: &Cpu,
    (rows, columns): (usize, usize),
    (precision, channels): (Precision, usize),
    element: impl Fn(usize, usize) -> f32 + Sync,
) -> Result<Packed> {
    if precision == Precision::F32 {
        return pack(cpu, rows, columns, element);
    }
    let half = channels / 2;
    pack_rows(cpu, (rows / 2, columns), precision, |column, row| {
        let first = row / half * channels + row % half;
        pair(element(column, first), element(column, first + half))
    })
}

fn pack_rows(
    cpu: &Cpu,
    (rows, columns): (usize, usize),
    precision: Precision,
    element: impl Fn(usize, usize) -> f32 + Sync,
) -> Result<Packed> {
    let mut data = cpu.alloc(rows * padded(columns))?;
    let blocks = blocks(rows, columns);
    for block in &blocks {
        let width = block.vectors * LANES;
        let target = &mut data[block.offset..][..rows * width];
        let height = TASK / width;
        target.par_chunks_mut(height * width).enumerate().for_each(|(task, target)| {
            for (i, row) in (task * height..).zip(target.chunks_exact_mut(width)) {
                let (values, rest) = row.split_at_mut(block.count);
                values.iter_mut().enumerate().for_each(|(j, value)| *value = element(block.first + j, i));
                rest.fill(0.0);
            }
        });
    }
    Ok(Packed { precision, data, blocks })
}

/// Weights `[c_out, taps, c_in]` as a right operand: one row per (tap, input channel), one column per output channel. `depth` is
/// the number of rows.
pub(crate) fn pack_forward(cpu: &Cpu, depth: usize, c_out: usize, w: &[f32], precision: (Precision, usize)) -> Result<Packed> {
    pack_as(cpu, (depth, c_out), precision, |column, row| w[column * depth + row])
}

/// Weights `[c_out, c_in]` as a right operand: one row per output channel, one column per input channel.
pub(crate) fn pack_backward(cpu: &Cpu, c_out: usize, c_in: usize, w: &[f32]) -> Result<Packed> {
    pack_as(cpu, (c_out, c_in), (cpu.precision(c_out), c_out), |column, row| w[row * c_in + column])
}
