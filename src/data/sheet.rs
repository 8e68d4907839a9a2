//! Contact sheets: many pictures in one, to look at.

use super::{Image, Plane};
use crate::error::{Error, Result};

/// Pixels between pictures and around them.
const GAP: usize = 2;
/// Neutral grey.
const BACKGROUND: f32 = 0.5;

/// A contact sheet: `columns[j][i]` is the picture in row i and column j, e.g. images, corrupted images and masks. All
/// pictures have the same size; a column may be shorter than the others and leaves background. Rows and columns are 2 pixels
/// apart.
///
/// # Errors
/// No picture at all; pictures of different sizes.
pub fn contact_sheet(columns: &[&[Image]]) -> Result<Image> {
    let Some(first) = columns.iter().flat_map(|column| column.iter()).next() else {
        return Err(Error::shape("contact_sheet", "there is no picture to show"));
    };
    let rows = columns.iter().map(|column| column.len()).max().unwrap_or(0);
    let height = GAP + rows * (first.height + GAP);
    let width = GAP + columns.len() * (first.width + GAP);
    let mut sheet = Image::new(height, width, vec![BACKGROUND; height * width * 3])?;
    for (j, column) in columns.iter().enumerate() {
        for (i, picture) in column.iter().enumerate() {
            if (picture.height, picture.width) != (first.height, first.width) {
                let sizes = format!("{}x{}, the first is {}x{}", picture.height, picture.width, first.height, first.width);
                return Err(Error::shape("contact_sheet", format!("the picture in row {i}, column {j} is {sizes}")));
            }
            paste(&mut sheet, picture, GAP + i * (first.height + GAP), GAP + j * (first.width + GAP));
        }
    }
    Ok(sheet)
}

/// The plane as a grey picture; values are cut to [0, 1].
pub fn grey(plane: &Plane) -> Image {
    let pixels = plane.values.iter().flat_map(|value| [value.clamp(0.0, 1.0); 3]).collect();
    Image { height: plane.height, width: plane.width, pixels }
}

fn paste(sheet: &mut Image, picture: &Image, top: usize, left: usize) {
    for (i, line) in picture.pixels.chunks_exact(picture.width * 3).enumerate() {
        let start = ((top + i) * sheet.width + left) * 3;
        sheet.pixels[start..start + line.len()].copy_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(height: usize, width: usize, value: f32) -> Image {
        grey(&Plane::new(height, width, vec![value; height * width]).unwrap())
    }

    #[test]
    fn every_picture_lies_in_its_place() {
        let (a, b, c) = (plain(3, 5, 0.1), plain(3, 5, 0.2), plain(3, 5, 0.3));
        let sheet = contact_sheet(&[&[a, b], &[c]]).unwrap();
        assert_eq!((sheet.height, sheet.width), (12, 16));
        let owner = |row: usize, column: usize| match (row, column) {
            (2..5, 2..7) => 0.1,
            (7..10, 2..7) => 0.2,
            (2..5, 9..14) => 0.3,
            _ => BACKGROUND,
        };
        for row in 0..12 {
            for column in 0..16 {
                let start = (row * 16 + column) * 3;
                assert_eq!(sheet.pixels[start..start + 3], [owner(row, column); 3], "row {row} column {column}");
            }
        }
    }

    #[test]
    fn grey_cuts_to_the_unit_range() {
        let picture = grey(&Plane::new(1, 3, vec![-1.0, 0.25, 7.0]).unwrap());
        assert_eq!(picture.pixels, [0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn nothing_to_show_and_unequal_sizes_are_refused() {
        assert!(contact_sheet(&[]).is_err());
        assert!(contact_sheet(&[&[], &[]]).is_err());
        let error = contact_sheet(&[&[plain(3, 5, 0.0)], &[plain(5, 3, 0.0)]]).unwrap_err().to_string();
        assert_eq!(error, "contact_sheet: the picture in row 0, column 1 is 5x3, the first is 3x5");
    }
}
