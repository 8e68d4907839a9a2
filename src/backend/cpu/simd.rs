//! The one place with `unsafe`: the micro-kernel behind every matrix product, and a way to compile plain loops for the
//! instructions this machine has. The public face is safe: bounds are checked before any pointer is followed.

use crate::error::{Error, Result};

/// Most rows of a tile.
pub(super) const ROWS: usize = 12;
/// Columns of one vector block.
pub(super) const LANES: usize = 16;
/// Most columns of a tile.
pub(super) const COLUMNS: usize = 2 * LANES;

/// The sums of a tile, row after row, each row [`Size::columns`] long.
pub(super) type Sums = [f32; ROWS * COLUMNS];

/// Instruction sets with a kernel of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// Whatever the compiler targets.
    Portable,
}

/// An instruction set that this machine is known to have: only [`Simd::new`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Simd {
    path: Path,
}

/// Extents of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// 1 to [`ROWS`].
    pub rows: usize,
    /// Blocks of [`LANES`] columns, 1 or 2.
    pub vectors: usize,
    /// Terms of each sum in one segment.
    pub depth: usize,
}

impl Size {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.vectors * LANES
    }
}

/// Left operand: element (r, k) of a segment that starts at `o` is `data[o + r * row + k * step]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub step: usize,
}

/// Right operand: element (k, c) of a segment that starts at `o` is `data[o + k * step + c]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Right<'a> {
    pub data: &'a [f32],
    pub step: usize,
}

/// Where the terms of a sum begin: (offset in the left operand, offset in the right one).
pub(super) type Segment = (usize, usize);

/// A tile whose bounds have been checked.
struct Call<'a> {
    size: Size,
    left: Left<'a>,
    right: Right<'a>,
    segments: &'a [Segment],
}

impl Call<'_> {
    /// Largest index + 1 that the kernel reads on either side. Saturates, so that no overflow can hide a bad index.
    fn reach(&self) -> (usize, usize) {
        let (left, right) = self.segments.iter().fold((0, 0), |(a, b), s| (a.max(s.0), b.max(s.1)));
        let last = self.size.depth - 1;
        let rows = (self.size.rows - 1).saturating_mul(self.left.row);
        let left = left.saturating_add(rows).saturating_add(last.saturating_mul(self.left.step)).saturating_add(1);
        let right = right.saturating_add(last.saturating_mul(self.right.step)).saturating_add(self.size.columns());
        (left, right)
    }
}

impl Simd {
    /// Kernels for `path`.
    ///
    /// # Errors
    /// The machine does not have these instructions.
    pub fn new(path: Path) -> Result<Self> {
        if available(path) {
            Ok(Self { path })
        } else {
            Err(Error::Device { device: "cpu", reason: format!("this machine has no {path:?} instructions") })
        }
    }

    /// The instructions in use.
    pub fn path(self) -> Path {
        self.path
    }

    /// The widest instructions of this machine.
    pub fn widest() -> Self {
        let path = [Path::Avx512, Path::Avx2].into_iter().find(|&path| available(path)).unwrap_or(Path::Portable);
        Self { path }
    }

    /// `sums[r][c] = Σ_segments Σ_k left(r, k) right(k, c)`; sums stay in registers across all segments.
    ///
    /// # Errors
    /// Extents or segments that reach outside the operands.
    pub fn tile(self, size: Size, left: Left<'_>, right: Right<'_>, segments: &[Segment], sums: &mut Sums) -> Result<()> {
        if size.depth == 0 || segments.is_empty() {
            sums.fill(0.0);
            return Ok(());
        }
        let call = Call { size, left, right, segments };
        let extents = (1..=ROWS).contains(&size.rows) && (1..=2).contains(&size.vectors);
        let (left_end, right_end) = if extents { call.reach() } else { (usize::MAX, usize::MAX) };
        if left_end > left.data.len() || right_end > right.data.len() {
            let (a, b) = (left.data.len(), right.data.len());
            return Err(Error::shape("tile", format!("{size:?} reads to {left_end} and {right_end} of {a} and {b} elements")));
        }
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has seen the instructions; extents and bounds were checked above.
            Path::Avx512 => unsafe { x86::AVX512[size.vectors - 1][size.rows - 1](&call, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe { x86::avx2(&call, sums) },
            _ => portable(&call, sums),
        }
        Ok(())
    }

    /// Does `iterations` of as many fused multiply-adds as fill the processor, in registers, and nothing else. Returns the operations.
    pub fn multiply_add(self, iterations: usize) -> u64 {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has seen the instructions.
            Path::Avx512 => unsafe { x86::multiply_add_avx512(iterations) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe { x86::multiply_add_avx2(iterations) },
            _ => multiply_add(iterations),
        }
    }

    /// As [`Simd::multiply_add`] with pairs of bf16 and sums in f32; None where the machine has no such instructions.
    pub fn multiply_add_bf16(self, iterations: usize) -> Option<u64> {
        #[cfg(target_arch = "x86_64")]
        if self.path == Path::Avx512 && is_x86_feature_detected!("avx512bf16") {
            // SAFETY: the instructions were just seen.
            return Some(unsafe { x86::multiply_add_bf16(iterations) });
        }
        let _ = iterations;
        None
    }

    /// Runs `work` compiled for these instructions. Only what is inlined into `work` gains from it.
    #[inline]
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has seen the instructions.
            Path::Avx512 => unsafe { x86::run_avx512(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe { x86::run_avx2(work) },
            _ => work(),
        }
    }
}

/// Whether this machine has the instructions of `path`.
fn available(path: Path) -> bool {
    match path {
        Path::Portable => true,
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => {
            available(Path::Avx2)
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
        }
        #[cfg(not(target_arch = "x86_64"))]
        _ => false,
    }
}

/// Independent sums of [`Simd::multiply_add`]: more than the latency of two units hides.
const CHAINS: usize = 12;

/// In plain safe loops.
fn multiply_add(iterations: usize) -> u64 {
    let mut sums = [[1.0_f32; LANES]; CHAINS];
    let (factor, term) = (std::hint::black_box(0.999_9_f32), std::hint::black_box(1e-4_f32));
    for _ in 0..iterations {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * factor + term);
    }
    std::hint::black_box(sums);
    (2 * LANES * CHAINS * iterations) as u64
}

/// The tile in plain safe loops; the definition that the other kernels are tested against.
fn portable(call: &Call<'_>, sums: &mut Sums) {
    let columns = call.size.columns();
    for (r, sums) in sums.chunks_exact_mut(columns).take(call.size.rows).enumerate() {
        let mut row = [0.0; COLUMNS];
        for &(a, b) in call.segments {
            for k in 0..call.size.depth {
                let left = call.left.data[a + r * call.left.row + k * call.left.step];
                let right = &call.right.data[b + k * call.right.step..][..columns];
                row.iter_mut().zip(right).for_each(|(sum, right)| *sum += left * right);
            }
        }
        sums.copy_from_slice(&row[..columns]);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512bh, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_cvtne2ps_pbh,
        _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    use std::hint::black_box;

    use super::{CHAINS, Call, LANES, ROWS, Sums};

    type Kernel = unsafe fn(&Call<'_>, &mut Sums);

    /// AVX-512 kernels by vectors - 1, then rows - 1.
    pub(super) const AVX512: [[Kernel; ROWS]; 2] = [by_rows::<1>(), by_rows::<2>()];

    const fn by_rows<const V: usize>() -> [Kernel; ROWS] {
        [
            avx512::<1, V>,
            avx512::<2, V>,
            avx512::<3, V>,
            avx512::<4, V>,
            avx512::<5, V>,
            avx512::<6, V>,
            avx512::<7, V>,
            avx512::<8, V>,
            avx512::<9, V>,
            avx512::<10, V>,
            avx512::<11, V>,
            avx512::<12, V>,
        ]
    }

    /// R rows of V vectors of 16 columns, all in registers: at most 24 sums, 2 right operands, 1 left.
    ///
    /// # Safety
    /// The machine has AVX-512F; `call` has R rows, V vectors and [`Call::reach`] inside its operands.
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512<const R: usize, const V: usize>(call: &Call<'_>, sums: &mut Sums) {
        let mut registers = [[_mm512_setzero_ps(); V]; R];
        let (row, step, next) = (call.left.row, call.left.step, call.right.step);
        for &(a, b) in call.segments {
            let mut left = call.left.data.as_ptr().wrapping_add(a);
            let mut right = call.right.data.as_ptr().wrapping_add(b);
            for _ in 0..call.size.depth {
                // SAFETY: the caller has checked the largest offset of both operands.
                unsafe {
                    let mut columns = [_mm512_setzero_ps(); V];
                    for (v, columns) in columns.iter_mut().enumerate() {
                        *columns = _mm512_loadu_ps(right.add(LANES * v));
                    }
                    for (r, registers) in registers.iter_mut().enumerate() {
                        let value = _mm512_set1_ps(*left.add(r * row));
                        for (sum, &columns) in registers.iter_mut().zip(&columns) {
                            *sum = _mm512_fmadd_ps(value, columns, *sum);
                        }
                    }
                }
                left = left.wrapping_add(step);
                right = right.wrapping_add(next);
            }
        }
        for (sums, &register) in sums.chunks_exact_mut(LANES).zip(registers.as_flattened()) {
            // SAFETY: `sums` is one vector long.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), register) };
        }
    }

    /// The tile as blocks of up to 6 rows and 16 columns, which fit 16 registers of 256 bits.
    ///
    /// # Safety
    /// The machine has AVX2 and FMA; `call` has [`Call::reach`] inside its operands.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(call: &Call<'_>, sums: &mut Sums) {
        const BLOCK: usize = 6;
        let kernels: [unsafe fn(&Call<'_>, usize, usize, &mut Sums); BLOCK] =
            [avx2_block::<1>, avx2_block::<2>, avx2_block::<3>, avx2_block::<4>, avx2_block::<5>, avx2_block::<6>];
        for first in (0..call.size.rows).step_by(BLOCK) {
            let rows = (call.size.rows - first).min(BLOCK);
            for vector in 0..call.size.vectors {
                // SAFETY: rows first .. first + rows and the vector lie inside the tile.
                unsafe { kernels[rows - 1](call, first, vector, sums) };
            }
        }
    }

    /// R rows from `first` of one block of 16 columns.
    ///
    /// # Safety
    /// As [`avx2`], and the block lies inside the tile.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_block<const R: usize>(call: &Call<'_>, first: usize, vector: usize, sums: &mut Sums) {
        const HALF: usize = LANES / 2;
        let mut registers = [[_mm256_setzero_ps(); 2]; R];
        let (row, step, next) = (call.left.row, call.left.step, call.right.step);
        for &(a, b) in call.segments {
            let mut left = call.left.data.as_ptr().wrapping_add(a + first * row);
            let mut right = call.right.data.as_ptr().wrapping_add(b + vector * LANES);
            for _ in 0..call.size.depth {
                // SAFETY: the caller has checked the largest offset of both operands.
                unsafe {
                    let (low, high) = (_mm256_loadu_ps(right), _mm256_loadu_ps(right.add(HALF)));
                    for (r, [first, second]) in registers.iter_mut().enumerate() {
                        let value = _mm256_set1_ps(*left.add(r * row));
                        *first = _mm256_fmadd_ps(value, low, *first);
                        *second = _mm256_fmadd_ps(value, high, *second);
                    }
                }
                left = left.wrapping_add(step);
                right = right.wrapping_add(next);
            }
        }
        let rows = sums.chunks_exact_mut(call.size.columns()).skip(first);
        for (sums, [low, high]) in rows.zip(registers) {
            let sums = &mut sums[vector * LANES..][..LANES];
            // SAFETY: `sums` is 16 floats long.
            unsafe {
                _mm256_storeu_ps(sums.as_mut_ptr(), low);
                _mm256_storeu_ps(sums.as_mut_ptr().add(HALF), high);
            }
        }
    }

    /// # Safety
    /// The machine has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn multiply_add_avx512(iterations: usize) -> u64 {
        let (factor, term) = (_mm512_set1_ps(black_box(0.999_9)), _mm512_set1_ps(black_box(1e-4)));
        let mut sums = [factor; CHAINS];
        for _ in 0..iterations {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
        (2 * LANES * CHAINS * iterations) as u64
    }

    /// # Safety
    /// The machine has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn multiply_add_avx2(iterations: usize) -> u64 {
        let (factor, term) = (_mm256_set1_ps(black_box(0.999_9)), _mm256_set1_ps(black_box(1e-4)));
        let mut sums = [factor; CHAINS];
        for _ in 0..iterations {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
        (LANES * CHAINS * iterations) as u64
    }

    /// # Safety
    /// The machine has AVX-512F and AVX512-BF16.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn multiply_add_bf16(iterations: usize) -> u64 {
        let value = _mm512_set1_ps(black_box(1e-4));
        let pairs: __m512bh = _mm512_cvtne2ps_pbh(value, value);
        let mut sums = [_mm512_setzero_ps(); CHAINS];
        for _ in 0..iterations {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, pairs, pairs);
            }
        }
        black_box(sums);
        (4 * LANES * CHAINS * iterations) as u64
    }

    /// # Safety
    /// The machine has these instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) unsafe fn run_avx512<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    /// # Safety
    /// The machine has these instructions.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_of_every_path_matches_the_definition() {
        let value = |i: usize| ((i * 7919 + 13) % 17) as f32 - 8.0;
        let (a, b): (Vec<f32>, Vec<f32>) = (0..400).map(|i| (value(i), value(3 * i + 1))).unzip();
        let segments = [(3, 5), (40, 77), (0, 0)];
        for path in [Path::Avx512, Path::Avx2, Path::Portable] {
            let Ok(simd) = Simd::new(path) else { continue };
            for (rows, vectors, depth) in (1..=12).flat_map(|r| [(r, 1, 5), (r, 2, 3), (r, 2, 1)]) {
                let size = Size { rows, vectors, depth };
                let mut sums = [f32::NAN; ROWS * COLUMNS];
                let (left, right) = (Left { data: &a, row: 9, step: 2 }, Right { data: &b, step: 35 });
                simd.tile(size, left, right, &segments, &mut sums).unwrap();
                for (r, c) in (0..rows).flat_map(|r| (0..size.columns()).map(move |c| (r, c))) {
                    let term = |&(ao, bo): &Segment| (0..depth).map(move |k| (ao + r * 9 + k * 2, bo + k * 35 + c));
                    // Small integers: exact in every order and with or without fused multiply-add.
                    let wanted: f32 = segments.iter().flat_map(term).map(|(i, j)| a[i] * b[j]).sum();
                    assert_eq!(sums[r * size.columns() + c], wanted, "{path:?} {size:?} at {r} {c}");
                }
            }
        }
    }

    #[test]
    fn reads_outside_the_operands_are_refused() {
        let (a, b) = ([1.0; 20], [1.0; 64]);
        let mut sums = [0.0; ROWS * COLUMNS];
        let mut try_tile = |rows, vectors, depth, row, segment| {
            let (left, right) = (Left { data: &a, row, step: 1 }, Right { data: &b, step: 16 });
            Simd::widest().tile(Size { rows, vectors, depth }, left, right, &[segment], &mut sums).is_ok()
        };
        assert!(try_tile(4, 1, 4, 4, (4, 0)));
        assert!(!try_tile(4, 1, 4, 4, (5, 0)));
        assert!(!try_tile(4, 1, 4, 4, (4, 1)));
        assert!(!try_tile(13, 1, 1, 1, (0, 0)));
        assert!(!try_tile(1, 3, 1, 1, (0, 0)));
        assert!(!try_tile(0, 1, 1, 1, (0, 0)));
        assert!(!try_tile(3, 1, 1, usize::MAX / 2 + 1, (0, 0)));
        assert!(!try_tile(1, 1, 1, 1, (usize::MAX, 0)));
    }
}
