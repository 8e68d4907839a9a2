//! The micro-kernel: a tile of up to 12 rows and 32 columns whose sums stay in registers.

use super::lanes::LANES;
use super::vector::unpair;
#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{Isa, Simd};
use crate::error::{Error, Result};

/// Maximum rows of a register tile.
pub(crate) const ROWS: usize = 12;
/// Maximum columns of a register tile.
pub(crate) const COLUMNS: usize = 2 * LANES;

/// Divides `total` into the fewest parts of length at most `max`, as evenly as possible: (start, length).
pub(crate) fn even_parts(total: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = total.div_ceil(max);
    (0..parts).map(move |i| {
        let start = i * total / parts;
        (start, (i + 1) * total / parts - start)
    })
}

/// Dimensions of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// At least 1. More than [`ROWS`] rows are divided into several tiles.
    pub rows: usize,
    /// Number of vectors of [`LANES`] columns, 1 or 2.
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
pub(crate) struct Left<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub step: usize,
}

/// Right operand: element (k, c) of a segment that starts at `o` is `data[o + k * step + c]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Right<'a> {
    pub data: &'a [f32],
    pub step: usize,
}

/// Start of a run of terms: (offset in the left operand, offset in the right operand).
pub(crate) type Segment = (usize, usize);

/// Initial value of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Zero: the target is overwritten.
    Zero,
    /// The target's content: sums are accumulated into it.
    Target,
}

/// Where the sums are written: element (r, c) is `data[r * row + c]`.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub data: &'a mut [f32],
    pub row: usize,
    pub start: Start,
}

/// A tile whose bounds have been checked.
pub(crate) struct Call<'a> {
    pub size: Size,
    pub left: Left<'a>,
    pub right: Right<'a>,
    pub segments: &'a [Segment],
}

impl Call<'_> {
    /// One more than the largest index that the kernel reads in the left and in the right operand. Saturates, so that an overflow
    /// cannot hide a bad index.
    fn reach(&self) -> (usize, usize) {
        let (left, right) = self.segments.iter().fold((0, 0), |(a, b), s| (a.max(s.0), b.max(s.1)));
        let last = self.size.depth - 1;
        let rows = (self.size.rows - 1).saturating_mul(self.left.row);
        let left = left.saturating_add(rows).saturating_add(last.saturating_mul(self.left.step)).saturating_add(1);
        let right = right.saturating_add(last.saturating_mul(self.right.step)).saturating_add(self.size.columns());
        (left, right)
    }

    /// One more than the largest index that the kernel writes.
    fn writes(&self, target: &Target<'_>) -> usize {
        (self.size.rows - 1).saturating_mul(target.row).saturating_add(self.size.columns())
    }

    /// Calls `kernel` for at most [`ROWS`] rows at a time.
    #[inline(always)]
    fn in_tiles(self, target: &mut Target<'_>, kernel: impl Fn(&Self, &mut Target<'_>)) {
        if self.size.rows <= ROWS {
            return kernel(&self, target);
        }
        for (first, rows) in even_parts(self.size.rows, ROWS) {
            // Without segments nothing is read, and the operand may be too short.
            let data = self.left.data.get(first.saturating_mul(self.left.row)..).unwrap_or_default();
            let part = Self { size: Size { rows, ..self.size }, left: Left { data, ..self.left }, ..self };
            let mut target = Target { data: &mut target.data[first * target.row..], ..*target };
            kernel(&part, &mut target);
        }
    }
}

impl Simd {
    /// `target(r, c) = start + Σ_segments Σ_k left(r, k) right(k, c)`. The sums stay in registers across all segments.
    ///
    /// # Errors
    /// Dimensions or segments that exceed the operands or the target.
    pub fn tile(self, size: Size, left: Left<'_>, right: Right<'_>, segments: &[Segment], target: &mut Target<'_>) -> Result<()> {
        checked(size, left, right, segments, target)?.in_tiles(target, |call, target| match self.isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has checked the instruction set; dimensions and bounds were checked above.
            Isa::Avx512 => unsafe { x86::AVX512[call.size.vectors - 1][call.size.rows - 1](call, target) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { x86::avx2(call, target) },
            _ => portable(call, target, |left, right| left * right),
        });
        Ok(())
    }

    /// As [`Simd::tile`], but each element of the operands is a pair of bf16 (see [`super::Vector::pair`]), so it holds two
    /// terms.
    ///
    /// # Errors
    /// As [`Simd::tile`].
    pub fn tile_pairs(
        self,
        size: Size,
        left: Left<'_>,
        right: Right<'_>,
        segments: &[Segment],
        target: &mut Target<'_>,
    ) -> Result<()> {
        checked(size, left, right, segments, target)?.in_tiles(target, |call, target| {
            #[cfg(target_arch = "x86_64")]
            if self.bf16 {
                // SAFETY: `Simd::new` has checked the instruction set; dimensions and bounds were checked above.
                return unsafe { x86::AVX512_PAIRS[call.size.vectors - 1][call.size.rows - 1](call, target) };
            }
            self.run(
                #[inline(always)]
                || portable(call, target, pair_term),
            );
        });
        Ok(())
    }
}

/// The tile, if everything that it reads and writes is within bounds.
#[inline]
fn checked<'a>(size: Size, left: Left<'a>, right: Right<'a>, segments: &'a [Segment], target: &Target<'_>) -> Result<Call<'a>> {
    if size.rows == 0 || !(1..=2).contains(&size.vectors) {
        return Err(Error::shape("tile", format!("{size:?} is not at least 1 row of 1 or 2 vectors")));
    }
    // The kernels need a depth of at least 1. A sum without terms has no segments instead.
    let (size, segments) = if size.depth == 0 { (Size { depth: 1, ..size }, &[][..]) } else { (size, segments) };
    let call = Call { size, left, right, segments };
    let ((left_end, right_end), end) = (if segments.is_empty() { (0, 0) } else { call.reach() }, call.writes(target));
    if left_end > left.data.len() || right_end > right.data.len() || end > target.data.len() {
        let (a, b, c) = (left.data.len(), right.data.len(), target.data.len());
        let reach = format!("{size:?} reaches to {left_end}, {right_end} and {end} of {a}, {b} and {c} elements");
        return Err(Error::shape("tile", reach));
    }
    Ok(call)
}

/// The tile as plain safe loops, where `term(left, right)` is the term of two elements. The other kernels are tested against it.
#[inline(always)]
fn portable(call: &Call<'_>, target: &mut Target<'_>, term: impl Fn(f32, f32) -> f32) {
    let columns = call.size.columns();
    for r in 0..call.size.rows {
        let sums = &mut target.data[r * target.row..][..columns];
        let mut row = [0.0; COLUMNS];
        if target.start == Start::Target {
            row[..columns].copy_from_slice(sums);
        }
        for &(a, b) in call.segments {
            for k in 0..call.size.depth {
                let left = call.left.data[a + r * call.left.row + k * call.left.step];
                let right = &call.right.data[b + k * call.right.step..][..columns];
                row.iter_mut().zip(right).for_each(|(sum, &right)| *sum += term(left, right));
            }
        }
        sums.copy_from_slice(&row[..columns]);
    }
}

/// The sum of the two products of two pairs of bf16.
#[inline(always)]
fn pair_term(left: f32, right: f32) -> f32 {
    let ([low, high], [right_low, right_high]) = (unpair(left), unpair(right));
    high * right_high + low * right_low
}

#[cfg(test)]
mod tests {
    use super::super::vector::pair;
    use super::*;

    /// One row more than two tiles.
    const ALL: usize = 2 * ROWS + 1;

    #[test]
    fn parts_are_even_and_complete() {
        for (total, max) in (1..200).flat_map(|total| [(total, ROWS), (total, 48)]) {
            let parts: Vec<_> = even_parts(total, max).collect();
            assert_eq!(parts.len(), total.div_ceil(max));
            let mut next = 0;
            for &(start, length) in &parts {
                assert_eq!(start, next);
                assert!((1..=max).contains(&length) && length + 1 >= parts[0].1 && length <= parts[0].1 + 1);
                next += length;
            }
            assert_eq!(next, total);
        }
    }

    #[test]
    fn every_tile_of_every_isa_matches_the_definition() {
        let value = |i: usize| ((i * 7919 + 13) % 17) as f32 - 8.0;
        let (a, b): (Vec<f32>, Vec<f32>) = (0..400).map(|i| (value(i), value(3 * i + 1))).unzip();
        let segments = [(3, 5), (40, 77), (0, 0)];
        for simd in Simd::every() {
            let isa = simd.isa;
            for (rows, vectors, depth) in (1..=ALL).flat_map(|r| [(r, 1, 5), (r, 2, 3), (r, 2, 1), (r, 1, 0)]) {
                for start in [Start::Zero, Start::Target] {
                    let (size, pitch) = (Size { rows, vectors, depth }, 37);
                    let mut found: Vec<f32> = (0..ALL * pitch).map(|i| value(5 * i)).collect();
                    let before = found.clone();
                    let (left, right) = (Left { data: &a, row: 9, step: 2 }, Right { data: &b, step: 35 });
                    let mut target = Target { data: &mut found, row: pitch, start };
                    simd.tile(size, left, right, &segments, &mut target).unwrap();
                    for (r, c) in (0..ALL).flat_map(|r| (0..pitch).map(move |c| (r, c))) {
                        let term = |&(ao, bo): &Segment| (0..depth).map(move |k| (ao + r * 9 + k * 2, bo + k * 35 + c));
                        // Small integers: exact in every order and with or without fused multiply-add.
                        let old = before[r * pitch + c];
                        let sum = || segments.iter().flat_map(term).map(|(i, j)| a[i] * b[j]).sum::<f32>();
                        let wanted = match (r < rows && c < size.columns(), start) {
                            (false, _) => old,
                            (true, Start::Zero) => sum(),
                            (true, Start::Target) => old + sum(),
                        };
                        assert_eq!(found[r * pitch + c], wanted, "{isa:?} {size:?} {start:?} at {r} {c}");
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_of_pairs_match_the_definition_on_every_isa() {
        let value = |i: usize| ((i * 7919 + 13) % 17) as f32 - 8.0;
        let pairs = |seed: usize| (0..400).map(|i| pair(value(seed + 2 * i), value(seed + 2 * i + 1))).collect::<Vec<f32>>();
        let ((a, b), segments) = ((pairs(3), pairs(1000)), [(3, 5), (40, 77)]);
        let product = |a: f32, b: f32| unpair(a).iter().zip(unpair(b)).map(|(a, b)| a * b).sum::<f32>();
        for simd in Simd::every() {
            let isa = simd.isa;
            for (rows, vectors, depth) in (1..=ALL).flat_map(|r| [(r, 1, 5), (r, 2, 3)]) {
                let (size, mut sums) = (Size { rows, vectors, depth }, [1.0; ALL * 32]);
                let (left, right) = (Left { data: &a, row: 9, step: 2 }, Right { data: &b, step: 35 });
                let mut target = Target { data: &mut sums, row: 32, start: Start::Target };
                simd.tile_pairs(size, left, right, &segments, &mut target).unwrap();
                for (r, c) in (0..rows).flat_map(|r| (0..size.columns()).map(move |c| (r, c))) {
                    let term = |&(ao, bo): &Segment| (0..depth).map(move |k| (ao + r * 9 + k * 2, bo + k * 35 + c));
                    let wanted = 1.0 + segments.iter().flat_map(term).map(|(i, j)| product(a[i], b[j])).sum::<f32>();
                    assert_eq!(sums[r * 32 + c], wanted, "{isa:?} {size:?} at {r} {c}");
                }
            }
        }
    }

    #[test]
    fn accesses_outside_the_operands_are_rejected() {
        let (a, b) = ([1.0; 20], [1.0; 64]);
        let mut sums = [0.0; 64];
        let mut try_tile = |rows, vectors, depth, row, segment, pitch| {
            let (left, right) = (Left { data: &a, row, step: 1 }, Right { data: &b, step: 16 });
            let mut target = Target { data: &mut sums, row: pitch, start: Start::Zero };
            Simd::widest().tile(Size { rows, vectors, depth }, left, right, &[segment], &mut target).is_ok()
        };
        assert!(try_tile(4, 1, 4, 4, (4, 0), 16));
        assert!(!try_tile(4, 1, 4, 4, (5, 0), 16));
        assert!(!try_tile(4, 1, 4, 4, (4, 1), 16));
        assert!(!try_tile(4, 1, 4, 4, (4, 0), 17));
        assert!(try_tile(20, 1, 1, 1, (0, 0), 1));
        assert!(!try_tile(21, 1, 1, 1, (0, 0), 1));
        assert!(!try_tile(20, 1, 1, 1, (0, 0), 3));
        assert!(!try_tile(1, 3, 1, 1, (0, 0), 16));
        assert!(!try_tile(0, 1, 1, 1, (0, 0), 16));
        assert!(!try_tile(3, 1, 1, usize::MAX / 2 + 1, (0, 0), 16));
        assert!(!try_tile(3, 1, 1, 1, (0, 0), usize::MAX / 2 + 1));
        assert!(!try_tile(1, 1, 1, 1, (usize::MAX, 0), 16));
    }
}
