//! Winograd's minimal filtering for 3x3 correlations of stride 1, F(4x4, 3x3): 36 products for 16 outputs instead of 144.
//!
//! Each task transforms the inputs of some tiles, computes 36 small matrix products and transforms the sums back, all in its
//! cache. The rounding error of the transforms is stated in `paper/performance.md` and tested against f64. The transforms mix the
//! pixels of a tile: the rounding error of one large pixel reaches all 16 outputs, and one pixel that is not finite makes all of
//! them not finite.

use rayon::prelude::*;

use super::Cpu;
use super::correlation::Correlation;
use super::finish::Finish;
use super::pack::{Block, Packed};
use super::simd::{LANES, Left, ROWS, Right, Size, Start, Target};
use crate::backend::Storage;
use crate::error::Result;

mod filters;
mod gather;
mod scatter;
mod tiling;
mod transform;
mod weight_grad;

use filters::Filters;
use gather::{Gather, Layout};
use scatter::{Outputs, Part};
use tiling::Tiling;
use transform::{Input, PRODUCTS};

pub(crate) use weight_grad::weight_grad;

/// Tiles per task: whole strips of the micro-kernel, and few enough that the sums stay in the second-level cache.
const TILES: usize = 4 * ROWS;
/// Number of tasks in the whole batch that is enough to keep all cores busy.
const TASKS: usize = 8;
/// With at most this many tiles and large weights, each product is one task, so that the weights are read only once.
const FEW_TILES: usize = 128;
/// Floats of large weights, which no second-level cache holds.
const LARGE_WEIGHTS: usize = 1 << 18;

/// Whether this correlation uses Winograd's algorithm.
pub(crate) fn pays(shape: &Correlation) -> bool {
    Tiling::new(shape).pays()
}

/// FLOPs that this correlation executes, with Winograd's algorithm or directly.
pub(super) fn executed(shape: &Correlation) -> u64 {
    let tiling = Tiling::new(shape);
    2 * if tiling.pays() { tiling.multiply_adds() } else { shape.multiply_adds() } as u64
}

/// How the batch is divided into tasks, as evenly as possible: several whole images if they are small, bands of one image if they
/// are large.
struct Split {
    /// Images per task.
    images: usize,
    /// Bands of the image per task, if a task has only one image.
    bands: usize,
    /// Number of tasks.
    tasks: usize,
}

impl Split {
    fn new(tiling: &Tiling) -> Self {
        let (wanted, batch) = (tiling.count().div_ceil(TASKS).clamp(ROWS, TILES), tiling.shape.n);
        let even = |total: usize, max: usize| total.div_ceil(total.div_ceil(max));
        match wanted / (tiling.bands * tiling.band()) {
            0 | 1 => {
                let bands = even(tiling.bands, (wanted / tiling.band()).clamp(1, tiling.bands));
                Self { images: 1, bands, tasks: batch * tiling.bands.div_ceil(bands) }
            }
            images => {
                let images = even(batch, images.min(batch));
                Self { images, bands: tiling.bands, tasks: batch.div_ceil(images) }
            }
        }
    }

    /// Whether each product should be a task instead: if there is only one task, or if there are few tiles and large weights.
    fn is_coarse(&self, tiling: &Tiling, weights: usize) -> bool {
        self.tasks == 1 || tiling.count() <= FEW_TILES && weights >= LARGE_WEIGHTS
    }
}

/// `y = A(w * x + b)` or `y += w * x`, depending on `finish`. The packed weights have one row per (tap, input channel).
pub(crate) fn correlate(
    cpu: &Cpu,
    shape: &Correlation,
    x: &[f32],
    weights: &Packed,
    finish: Finish<'_>,
    y: &mut [f32],
) -> Result<()> {
    let tiling = Tiling::new(shape);
    let filters = Filters::new(cpu, shape.read.count, shape.write.count, weights)?;
    let (split, row) = (Split::new(&tiling), shape.target.1 * shape.write.stride);
    if split.is_coarse(&tiling, filters.data.len()) {
        return by_product(cpu, &tiling, x, &filters, finish, y);
    }
    let (image, band) = (shape.target.0 * row, tiling.rows() * row);
    let tasks = y.par_chunks_mut(split.images * image).enumerate().flat_map(|(group, y)| {
        let bands = if split.images == 1 { split.bands * band } else { y.len() };
        let first = group * split.images * tiling.bands;
        y.par_chunks_mut(bands).enumerate().map(move |(part, y)| (first + part * split.bands, y))
    });
    tasks.try_for_each(|(first, y)| {
        // A task is whole images, or bands of one image. The last band may have fewer rows.
        let bands = if split.images == 1 { y.len().div_ceil(band) } else { y.len() / image * tiling.bands };
        let tiles = first * tiling.band()..(first + bands) * tiling.band();
        task(cpu, &tiling, x, &filters, tiles, finish, y)
    })
}

/// Computes `y`, the outputs of `tiles`.
fn task(
    cpu: &Cpu,
    tiling: &Tiling,
    x: &[f32],
    filters: &Filters,
    tiles: std::ops::Range<usize>,
    finish: Finish<'_>,
    y: &mut [f32],
) -> Result<()> {
    let inputs = Layout::new(tiles.len(), filters.rows);
    let mut gathered = cpu.alloc(inputs.len())?;
    cpu.simd.vectorised(Gather::<Input, _>::new(tiling, x, tiles.clone(), inputs, &mut gathered));
    let widest = filters.blocks.first().map_or(LANES, |block| block.vectors * LANES);
    let mut sums = cpu.alloc(Layout::new(tiles.len(), widest).len())?;
    for block in &filters.blocks {
        let layout = Layout::new(tiles.len(), block.vectors * LANES);
        for product in 0..PRODUCTS {
            let (gathered, sums) = (&gathered[product * inputs.plane()..], &mut sums[product * layout.plane()..]);
            multiply(cpu, (gathered, inputs), filters, (block, product), (sums, layout.width))?;
        }
        let (part, tiles) = (Part { sums: &sums, layout, column: 0, first: tiles.start }, tiles.clone());
        finish.compiled(cpu.simd, Outputs { tiling, part, tiles, block, finish, y: &mut *y });
    }
    Ok(())
}

/// All tiles in three parallel steps: transform the inputs (one task per strip of tiles), multiply (one task per product),
/// transform the outputs (one task per band).
fn by_product(cpu: &Cpu, tiling: &Tiling, x: &[f32], filters: &Filters, finish: Finish<'_>, y: &mut [f32]) -> Result<()> {
    let (count, columns) = (tiling.count(), filters.blocks.iter().map(|block| block.vectors * LANES).sum());
    let (strip, layout) = (Layout::new(ROWS, filters.rows), Layout::new(count, columns));
    let mut gathered = cpu.alloc(count.div_ceil(ROWS) * strip.len())?;
    gathered.par_chunks_mut(strip.len()).enumerate().for_each(|(index, target)| {
        let tiles = index * ROWS..count.min((index + 1) * ROWS);
        cpu.simd.vectorised(Gather::<Input, _>::new(tiling, x, tiles, strip, target));
    });
    let mut sums = cpu.alloc(layout.len())?;
    sums.par_chunks_mut(layout.plane()).enumerate().try_for_each(|(product, sums)| {
        filters.blocks.iter().try_for_each(|block| {
            gathered.chunks_exact(strip.len()).enumerate().try_for_each(|(index, gathered)| {
                let inputs = Layout { tiles: ROWS.min(count - index * ROWS), ..strip };
                let sums = &mut sums[index * ROWS * layout.width + block.first..];
                multiply(cpu, (&gathered[product * strip.plane()..], inputs), filters, (block, product), (sums, layout.width))
            })
        })
    })?;
    let row = tiling.shape.target.1 * tiling.shape.write.stride;
    let bands = y.par_chunks_mut(tiling.shape.target.0 * row).enumerate().flat_map(|(image, y)| {
        y.par_chunks_mut(tiling.rows() * row).enumerate().map(move |(band, y)| (image * tiling.bands + band, y))
    });
    bands.for_each(|(band, y)| {
        for block in &filters.blocks {
            let part = Part { sums: &sums, layout, column: block.first, first: 0 };
            let tiles = band * tiling.band()..(band + 1) * tiling.band();
            finish.compiled(cpu.simd, Outputs { tiling, part, tiles, block, finish, y: &mut *y });
        }
    });
    Ok(())
}

/// One product of some tiles, `[tiles, rows] x [rows, columns of the block]`, written to rows of `width` floats.
fn multiply(
    cpu: &Cpu,
    (gathered, inputs): (&[f32], Layout),
    filters: &Filters,
    (block, product): (&Block, usize),
    (sums, width): (&mut [f32], usize),
) -> Result<()> {
    let (columns, depth) = (block.vectors * LANES, filters.rows);
    let right = Right { data: &filters.data[block.offset + product * depth * columns..], step: columns };
    let left = Left { data: gathered, row: inputs.width, step: 1 };
    let mut target = Target { data: sums, row: width, start: Start::Zero };
    cpu.simd.tile(Size { rows: inputs.tiles, vectors: block.vectors, depth }, left, right, &[(0, 0)], &mut target)
}
