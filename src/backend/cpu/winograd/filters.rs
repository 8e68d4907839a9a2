//! Weights as the products meet them: `G g Gᵀ`, blocks of columns `[block][product][row][16 or 32]`.

use super::transform::{Filter, FilterAdjoint, POINTS, PRODUCTS, both_axes};
use crate::backend::Storage;
use crate::backend::cpu::Cpu;
use crate::backend::cpu::outer::Partials;
use crate::backend::cpu::pack::{Block, Packed, blocks, padded};
use crate::backend::cpu::simd::{LANES, Vector, VectorWork};
use crate::backend::cpu::storage::Buffer;
use crate::error::Result;

/// Transformed weights of `rows` channels of input.
pub(super) struct Filters {
    pub data: Buffer,
    pub blocks: Vec<Block>,
    pub rows: usize,
}

impl Filters {
    /// From weights with rows (tap, channel).
    pub fn new(cpu: &Cpu, rows: usize, columns: usize, weights: &Packed) -> Result<Self> {
        let mut data = cpu.alloc(PRODUCTS * rows * padded(columns))?;
        let mut rest = &mut *data;
        for block in &weights.blocks {
            let width = block.vectors * LANES;
            let (target, after) = rest.split_at_mut(PRODUCTS * rows * width);
            let source = &weights.data[block.offset..][..9 * rows * width];
            cpu.simd.vectorised(Transform { source, target, plane: rows * width });
            rest = after;
        }
        Ok(Self { data, blocks: blocks(PRODUCTS * rows, columns), rows })
    }
}

/// Every vector of `[9][plane]` to `[36][plane]`.
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

/// Gradients of transformed weights, `[product][channel of input][channels of output, padded]`.
pub(super) struct FilterGrads {
    pub data: Buffer,
    pub rows: usize,
    pub columns: usize,
}

impl FilterGrads {
    pub fn new(cpu: &Cpu, rows: usize, columns: usize) -> Result<Self> {
        Ok(Self { data: cpu.alloc(PRODUCTS * rows * padded(columns))?, rows, columns })
    }

    /// Floats of one product.
    pub fn plane(&self) -> usize {
        self.rows * padded(self.columns)
    }

    /// `dw += Gᵀ u G`; dw `[columns, 9, rows]`.
    pub fn add_to(&self, cpu: &Cpu, dw: &mut [f32]) -> Result<()> {
        let plane = self.plane();
        let mut sums = Partials::new(cpu, 1, 9 * self.rows, self.columns)?;
        cpu.simd.vectorised(Adjoint { source: &self.data, target: &mut sums.data, plane });
        sums.add_to(dw);
        Ok(())
    }
}

/// Every vector of `[36][plane]` to `[9][plane]`.
struct Adjoint<'a> {
    source: &'a [f32],
    target: &'a mut [f32],
    plane: usize,
}

impl VectorWork for Adjoint<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { source, target, plane } = self;
        for at in (0..plane).step_by(LANES) {
            both_axes::<FilterAdjoint, V, POINTS, 3>(
                #[inline(always)]
                |i, j| V::load(source, at + (POINTS * i + j) * plane),
                #[inline(always)]
                |i, j, value| value.store(target, at + (3 * i + j) * plane),
            );
        }
    }
}
