//! Transformed weights `G g Gᵀ`, packed as operands of the products: `[block][product][row][16 or 32]`, where a block is a range
//! of columns.

use rayon::prelude::*;

use super::transform::{Filter, FilterAdjoint, POINTS, PRODUCTS, both_axes};
use crate::backend::Storage;
use crate::backend::cpu::Cpu;
use crate::backend::cpu::pack::{Block, Packed, blocks, padded};
use crate::backend::cpu::simd::{LANES, Vector, VectorWork};
use crate::backend::cpu::storage::{Buffer, Sum};
use crate::error::Result;

/// Transformed weights for `rows` input channels.
pub(crate) struct Filters {
    pub data: Buffer,
    pub blocks: Vec<Block>,
    pub rows: usize,
}

impl Filters {
    /// Transforms weights with one row per (tap, channel).
    pub fn new(cpu: &Cpu, rows: usize, columns: usize, weights: &Packed) -> Result<Self> {
        let mut data = cpu.alloc(PRODUCTS * rows * padded(columns))?;
        // Only the last block may be narrower than the first.
        let widest = weights.blocks.first().map_or(LANES, |block| block.vectors * LANES);
        let targets = data.par_chunks_mut(PRODUCTS * rows * widest);
        targets.zip(&weights.blocks).for_each(|(target, block)| {
            let plane = rows * block.vectors * LANES;
            cpu.simd.vectorised(Transform { source: &weights.data[block.offset..][..9 * plane], target, plane });
        });
        Ok(Self { data, blocks: blocks(PRODUCTS * rows, columns), rows })
    }
}

/// Transforms every vector of `[9][plane]` to `[36][plane]`.
struct Transform<'a> {
    source: &'a [f32],
    target: &'a mut [f32],
    plane: usize,
}

impl VectorWork for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { source, target, plane } = self;
        for at in (0..plane).step_by(LANES) {
            both_axes::<Filter, V, 3, POINTS>(
                #[inline(always)]
                |i, j| V::load(source, at + (3 * i + j) * plane),
                #[inline(always)]
                |i, j, value| value.store(target, at + (POINTS * i + j) * plane),
            );
        }
    }
}

/// Gradients of the transformed weights, `[product][input channel][output channels, padded]`.
pub(crate) struct FilterGrads {
    pub data: Buffer,
    pub rows: usize,
    pub columns: usize,
}

impl FilterGrads {
    pub fn new(cpu: &Cpu, rows: usize, columns: usize) -> Result<Self> {
        Ok(Self { data: cpu.alloc(PRODUCTS * rows * padded(columns))?, rows, columns })
    }

    /// Floats per product.
    pub fn plane(&self) -> usize {
        self.rows * padded(self.columns)
    }

    /// `dw += Gᵀ u G`, dw `[columns, 9, rows]`.
    pub fn add_to(&self, cpu: &Cpu, dw: Sum<'_>) {
        dw.data.par_chunks_mut(LANES * 9 * self.rows).enumerate().for_each(|(group, part)| {
            if dw.blank {
                part.fill(0.0);
            }
            cpu.simd.vectorised(Adjoint { grads: self, column: group * LANES, dw: part });
        });
    }
}

/// Adds 16 columns of the transformed gradients to `dw`, `[at most 16, 9, rows]`.
struct Adjoint<'a> {
    grads: &'a FilterGrads,
    column: usize,
    dw: &'a mut [f32],
}

impl VectorWork for Adjoint<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { grads, column, dw } = self;
        let (plane, width) = (grads.plane(), padded(grads.columns));
        let mut sums = [0.0; 9 * LANES];
        for row in 0..grads.rows {
            both_axes::<FilterAdjoint, V, POINTS, 3>(
                #[inline(always)]
                |i, j| V::load(&grads.data, (POINTS * i + j) * plane + row * width + column),
                #[inline(always)]
                |i, j, value| value.store(&mut sums, (3 * i + j) * LANES),
            );
            for (output, dw) in dw.chunks_exact_mut(9 * grads.rows).enumerate() {
                for tap in 0..9 {
                    dw[tap * grads.rows + row] += sums[tap * LANES + output];
                }
            }
        }
    }
}
