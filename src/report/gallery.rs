//! Grey pictures of the theory in rows, as one figure.

use super::colour::grey;
use super::figure::{Figure, FigureRow};
use crate::data::{Image, plane};
use crate::error::Result;
use crate::theory::figure::{GalleryRow, GreyPicture};

/// The picture in RGB; values beyond 0 (black) and 1 (white) are cut off.
///
/// # Errors
/// A side of 0, or another number of values than pixels.
pub(super) fn image(picture: &GreyPicture) -> Result<Image> {
    let values = picture.values.iter().map(|&value| value as f32).collect();
    let plane = plane(picture.height, picture.width, values);
    plane.map(|plane| grey(&plane)).map_err(|error| error.within(format!("the picture `{}`", picture.caption)))
}

/// All rows, pixels visible, with captions above the first row and above every row whose captions differ from those before.
///
/// # Errors
/// A picture with a wrong number of values; no picture; rows of different lengths.
pub fn gallery(rows: &[GalleryRow]) -> Result<Image> {
    let captions = |row: &GalleryRow| -> Vec<String> { row.pictures.iter().map(|picture| picture.caption.clone()).collect() };
    let images = rows.iter().map(|row| row.pictures.iter().map(image).collect()).collect::<Result<Vec<Vec<Image>>>>()?;
    let mut shown = Vec::new();
    let mut figure = Figure::default();
    for (row, images) in rows.iter().zip(&images) {
        let new = captions(row);
        let captions = if new == shown { Vec::new() } else { new.clone() };
        figure.rows.push(FigureRow { label: row.label.clone(), note: String::new(), captions, images: images.iter().collect() });
        shown = new;
    }
    figure.draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, captions: [&str; 2]) -> GalleryRow {
        let picture = |caption: &str| GreyPicture {
            caption: caption.into(),
            height: 2,
            width: 3,
            values: vec![0.0, 0.5, 1.0, -1.0, 2.0, f64::NAN],
        };
        GalleryRow { label: label.into(), pictures: captions.map(picture).into() }
    }

    #[test]
    fn pictures_are_grey_and_cut_to_the_unit_range() {
        let found = image(&row("", ["a", "b"]).pictures[0]).unwrap();
        assert_eq!(found, ndarray::arr3(&[[[0.0; 3], [0.5; 3], [1.0; 3]], [[0.0; 3], [1.0; 3], [0.0; 3]]]));
    }

    #[test]
    fn rows_are_lettered_and_faults_named() {
        let height = |captions| gallery(&[row("σ = 1", ["x̂", "π(x̂)"]), row("σ = 2", captions)]).unwrap().dim().0;
        assert!(height(["x̂", "π(x̂)"]) < height(["x̂", "f(x̂)"]), "new captions need room");
        assert!(gallery(&[]).is_err());
        let mut bad = row("a", ["x", "π"]);
        bad.pictures[1].values.pop();
        assert_eq!(gallery(&[bad.clone()]).unwrap_err().to_string(), "plane: 5 values cannot fill 2x3x1 in the picture `π`");
        bad.pictures.pop();
        assert!(gallery(&[bad, row("b", ["x", "y"])]).is_err());
    }
}
