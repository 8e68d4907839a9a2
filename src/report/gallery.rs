//! Grey pictures of the theory in rows, as one picture.

use super::picture::{FigureRow, figure};
use super::spell::spelled;
use crate::data::sheet::grey;
use crate::data::{Image, Plane};
use crate::error::Result;
use crate::theory::figure::{GalleryRow, GreyPicture};

/// The picture in RGB; values beyond 0 (black) and 1 (white) are cut off.
///
/// # Errors
/// A side of 0, or another number of values than pixels.
pub(super) fn image(picture: &GreyPicture) -> Result<Image> {
    let values = picture.values.iter().map(|&value| value as f32).collect();
    let plane = Plane::new(picture.height, picture.width, values);
    plane.map(|plane| grey(&plane)).map_err(|error| error.within(format!("the picture `{}`", picture.caption)))
}

/// All rows under their captions, pixels visible. Captions that are the same in every row stand above the columns, others
/// beside the label of their row.
///
/// # Errors
/// A picture that is none, as [`image`]; no picture; rows of different lengths.
pub fn gallery(rows: &[GalleryRow]) -> Result<Image> {
    let captions = |row: &GalleryRow| -> Vec<String> { row.pictures.iter().map(|picture| spelled(&picture.caption)).collect() };
    let titles = rows.first().map(captions).unwrap_or_default();
    let are_shared = rows.iter().all(|row| captions(row) == titles);
    let images = rows.iter().map(|row| row.pictures.iter().map(image).collect()).collect::<Result<Vec<Vec<Image>>>>()?;
    let label = |row: &GalleryRow| {
        let label = spelled(&row.label);
        if are_shared { label } else { format!("{label}: {}", captions(row).join(" | ")) }
    };
    let figure_rows: Vec<FigureRow<'_>> =
        rows.iter().zip(&images).map(|(row, images)| FigureRow { label: label(row), images: images.iter().collect() }).collect();
    let titles: Vec<&str> = titles.iter().map(|title| if are_shared { title.as_str() } else { "" }).collect();
    figure(&titles, &figure_rows)
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
        assert_eq!((found.height, found.width), (2, 3));
        assert_eq!(found.pixels[..15], [[0.0; 3], [0.5; 3], [1.0; 3], [0.0; 3], [1.0; 3]].concat()[..]);
    }

    #[test]
    fn rows_are_lettered_and_faults_named() {
        let sheet = gallery(&[row("σ = 1", ["x̂", "π(x̂)"]), row("σ = 2", ["x̂", "π(x̂)"])]).unwrap();
        assert_eq!((sheet.height, sheet.width), (32 + 34 + 2 * (256 + 26) + 10, 32 + 2 * 256 + 10));
        assert!(gallery(&[row("a", ["x", "y"]), row("b", ["x", "z"])]).is_ok());
        assert!(gallery(&[]).is_err());
        let mut bad = row("a", ["x", "π"]);
        bad.pictures[1].values.pop();
        assert_eq!(gallery(&[bad.clone()]).unwrap_err().to_string(), "plane: 5 values cannot fill 2x3x1 in the picture `π`");
        bad.pictures.pop();
        assert!(gallery(&[bad, row("b", ["x", "y"])]).is_err());
    }
}
