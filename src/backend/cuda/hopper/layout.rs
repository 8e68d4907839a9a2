//! Where the matrix instruction should find an element of an operand in shared memory, by several readings of the PTX manual.

use serde::Serialize;

/// Bytes of a row of a tile: 64 bf16.
const ROW: u32 = 128;
/// Rows of a group, over which the swizzling repeats.
const GROUP: u32 = 8;
/// Elements of the operand that are looked at: 64 rows, or columns for B, by 16 along the depth.
pub(super) const ROWS: u32 = 64;
pub(super) const DEPTH: u32 = 16;

/// The operand that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Matrix {
    /// The left one, 64 by 16.
    A,
    /// The right one, 16 by 64.
    B,
}

/// One descriptor of an operand, and the tile that it is read from.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Case {
    /// Which operand.
    pub matrix: Matrix,
    /// Whether its rows, or the columns of B, are contiguous, and not its depth.
    pub transposed: bool,
    /// Rows of 64 values in the tile.
    pub rows: u32,
    /// Bytes from the start of the tile to that of the operand.
    pub offset: u32,
    /// Leading distance in bytes.
    pub leading: u32,
    /// Stride distance in bytes.
    pub stride: u32,
    /// The field `base_offset`: phase of the swizzling in the first row.
    pub phase: u32,
}

/// A place in a tile: row and column.
pub type Place = (u32, u32);

/// A reading of the manual: its name, and the place of each element in the order row, depth.
pub(super) type Hypothesis = (&'static str, Vec<Place>);

impl Case {
    /// The descriptor, but for the start address.
    pub(super) fn layout(&self) -> u64 {
        let field = |bytes: u32, at: u32| u64::from(bytes / 16) << at;
        field(self.leading, 16) | field(self.stride, 32) | u64::from(self.phase) << 49 | 1 << 62
    }

    /// Every reading.
    pub(super) fn hypotheses(&self) -> Vec<Hypothesis> {
        if self.transposed {
            let grouped =
                |name, distance| self.hypothesis(name, move |row, k| 2 * row + k % GROUP * ROW + k / GROUP * distance, swizzled);
            return vec![grouped("stride between groups", self.stride), grouped("leading between groups", self.leading)];
        }
        let (stride, phase, offset) = (self.stride, self.phase, self.offset);
        let inside = move |row: u32, k: u32| row / GROUP * stride + row % GROUP * ROW + 2 * k;
        let turned = |turn: u32| move |at: u32| at ^ ((at / ROW + turn) % GROUP) << 4;
        let mut all = vec![
            self.hypothesis("whole address", inside, swizzled),
            self.hypothesis("inside the operand", inside, move |at| offset + swizzled(at - offset)),
        ];
        if phase > 0 {
            all.push(self.hypothesis("whole address plus phase", inside, turned(phase)));
            all.push(self.hypothesis("whole address minus phase", inside, turned(GROUP - phase)));
        }
        all
    }

    /// The places for a distance from the start of the operand, and a swizzling of addresses from the start of the tile.
    fn hypothesis(&self, name: &'static str, inside: impl Fn(u32, u32) -> u32, swizzle: impl Fn(u32) -> u32) -> Hypothesis {
        let elements = (0..ROWS).flat_map(|row| (0..DEPTH).map(move |k| (row, k)));
        (name, elements.map(|(row, k)| stored(swizzle(self.offset + inside(row, k)))).collect())
    }
}

/// The 16-byte parts of each row change places by the number of the row.
fn swizzled(at: u32) -> u32 {
    at ^ (at / ROW % GROUP) << 4
}

/// What the copy engine stored at an address of a tile that it swizzled.
fn stored(at: u32) -> Place {
    (at / ROW, swizzled(at) % ROW / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(offset: u32, stride: u32, phase: u32) -> Case {
        Case { matrix: Matrix::B, transposed: false, rows: 80, offset, leading: 16, stride, phase }
    }

    fn places(case: &Case, name: &str) -> Vec<Place> {
        case.hypotheses().into_iter().find(|(own, _)| *own == name).unwrap().1
    }

    #[test]
    fn an_aligned_operand_is_read_as_it_was_stored() {
        let aligned = case(0, 1024, 0);
        let wanted: Vec<Place> = (0..64).flat_map(|row| (0..16).map(move |k| (row, k))).collect();
        assert_eq!(places(&aligned, "whole address"), wanted);
        assert_eq!(places(&aligned, "inside the operand"), wanted);
        assert_eq!(aligned.layout(), 1 << 16 | 64 << 32 | 1 << 62);
    }

    #[test]
    fn a_shift_by_a_row_tells_the_readings_apart() {
        let shifted = case(128, 1024, 3);
        let wanted: Vec<Place> = (1..65).flat_map(|row| (0..16).map(move |k| (row, k))).collect();
        assert_eq!(places(&shifted, "whole address"), wanted);
        let all = shifted.hypotheses();
        for (k, (name, own)) in all.iter().enumerate() {
            assert!(all[..k].iter().all(|(_, other)| other != own), "{name} is not told apart");
        }
        // Row 1 was stored with phase 1. Read with phase 0, that of row 0, its halves of 16 values have changed places.
        let swapped: Vec<Place> = (0..16).map(|k| (1, (k + 8) % 16)).collect();
        assert_eq!(places(&shifted, "inside the operand")[..16], swapped);
        let compensated = case(128, 1024, 1);
        assert_eq!(places(&compensated, "whole address minus phase"), places(&compensated, "inside the operand"));
    }

    #[test]
    fn wide_groups_skip_rows() {
        let wide = places(&case(1280 + 128, 1280, 0), "whole address");
        assert_eq!([wide[0], wide[7 * 16], wide[8 * 16 + 3], wide[63 * 16 + 15]], [(11, 0), (18, 0), (21, 3), (88, 15)]);
    }

    #[test]
    fn transposed_operands_differ_in_the_distance_of_groups() {
        let case = Case { matrix: Matrix::A, transposed: true, rows: 24, offset: 0, leading: 1024, stride: 2048, phase: 0 };
        let [stride, leading] = ["stride between groups", "leading between groups"].map(|name| places(&case, name));
        assert_eq!([stride[5], stride[16 * 3 + 8], leading[16 * 3 + 8]], [(5, 0), (16, 3), (8, 3)]);
    }
}
