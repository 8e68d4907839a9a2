//! Maps of square grey images.

use ndarray::Array1;

/// Side of the images.
pub(super) const SIDE: usize = 16;
/// Side of the crop.
const CROPPED: usize = 12;

/// An isometry of images of [`SIDE`] x [`SIDE`] pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isometry {
    /// Down and to the right, around the border.
    Shift([usize; 2]),
    /// By this number of quarter turns.
    Turn(usize),
    /// Left and right exchanged.
    Flip,
}

impl Isometry {
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
        }
    }

    /// g⁻¹.
    pub(super) fn inverse(self) -> Self {
        match self {
            Self::Shift(by) => Self::Shift(by.map(|by| (SIDE - by) % SIDE)),
            Self::Turn(turns) => Self::Turn((4 - turns) % 4),
            Self::Flip => Self::Flip,
        }
    }
}

/// The upper left part, resized bilinearly. Not an isometry.
pub(super) fn crop(image: &Array1<f64>) -> Array1<f64> {
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
    fn isometries_move_pixels_and_their_inverses_move_them_back() {
        let image = Array1::from_shape_fn(SIDE * SIDE, |pixel| pixel as f64);
        for g in [
            Isometry::Shift([1, 0]),
            Isometry::Shift([3, 7]),
            Isometry::Turn(1),
            Isometry::Turn(2),
            Isometry::Turn(3),
            Isometry::Flip,
        ] {
            assert_eq!(g.inverse().apply(&g.apply(&image)), image, "{g:?}");
        }
        assert_eq!(Isometry::Turn(4).apply(&image), image);
        let last = SIDE * SIDE - 1;
        assert_eq!(Isometry::Turn(1).apply(&image)[SIDE - 1], image[last], "the lower right corner goes to the upper right");
        assert_eq!(Isometry::Flip.apply(&image)[0], image[SIDE - 1]);
        assert_eq!(Isometry::Shift([1, 0]).apply(&image)[SIDE], image[0]);
        assert_eq!((crop(&image)[0], crop(&image)[last]), (image[0], image[(CROPPED - 1) * (SIDE + 1)]));
    }
}
