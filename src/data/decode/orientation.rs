//! How a camera was held, which it writes into the EXIF data instead of turning the picture.

/// The value of the EXIF tag `Orientation`, 1 to 8; what is not one of these counts as 1, upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation(u8);

impl Orientation {
    pub(super) const UPRIGHT: Self = Self(1);

    /// That of an EXIF block.
    pub(super) fn of_exif(block: &[u8]) -> Self {
        Self(image::metadata::Orientation::from_exif_chunk(block).map_or(1, image::metadata::Orientation::to_exif))
    }

    /// That of the tag of a TIFF file.
    pub(super) fn of_tag(value: Option<u16>) -> Self {
        value.and_then(|value| u8::try_from(value).ok()).filter(|value| (1..=8).contains(value)).map_or(Self::UPRIGHT, Self)
    }

    /// Height and width as seen, from those as stored.
    pub(super) fn upright<T>(self, [height, width]: [T; 2]) -> [T; 2] {
        if self.0 >= 5 { [width, height] } else { [height, width] }
    }

    /// Whether rows are seen in the order in which they are stored.
    pub(super) fn keeps_rows(self) -> bool {
        self.0 <= 2
    }

    /// Row and column as stored, in a picture of this stored height and width, of the pixel seen at a row and column.
    pub(super) fn stored(self, [height, width]: [usize; 2], [row, column]: [usize; 2]) -> [usize; 2] {
        match self.0 {
            2 => [row, width - 1 - column],
            3 => [height - 1 - row, width - 1 - column],
            4 => [height - 1 - row, column],
            5 => [column, row],
            6 => [height - 1 - column, row],
            7 => [height - 1 - column, width - 1 - row],
            8 => [column, width - 1 - row],
            _ => [row, column],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF 2.32, table of `Orientation`: on which side the 0th row and the 0th column are seen.
    #[test]
    fn the_first_row_and_column_are_where_the_standard_says() {
        let sides = [(1, "top left"), (2, "top right"), (3, "bottom right"), (4, "bottom left")];
        let turned = [(5, "left top"), (6, "right top"), (7, "right bottom"), (8, "left bottom")];
        let stored = [2, 3];
        for (value, words) in sides.into_iter().chain(turned) {
            let own = Orientation::of_tag(Some(value));
            let [height, width] = own.upright(stored);
            let places = (0..height).flat_map(|row| (0..width).map(move |column| [row, column]));
            let side = |axis: usize| {
                let seen: Vec<[usize; 2]> = places.clone().filter(|&at| own.stored(stored, at)[axis] == 0).collect();
                let all = |is: &dyn Fn(&[usize; 2]) -> bool| seen.iter().all(is);
                let candidates: [(&str, bool); 4] = [
                    ("top", all(&|at| at[0] == 0)),
                    ("bottom", all(&|at| at[0] == height - 1)),
                    ("left", all(&|at| at[1] == 0)),
                    ("right", all(&|at| at[1] == width - 1)),
                ];
                candidates.into_iter().find(|(_, is)| *is).map_or("nowhere", |(name, _)| name)
            };
            assert_eq!(format!("{} {}", side(0), side(1)), words, "{value}");
        }
    }

    #[test]
    fn a_value_out_of_range_is_upright() {
        for value in [None, Some(0), Some(9), Some(65535)] {
            assert_eq!(Orientation::of_tag(value), Orientation::UPRIGHT);
        }
        for block in [&b""[..], b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"] {
            assert_eq!(Orientation::of_exif(block), Orientation::UPRIGHT);
        }
    }
}
