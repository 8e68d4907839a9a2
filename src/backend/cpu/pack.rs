//! Right operands of the micro-kernel: a matrix in blocks of 16 or 32 columns, zeros beyond its last column.

use rayon::prelude::*;

use super::Cpu;
use super::pairs::Terms;
use super::simd::{COLUMNS, LANES, pair};
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::Result;

/// Floats of one task.
const TASK: usize = 1 << 15;

/// A matrix `[rows, columns]` as blocks `[rows, 16 or 32]`, one after the other. With pairs of bf16 it has half the rows.
pub(crate) struct Packed {
    pub terms: Terms,
    pub data: Buffer,
    pub blocks: Vec<Block>,
}

/// Some columns of a [`Packed`] matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Where it starts in the data.
    pub offset: usize,
    /// First column.
    pub first: usize,
    /// Columns that hold values, at most `16 * vectors`.
    pub count: usize,
    /// Width in vectors, 1 or 2.
    pub vectors: usize,
}

/// Cuts `columns` into blocks; `rows` sets their offsets.
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
    /// Elements that hold `channels` channels.
    pub fn elements(&self, channels: usize) -> usize {
        match self.terms {
            Terms::Floats => channels,
            Terms::Pairs => channels / 2,
        }
    }
}

/// Packs the matrix whose column `j` is `element(j, 0..rows)`.
pub(crate) fn pack(cpu: &Cpu, rows: usize, columns: usize, element: impl Fn(usize, usize) -> f32 + Sync) -> Result<Packed> {
    pack_rows(cpu, (rows, columns), Terms::Floats, element)
}

/// [`pack`] in pairs where `terms` says so: each `channels` rows are the channels that meet one pixel.
pub(crate) fn pack_terms(
    cpu: &Cpu,
    (rows, columns): (usize, usize),
    (terms, channels): (Terms, usize),
    element: impl Fn(usize, usize) -> f32 + Sync,
) -> Result<Packed> {
    if terms == Terms::Floats {
        return pack(cpu, rows, columns, element);
    }
    let half = channels / 2;
    pack_rows(cpu, (rows / 2, columns), terms, |column, row| {
        let first = row / half * channels + row % half;
        pair(element(column, first), element(column, first + half))
    })
}

fn pack_rows(
    cpu: &Cpu,
    (rows, columns): (usize, usize),
    terms: Terms,
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
    Ok(Packed { terms, data, blocks })
}

/// Weights `[c_out, taps, c_in]` as a right operand with rows (tap, input channel) and columns of output channels; `depth` is the
/// number of rows.
pub(crate) fn pack_forward(cpu: &Cpu, depth: usize, c_out: usize, w: &[f32], terms: (Terms, usize)) -> Result<Packed> {
    pack_terms(cpu, (depth, c_out), terms, |column, row| w[column * depth + row])
}

/// Weights `[c_out, c_in]` as a right operand with rows of output channels.
pub(crate) fn pack_backward(cpu: &Cpu, c_out: usize, c_in: usize, w: &[f32]) -> Result<Packed> {
    pack_terms(cpu, (c_out, c_in), (cpu.terms(c_out), c_out), |column, row| w[row * c_in + column])
}
