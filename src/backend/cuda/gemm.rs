//! Shared by all implicit GEMMs: their grid, and the second stage of products whose depth is split over blocks. See
//! `kernels/gemm.cuh` and `kernels/gemm.cu`.

use super::device::Cuda;
use super::kernels::gemm as kernel;
use super::launch::blocks;
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::Result;

/// Rows and columns that one block computes.
const TILE: u32 = 64;
/// Steps of the depth per stage.
const TILE_K: usize = 16;
/// Enough blocks to keep any device busy. A product with fewer blocks splits its depth.
const BUSY_BLOCKS: usize = 512;
/// Maximum number of splits: partial sums cost memory.
const MAX_SPLITS: usize = 64;
/// Minimum number of stages per split, so that its arithmetic outweighs the cost of storing its partial sums.
const SPLIT_STAGES: usize = 8;

/// The grid of a product with `rows` x `columns` values. The caller may change z, which is 1.
pub(crate) fn tiles(rows: usize, columns: usize) -> [u32; 3] {
    [blocks(rows, TILE), blocks(columns, TILE), 1]
}

/// Number of parts into which a launch with `blocks` blocks splits its sums of length `depth`. It depends only on shapes, so
/// results do not depend on the device.
pub(crate) fn splits(blocks: usize, depth: usize) -> u32 {
    let wanted = BUSY_BLOCKS.div_ceil(blocks).min(MAX_SPLITS);
    wanted.min(depth.div_ceil(TILE_K * SPLIT_STAGES)).max(1) as u32
}

impl Cuda {
    /// `sum +=` a matrix product `[rows, columns, depth]`, in two stages. `stage` gets a grid and a buffer and launches the
    /// kernel that writes `[splits, rows, columns]` partial sums into it; then the partial sums are added to `sum`.
    pub(crate) fn split_product(
        &self,
        [rows, columns, depth]: [usize; 3],
        sum: &mut Buffer,
        stage: impl FnOnce([u32; 3], &mut Buffer) -> Result<()>,
    ) -> Result<()> {
        let [x, y, _] = tiles(rows, columns);
        let splits = splits(x as usize * y as usize, depth);
        let mut partial = self.alloc(splits as usize * rows * columns)?;
        stage([x, y, splits], &mut partial)?;
        self.add_splits(&partial, [splits, sum.len() as u32], 0, sum)
    }

    /// `sum += Σ_s partial[s, start..]`, `partial` being `[splits, pitch]`.
    pub(crate) fn add_splits(&self, partial: &Buffer, [splits, pitch]: [u32; 2], start: u32, sum: &mut Buffer) -> Result<()> {
        let len = sum.len();
        let launch = self.launch_over(&kernel::SUM_SPLITS, len).input(partial).sum(sum).number("splits", splits);
        launch.number("len", len as u32).value(pitch).value(start).run()
    }
}
