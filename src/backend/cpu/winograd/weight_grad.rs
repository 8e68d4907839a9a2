//! Weight gradients: `Gᵀ (Σ_tiles (Bᵀ d B) ⊙ (A dy Aᵀ)) G`. For each slab of tiles, all cores first transform the tiles. Then
//! each product is one task, which adds the slab to its sums. So there are no partial sums to combine, and the order is fixed.

use rayon::prelude::*;

use super::filters::FilterGrads;
use super::gather::{Gather, Layout};
use super::tiling::Tiling;
use super::transform::{Input, OutputAdjoint};
use crate::backend::Storage;
use crate::backend::cpu::Cpu;
use crate::backend::cpu::correlation::Correlation;
use crate::backend::cpu::pack::blocks;
use crate::backend::cpu::simd::{Left, Right, Segment, Size, Start, Target};
use crate::backend::cpu::storage::Sum;
use crate::error::Result;

/// Tiles per chunk. One task transforms a chunk.
const CHUNK: usize = 16;
/// Floats per slab, so that it stays in the third-level cache.
const SLAB: usize = 1 << 20;

/// Layout of the transformed inputs and output gradients of a slab: for each chunk `[product][tile][channel]`.
struct Slab {
    inputs: Layout,
    grads: Layout,
    /// Maximum number of chunks.
    chunks: usize,
}

impl Slab {
    fn new(tiling: &Tiling) -> Self {
        let (inputs, grads) = (Layout::new(CHUNK, tiling.shape.read.count), Layout::new(CHUNK, tiling.shape.write.count));
        let fits = SLAB / (inputs.len() + grads.len());
        Self { inputs, grads, chunks: fits.max(4).min(tiling.count().div_ceil(CHUNK)) }
    }
}

/// `dw += Σ x dz`, dw `[c_out, 3, 3, c_in]`.
pub(crate) fn weight_grad(cpu: &Cpu, shape: &Correlation, x: &[f32], dz: &[f32], dw: Sum<'_>) -> Result<()> {
    let tiling = Tiling::new(shape);
    let slab = Slab::new(&tiling);
    let mut sums = FilterGrads::new(cpu, shape.read.count, shape.write.count)?;
    let mut inputs = cpu.alloc(slab.chunks * slab.inputs.len())?;
    let mut grads = cpu.alloc(slab.chunks * slab.grads.len())?;
    for first in (0..tiling.count()).step_by(slab.chunks * CHUNK) {
        let chunks = (tiling.count() - first).div_ceil(CHUNK).min(slab.chunks);
        let targets = inputs.par_chunks_mut(slab.inputs.len()).zip(grads.par_chunks_mut(slab.grads.len()));
        targets.take(chunks).enumerate().for_each(|(chunk, (inputs, grads))| {
            let start = first + chunk * CHUNK;
            let tiles = start..tiling.count().min(start + CHUNK);
            cpu.simd.vectorised(Gather::<Input, _>::new(&tiling, x, tiles.clone(), slab.inputs, inputs));
            cpu.simd.vectorised(Gather::<OutputAdjoint, _>::new(&tiling, dz, tiles, slab.grads, grads));
        });
        let last = (tiling.count() - first).min(chunks * CHUNK) - (chunks - 1) * CHUNK;
        let start = if first == 0 { Start::Zero } else { Start::Target };
        continue_sums(cpu, &slab, [&inputs, &grads], (chunks, last), start, &mut sums)?;
    }
    sums.add_to(cpu, dw);
    Ok(())
}

/// Adds the products of a slab to the sums. The slab has `chunks` chunks; the last one has `last` tiles.
fn continue_sums(
    cpu: &Cpu,
    slab: &Slab,
    [inputs, grads]: [&[f32]; 2],
    (chunks, last): (usize, usize),
    start: Start,
    sums: &mut FilterGrads,
) -> Result<()> {
    let (rows, columns, width) = (sums.rows, sums.columns, slab.grads.width);
    let plane = sums.plane();
    let segments: Vec<Segment> = (0..chunks).map(|chunk| (chunk * slab.inputs.len(), chunk * slab.grads.len())).collect();
    let (whole, rest) = segments.split_at(if last == CHUNK { chunks } else { chunks - 1 });
    sums.data.par_chunks_mut(plane).enumerate().try_for_each(|(product, sums)| {
        let (inputs, grads) = (&inputs[product * slab.inputs.plane()..], &grads[product * slab.grads.plane()..]);
        for block in blocks(0, columns) {
            let left = Left { data: inputs, row: 1, step: slab.inputs.width };
            let right = Right { data: &grads[block.first..], step: width };
            let mut target = Target { data: &mut sums[block.first..], row: width, start };
            let size = |depth: usize| Size { rows, vectors: block.vectors, depth };
            if !whole.is_empty() || rest.is_empty() {
                cpu.simd.tile(size(CHUNK), left, right, whole, &mut target)?;
                target.start = Start::Target;
            }
            if !rest.is_empty() {
                cpu.simd.tile(size(last), left, right, rest, &mut target)?;
            }
        }
        Ok(())
    })
}
