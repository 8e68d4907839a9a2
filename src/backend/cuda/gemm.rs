//! What all implicit GEMMs share: their grid, and the second stage of products whose depth is split over blocks. `kernels/gemm.cuh`,
//! `kernels/gemm.cu`.

use super::device::Cuda;
use super::kernels::gemm as kernel;
use super::launch::blocks;
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::Result;

/// Rows and columns that one block makes.
const TILE: u32 = 64;
/// Steps of the depth that one stage holds.
const TILE_K: usize = 16;
/// Blocks that keep any device busy; a product with fewer splits its depth.
const BUSY_BLOCKS: usize = 512;
/// Maximum number of splits: partial sums cost memory.
const MAX_SPLITS: usize = 64;
/// Fewest stages that a split should have, so that its sum is worth its partial result.
const SPLIT_STAGES: usize = 8;

/// The grid of a product with `rows` x `columns` values; z is left to the caller.
pub(crate) fn tiles(rows: usize, columns: usize) -> [u32; 3] {
    [blocks(rows, TILE), blocks(columns, TILE), 1]
}

/// Into how many parts the sums of length `depth` of a launch with `blocks` blocks are split. Depends on shapes alone, so results do
/// not depend on the device.
pub(crate) fn splits(blocks: usize, depth: usize) -> u32 {
    let wanted = BUSY_BLOCKS.div_ceil(blocks).min(MAX_SPLITS);
    wanted.min(depth.div_ceil(TILE_K * SPLIT_STAGES)).max(1) as u32
}

impl Cuda {
    /// `sum += a product of rows x columns values over depth`, in two stages: `stage` launches its kernel on the grid given, which
    /// writes `[splits, rows, columns]` partial sums into the buffer given.
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
        let len = sum.len();
        self.launch_over(&kernel::SUM_SPLITS, len)
            .input(&partial)
            .output(sum)
            .number("splits", splits)
            .number("len", len as u32)
            .run()
    }
}
