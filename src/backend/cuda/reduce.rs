//! Reductions in two stages with a fixed order of additions, `kernels/reduce.cu`.

use super::device::{Cuda, Mode};
use super::kernels::reduce as kernel;
use super::launch::blocks;
use super::storage::Buffer;
use crate::backend::{Storage, check_len};
use crate::error::{Error, Result};

/// Maximum number of blocks in a first stage: enough to fill the largest GPU, few enough for one block to add their partial sums.
const MAX_BLOCKS: usize = 1024;
/// Minimum number of elements per thread in a first stage, except where one block has fewer.
const ELEMENTS_PER_THREAD: usize = 16;
/// Elements of a buffer (f32) per double.
pub(crate) const DOUBLE: usize = 2;

/// Number of blocks of `threads` threads in the first stage of a sum over `len` elements.
pub(crate) fn partial_blocks(len: usize, threads: u32) -> u32 {
    len.div_ceil(threads as usize * ELEMENTS_PER_THREAD).clamp(1, MAX_BLOCKS) as u32
}

/// The second stage: `y[0] = Σ partials`, a sum of `count` doubles.
pub(crate) fn sum_total(cuda: &Cuda, partials: &Buffer, count: u32, y: &mut Buffer) -> Result<()> {
    cuda.launch(&kernel::SUM_TOTAL, [1; 3]).input(partials).output(y).number("count", count).run()
}

/// `db += Σ_rows dy` for dy `[rows, c]` and db `[c]`: the gradient of a bias. See [`column_sums_of`].
pub(crate) fn column_sums(cuda: &Cuda, dy: &Buffer, db: &mut Buffer) -> Result<()> {
    let c = db.len();
    if c == 0 || !dy.len().is_multiple_of(c) {
        return Err(Error::shape("column_sums", format!("{} elements are not a whole number of rows of {c} columns", dy.len())));
    }
    column_sums_of(cuda, dy, dy.len() / c, c, 0, db)
}

/// `db += Σ_rows dy[row, start..start + c]` for dy `[rows, stride]` and db `[c]`: the gradient of a bias whose columns are part
/// of wider rows, such as those of one branch of an SDC.
///
/// Two stages in double, with the same bits on every run: first sums over parts of the rows, whose number depends only on the
/// shape, then a sum over the parts. Only the columns summed are read. c may be any number; if rows have few columns, several
/// rows are read at once. Needs `8 c` bytes of scratch memory per part.
///
/// # Errors
/// dy has another length than `rows · stride`, the columns do not fit into a row, memory is exhausted, or the device failed.
pub(crate) fn column_sums_of(cuda: &Cuda, dy: &Buffer, rows: usize, stride: usize, start: usize, db: &mut Buffer) -> Result<()> {
    const OP: &str = "column_sums";
    let c = db.len();
    check_len(OP, "dy", dy.len(), rows * stride)?;
    if c == 0 || start + c > stride {
        return Err(Error::shape(OP, format!("{c} columns from {start} do not fit into rows of {stride}")));
    }
    if cuda.mode == Mode::Naive {
        let launch = cuda.launch_over(&kernel::COLUMN_SUMS_NAIVE, c).input(dy).update(db).number("rows", rows as u32);
        return launch.value(stride as u32).value(start as u32).number("columns", c as u32).run();
    }
    let Split { lanes, tiles, rows_of_part, parts } = Split::new(rows, c);
    let mut partials = cuda.alloc(parts as usize * c * DOUBLE)?;
    let kernel = if dy.is_bf16() { &kernel::COLUMN_PARTIALS_BF16 } else { &kernel::COLUMN_PARTIALS };
    let launch = cuda.launch(kernel, [tiles, parts, 1]).stored(dy).output(&mut partials).number("rows", rows as u32);
    let launch = launch.value(stride as u32).value(start as u32).number("columns", c as u32);
    launch.value(lanes).value(rows_of_part).run()?;
    let launch = cuda.launch(&kernel::COLUMN_TOTALS, [tiles, 1, 1]).input(&partials).sum(db);
    launch.number("parts", parts).number("columns", c as u32).value(lanes).run()
}

/// How a matrix is split over blocks and threads for the sums of its columns.
struct Split {
    /// Threads along a row.
    lanes: u32,
    /// Blocks along a row.
    tiles: u32,
    /// Rows per block.
    rows_of_part: u32,
    /// Blocks along a column.
    parts: u32,
}

impl Split {
    fn new(rows: usize, columns: usize) -> Self {
        let lanes = columns.next_power_of_two().min(32) as u32;
        let tiles = blocks(columns, lanes);
        let least = (kernel::COLUMN_PARTIALS.threads / lanes) as usize * ELEMENTS_PER_THREAD;
        let rows_of_part = rows.div_ceil((MAX_BLOCKS / tiles as usize).max(1)).max(least) as u32;
        Self { lanes, tiles, rows_of_part, parts: blocks(rows, rows_of_part) }
    }
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::*;

    #[test]
    fn columns_of_wider_rows_are_summed() -> Result<()> {
        let cuda = Cuda::emulator(2206);
        for (rows, stride, start, c) in [(1, 1, 0, 1), (1500, 7, 3, 3), (700, 64, 32, 32), (300, 100, 1, 70), (9000, 1, 0, 1)] {
            let value = |i: usize| (i * 7 % 19) as f32 - 8.0;
            let dy = cuda.upload(&(0..rows * stride).map(value).collect::<Vec<_>>())?;
            let wanted = |i: usize| 0.5 + (0..rows).map(|row| value(row * stride + start + i)).sum::<f32>();
            let wanted: Vec<f32> = (0..c).map(wanted).collect();
            for mode in [Mode::default(), Mode::Naive] {
                let mut db = cuda.upload(&vec![0.5; c])?;
                column_sums_of(&cuda.with_mode(mode), &dy, rows, stride, start, &mut db)?;
                assert_eq!(cuda.download(&db)?, wanted, "{rows} rows of {stride}, {c} columns from {start}, {mode:?}");
            }
        }
        let (dy, mut db) = (cuda.zeros(12)?, cuda.zeros(3)?);
        assert!(column_sums_of(&cuda, &dy, 3, 4, 2, &mut db).is_err(), "columns 2 to 4 of 4");
        assert!(column_sums_of(&cuda, &dy, 4, 4, 0, &mut db).is_err(), "a row too many");
        Ok(())
    }
}
