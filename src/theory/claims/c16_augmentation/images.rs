//! Maps of square grey images.

use ndarray::Array1;

/// Side of the images.
pub(super) const SIDE: usize = 16;
/// Side of the crop.
const CROPPED: usize = 12;

/// A map of images of [`SIDE`] x [`SIDE`] pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Augmentation {
    /// Down and to the right, around the border.
    Shift([usize; 2]),
    /// By this number of quarter turns.
    Turn(usize),
    /// Left and right exchanged.
    Flip,
    /// The upper left part, resized bilinearly. Not an isometry.
    Crop,
}

impl Augmentation {
    pub(super) fn apply(self, image: &Array1<f64>) -> Array1<f64> {
        let from = |source: &dyn Fn([usize; 2]) -> [usize; 2]| {
            Array1::from_shape_fn(SIDE * SIDE, |pixel| {
                let [row, column] = source([pixel / SIDE, pixel % SIDE]);
                image[row * SIDE + column]
            })
        };
        match self {
            Self::Shift([down, right]) => from(&|[row, column]| [(row + SIDE - down) % SIDE, (column + SIDE - right) % SIDE]),
            Self::Turn(0) => image.clone(),
            Self::Turn(turns) => Self::Turn(turns - 1).apply(&from(&|[row, column]| [column, SIDE - 1 - row])),
            Self::Flip => from(&|[row, column]| [row, SIDE - 1 - column]),
            Self::Crop => crop(image),
        }
    }

    /// g⁻¹ of a turn or a flip; the map itself for others.
    pub(super) fn inverse(self) -> Self {
        match self {
            Self::Turn(turns) => Self::Turn((4 - turns) % 4),
            other => other,
        }
    }
}

fn crop(image: &Array1<f64>) -> Array1<f64> {
    let scale = (CROPPED - 1) as f64 / (SIDE - 1) as f64;
    Array1::from_shape_fn(SIDE * SIDE, |pixel| {
        let [(row, down), (column, right)] = [pixel / SIDE, pixel % SIDE].map(|place| {
            let at = scale * place as f64;
            (at.floor() as usize, at - at.floor())
        });
        let value = |row: usize, column: usize| image[row.min(SIDE - 1) * SIDE + column.min(SIDE - 1)];
        let along = |row: usize| (1.0 - right) * value(row, column) + right * value(row, column + 1);
        (1.0 - down) * along(row) + down * along(row + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_quarter_turns_and_two_flips_are_the_identity() {
        let image = Array1::from_shape_fn(SIDE * SIDE, |pixel| (pixel * pixel % 97) as f64);
        let twice = |g: Augmentation| g.apply(&g.apply(&image));
        assert_eq!(Augmentation::Turn(4).apply(&image), image);
        assert_eq!(twice(Augmentation::Flip), image);
        assert_eq!(Augmentation::Turn(3).inverse().apply(&Augmentation::Turn(3).apply(&image)), image);
        assert_eq!(
            Augmentation::Turn(1).apply(&image)[SIDE - 1],
            image[SIDE * SIDE - 1 - (SIDE - 1) - (SIDE - 1) * SIDE + (SIDE - 1) * SIDE]
        );
        assert_eq!(Augmentation::Shift([1, 0]).apply(&image)[SIDE], image[0]);
        assert_eq!(Augmentation::Crop.apply(&image)[0], image[0]);
    }
}
