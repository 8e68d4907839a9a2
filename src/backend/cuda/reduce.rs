//! Reductions in two stages of fixed order, `kernels/reduce.cu`.

use super::kernel::{File, Kernel};
use super::launch::blocks;
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{Reduce, Storage, Unit};
use crate::error::{Error, Result};

static FILE: File = File { name: "reduce.cu", text: include_str!("../../../kernels/reduce.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static SUM_PARTIALS: Kernel = kernel("sum_partials", "len", "4 len");
static SUM_TOTAL: Kernel = kernel("sum_total", "count", "8 count + 4");
static SUM_NAIVE: Kernel = kernel("sum_naive", "len", "4 len + 4");
static SUM_GRAD: Kernel = kernel("sum_grad", "len", "8 len + 4");
static COLUMN_PARTIALS: Kernel = kernel("column_partials", "rows columns", "4 rows columns");
static COLUMN_TOTALS: Kernel = kernel("column_totals", "parts columns", "8 parts columns + 8 columns");
static COLUMN_SUMS_NAIVE: Kernel = kernel("column_sums_naive", "rows columns", "4 rows columns + 8 columns");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] =
    &[&SUM_PARTIALS, &SUM_TOTAL, &SUM_NAIVE, &SUM_GRAD, &COLUMN_PARTIALS, &COLUMN_TOTALS, &COLUMN_SUMS_NAIVE];

/// Most blocks of a first stage: enough to fill the largest GPU, few enough for one block to add up what they leave.
const MOST_BLOCKS: usize = 1024;
/// Elements that a thread of a first stage has at least, if there are enough for one block.
const ELEMENTS_PER_THREAD: usize = 16;
/// Elements of a buffer that hold one double.
pub(super) const DOUBLE: usize = 2;

/// Blocks of `threads` for the first stage of a sum over `len` elements.
pub(super) fn partial_blocks(len: usize, threads: u32) -> u32 {
    len.div_ceil(threads as usize * ELEMENTS_PER_THREAD).clamp(1, MOST_BLOCKS) as u32
}

/// The second stage: `y[0] = Σ partials`, which are `count` doubles.
pub(super) fn sum_total(cuda: &Cuda, partials: &Buffer, count: u32, y: &mut Buffer) -> Result<()> {
    cuda.launch(&SUM_TOTAL, [1; 3]).input(partials).output(y).number("count", count).run()
}

impl Reduce for Cuda {
    fn sum(&self, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("sum", &[("y", y.len(), 1)])?;
        if self.mode == Mode::Naive {
            return self.launch_over(&SUM_NAIVE, 1).input(x).output(y).number("len", x.len() as u32).run();
        }
        let count = partial_blocks(x.len(), SUM_PARTIALS.threads);
        let mut partials = self.alloc(count as usize * DOUBLE)?;
        self.launch(&SUM_PARTIALS, [count, 1, 1]).input(x).output(&mut partials).number("len", x.len() as u32).run()?;
        sum_total(self, &partials, count, y)
    }

    fn sum_grad(&self, alpha: f64, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        check_lengths("sum_grad", &[("dy", dy.len(), 1)])?;
        let len = dx.len();
        self.launch_over(&SUM_GRAD, len).input(dy).output(dx).value(alpha as f32).number("len", len as u32).run()
    }
}

/// `db += Σ_rows dy` for dy `[rows, c]` and db `[c]`: the gradient of a bias. See [`column_sums_of`].
pub(super) fn column_sums(cuda: &Cuda, dy: &Buffer, db: &mut Buffer) -> Result<()> {
    let c = db.len();
    if c == 0 || !dy.len().is_multiple_of(c) {
        return Err(Error::shape("column_sums", format!("{} elements are no whole number of rows of {c}", dy.len())));
    }
    column_sums_of(cuda, dy, dy.len() / c, c, 0, db)
}

/// `db += Σ_rows dy[row, start..start + c]` for dy `[rows, stride]` and db `[c]`: the gradient of a bias whose columns lie within
/// wider rows, as those of one branch of an SDC do.
///
/// Two stages in double, the same bits on every run: parts of the rows first, as many as the extents say, then one sum over the
/// parts. Reads only the columns it sums; any c, rows of few columns are read several at once. Takes `8 c` bytes of scratch memory
/// for each part.
///
/// # Errors
/// dy has another length than `rows · stride`, the columns do not fit into a row, there is no memory, or the device failed.
pub(super) fn column_sums_of(cuda: &Cuda, dy: &Buffer, rows: usize, stride: usize, start: usize, db: &mut Buffer) -> Result<()> {
    const OP: &str = "column_sums";
    let c = db.len();
    check_lengths(OP, &[("dy", dy.len(), rows * stride)])?;
    if c == 0 || start + c > stride {
        return Err(Error::shape(OP, format!("{c} columns from {start} do not fit into rows of {stride}")));
    }
    if cuda.mode == Mode::Naive {
        let launch = cuda.launch_over(&COLUMN_SUMS_NAIVE, c).input(dy).output(db).number("rows", rows as u32);
        return launch.value(stride as u32).value(start as u32).number("columns", c as u32).run();
    }
    let Split { lanes, tiles, rows_of_part, parts } = Split::new(rows, c);
    let mut partials = cuda.alloc(parts as usize * c * DOUBLE)?;
    let launch = cuda.launch(&COLUMN_PARTIALS, [tiles, parts, 1]).input(dy).output(&mut partials).number("rows", rows as u32);
    let launch = launch.value(stride as u32).value(start as u32).number("columns", c as u32);
    launch.value(lanes).value(rows_of_part).run()?;
    let launch = cuda.launch(&COLUMN_TOTALS, [tiles, 1, 1]).input(&partials).output(db);
    launch.number("parts", parts).number("columns", c as u32).value(lanes).run()
}

/// How a matrix is split for the sums of its columns.
struct Split {
    /// Threads side by side along a row.
    lanes: u32,
    /// Blocks side by side along a row.
    tiles: u32,
    /// Rows of one block.
    rows_of_part: u32,
    /// Blocks below one another.
    parts: u32,
}

impl Split {
    fn new(rows: usize, columns: usize) -> Self {
        let lanes = columns.next_power_of_two().min(32) as u32;
        let tiles = blocks(columns, lanes);
        let least = (COLUMN_PARTIALS.threads / lanes) as usize * ELEMENTS_PER_THREAD;
        let rows_of_part = rows.div_ceil((MOST_BLOCKS / tiles as usize).max(1)).max(least) as u32;
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
