//! Grey pictures of the theory in rows, as one picture.

use super::picture::{FigureRow, figure};
use super::spell::spelled;
use crate::data::Image;
use crate::error::Result;
use crate::theory::figure::{Colours, GalleryImage, GalleryRow};

/// Ends of the diverging scale: blue for -limit, red for limit.
const NEGATIVE: [f32; 3] = [0.13, 0.40, 0.67];
const POSITIVE: [f32; 3] = [0.70, 0.09, 0.17];

/// The image in RGB; values beyond the ends of its colours are clamped.
///
/// # Errors
/// A side of 0.
pub(super) fn image(picture: &GalleryImage) -> Result<Image> {
    let (height, width) = picture.values.dim();
    let pixels = picture.values.iter().flat_map(|&value| colour(picture.colours, value)).collect();
    Image::new(height, width, pixels).map_err(|error| error.within(format!("the image `{}`", picture.caption)))
}

/// Red, green and blue of a value: grey, or a diverging scale from blue over white to red. Values that are not a number are black.
fn colour(colours: Colours, value: f64) -> [f32; 3] {
    let Colours::Signed { limit } = colours else {
        return [value.clamp(0.0, 1.0) as f32; 3].map(|grey| if grey.is_nan() { 0.0 } else { grey });
    };
    let part = (value / limit).clamp(-1.0, 1.0) as f32;
    let end = if part < 0.0 { NEGATIVE } else { POSITIVE };
    if part.is_nan() { [0.0; 3] } else { end.map(|end| 1.0 + (end - 1.0) * part.abs()) }
}

/// All rows under their captions, pixels visible. Captions that are the same in every row stand above the columns, others
/// beside the label of their row.
///
/// # Errors
/// A picture that is none, as [`image`]; no picture; rows of different lengths.
pub fn gallery(rows: &[GalleryRow]) -> Result<Image> {
    let captions = |row: &GalleryRow| -> Vec<String> { row.images.iter().map(|picture| spelled(&picture.caption)).collect() };
    let titles = rows.first().map(captions).unwrap_or_default();
    let are_shared = rows.iter().all(|row| captions(row) == titles);
    let images = rows.iter().map(|row| row.images.iter().map(image).collect()).collect::<Result<Vec<Vec<Image>>>>()?;
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
