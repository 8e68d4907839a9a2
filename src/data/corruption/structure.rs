use super::plan::{Patch, between};
use super::sample::{Colour, affine, pixel};
use crate::data::Image;

/// Cells along an axis.
const CELLS: usize = 8;
/// Bits of a cell's number along one axis.
const BITS: u32 = CELLS.trailing_zeros();

/// The image cut into 8 x 8 cells that are exchanged in random pairs.
///
/// A cell (i, j) is relabelled by a Feistel network with four random functions of three bits,
/// `i ^= f₀(j), j ^= f₁(i), i ^= f₂(j), j ^= f₃(i)`, which is a bijection. Cells whose labels differ in the last bit of j are
/// exchanged, so no cell stays in its place, and the arithmetic is that of integers.
pub(super) struct Structure<'a> {
    image: &'a Image,
    /// Function k of c is `rounds[k] >> (3 c) & 7`.
    rounds: [u32; 4],
    /// Contrast and shift.
    recolour: Option<(f32, Colour)>,
}

impl<'a> Structure<'a> {
    pub fn new(rounds: [u32; 4], u: &[f32; Patch::MATERIAL], image: &'a Image) -> Self {
        let [recolour, contrast, red, green, blue, ..] = *u;
        let change = (between(contrast, 0.6, 1.4), [red, green, blue].map(|value| between(value, -0.2, 0.2)));
        Self { image, rounds, recolour: (recolour < 0.5).then_some(change) }
    }

    /// The colour at a pixel of the image.
    pub fn at(&self, place: [usize; 2]) -> Colour {
        let extent = [self.image.dim().0, self.image.dim().1];
        let cell = std::array::from_fn(|axis| place[axis] * CELLS / extent[axis]);
        let other = self.partner(cell);
        let first = |cell: usize, axis: usize| (cell * extent[axis]).div_ceil(CELLS);
        let [row, column] =
            std::array::from_fn(|axis| (first(other[axis], axis) + place[axis] - first(cell[axis], axis)).min(extent[axis] - 1));
        let found = pixel(self.image, row, column);
        self.recolour.map_or(found, |(gain, shift)| affine(found, gain, shift))
    }

    /// The cell with which a cell is exchanged.
    fn partner(&self, cell: [usize; 2]) -> [usize; 2] {
        let mut label = cell.map(|index| index as u32);
        for round in 0..4 {
            self.mix(round, &mut label);
        }
        label[1] ^= 1;
        for round in (0..4).rev() {
            self.mix(round, &mut label);
        }
        label.map(|index| index as usize)
    }

    /// One round, which is its own inverse.
    fn mix(&self, round: usize, label: &mut [u32; 2]) {
        let (changed, read) = (round % 2, 1 - round % 2);
        label[changed] ^= self.rounds[round] >> (BITS * label[read]) & (CELLS as u32 - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn structure(rounds: [u32; 4], image: &Image) -> Structure<'_> {
        Structure { image, rounds, recolour: None }
    }

    #[test]
    fn without_functions_neighbours_are_exchanged() {
        let image = Image::from_shape_fn((16, 32, 3), |(row, column, c)| [row as f32, column as f32, 0.0][c]);
        let found = structure([0; 4], &image);
        // Cells of 2 x 4 pixels: the first two of a row change places.
        assert_eq!(found.at([0, 0]), [0.0, 4.0, 0.0]);
        assert_eq!(found.at([15, 6]), [15.0, 2.0, 0.0]);
        // f₀(j) = 1 for j = 0 and 0 otherwise: cell (0, 0) has the label (1, 0), its partner the label (1, 1), which is cell (1,
        // 1).
        assert_eq!(structure([1, 0, 0, 0], &image).at([0, 0]), [2.0, 4.0, 0.0]);
    }

    proptest! {
        #[test]
        fn cells_are_exchanged_in_pairs(rounds in any::<[u32; 4]>()) {
            let image = Image::zeros((8, 8, 3));
            let found = structure(rounds, &image);
            for cell in (0..8).flat_map(|i| (0..8).map(move |j| [i, j])) {
                let other = found.partner(cell);
                prop_assert!(other != cell && other.iter().all(|&index| index < 8));
                prop_assert_eq!(found.partner(other), cell);
            }
        }

        #[test]
        fn any_size_has_a_colour_everywhere(rounds in any::<[u32; 4]>(), (height, width) in (1usize..40, 1usize..40)) {
            let image = Image::from_shape_fn((height, width, 3), |(row, column, c)| [row as f32, column as f32, 0.5][c]);
            let found = structure(rounds, &image);
            for place in (0..height).flat_map(|row| (0..width).map(move |column| [row, column])) {
                let [row, column, _] = found.at(place);
                prop_assert!((row as usize) < height && (column as usize) < width);
            }
        }
    }
}
