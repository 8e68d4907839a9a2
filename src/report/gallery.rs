//! Galleries of the theory: rows of images as one image.

use super::figure::{Figure, FigureRow};
use super::number::readable;
use crate::data::Image;
use crate::error::{Error, Result};
use crate::shape::in_pixels;
use crate::theory::figure::{Colours, GalleryImage, GalleryRow};

/// The diverging scale: dark blue for -limit, grey for 0, pale orange for limit. It grows lighter all the way, so that the sign
/// is seen in black and white too.
const NEGATIVE: [f32; 3] = [0.05, 0.18, 0.45];
const ZERO: f32 = 0.60;
const POSITIVE: [f32; 3] = [1.0, 0.86, 0.62];

/// Columns of the colour scale at the right of a signed image: a white gap and the scale from limit (top) to -limit.
const SCALE: usize = 3;

/// The image in RGB, signed ones with a colour scale; values beyond the ends of its colours are clamped.
///
/// # Errors
/// A side of 0.
pub(super) fn image(picture: &GalleryImage) -> Result<Image> {
    let (height, width) = picture.values.dim();
    if width * height == 0 {
        let error = Error::shape("gallery", format!("an image of {}", in_pixels(height, width)));
        return Err(error.within(format!("the image `{}`", picture.caption)));
    }
    let pixel = |row: usize, column: usize| match picture.colours {
        Colours::Signed { .. } if column == width => [1.0; 3],
        Colours::Signed { limit } if column > width => {
            colour(picture.colours, limit * (1.0 - 2.0 * row as f64 / (height - 1).max(1) as f64))
        }
        colours => colour(colours, picture.values[[row, column]]),
    };
    let scale = if matches!(picture.colours, Colours::Signed { .. }) { SCALE } else { 0 };
    Ok(Image::from_shape_fn((height, width + scale, 3), |(row, column, channel)| pixel(row, column)[channel]))
}

/// The caption of an image, with the range of its colours where they are signed.
pub(super) fn caption(picture: &GalleryImage) -> String {
    match picture.colours {
        Colours::Grey => picture.caption.clone(),
        Colours::Signed { limit } => format!("{}, -{limit} to {limit}", picture.caption, limit = readable(limit, 2)),
    }
}

/// Red, green and blue of a value: grey, or a diverging scale from dark blue over grey to pale orange. Values that are not a
/// number are black.
fn colour(colours: Colours, value: f64) -> [f32; 3] {
    let Colours::Signed { limit } = colours else {
        return [value.clamp(0.0, 1.0) as f32; 3].map(|grey| if grey.is_nan() { 0.0 } else { grey });
    };
    let part = (value / limit).clamp(-1.0, 1.0) as f32;
    let end = if part < 0.0 { NEGATIVE } else { POSITIVE };
    if part.is_nan() { [0.0; 3] } else { end.map(|end| ZERO + (end - ZERO) * part.abs()) }
}

/// All rows, pixels visible, with captions above the first row and above every row whose captions differ from those before.
///
/// # Errors
/// An invalid image, as [`image`]; no image; rows of different lengths.
pub fn gallery(rows: &[GalleryRow]) -> Result<Image> {
    let captions = |row: &GalleryRow| -> Vec<String> { row.images.iter().map(caption).collect() };
    let images = rows.iter().map(|row| row.images.iter().map(image).collect()).collect::<Result<Vec<Vec<Image>>>>()?;
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
    use ndarray::array;

    fn row(label: &str, captions: [&str; 2]) -> GalleryRow {
        let values = array![[0.0, 0.5, 1.0], [-1.0, 2.0, f64::NAN]];
        let image = |caption: &str| GalleryImage { caption: caption.into(), values: values.clone(), colours: Colours::Grey };
        GalleryRow { label: label.into(), images: captions.map(image).into() }
    }

    #[test]
    fn images_are_grey_and_clamped_to_the_unit_range() {
        let found = image(&row("", ["a", "b"]).images[0]).unwrap();
        assert_eq!(found, ndarray::arr3(&[[[0.0; 3], [0.5; 3], [1.0; 3]], [[0.0; 3], [1.0; 3], [0.0; 3]]]));
    }

    #[test]
    fn signed_images_grow_lighter_from_one_end_to_the_other_and_have_a_scale() {
        let values = array![[-9.0, 0.0], [0.25, 0.5]];
        let signed = GalleryImage { caption: "d".into(), values, colours: Colours::Signed { limit: 0.5 } };
        let found = image(&signed).unwrap();
        assert_eq!(found.dim(), (2, 5, 3));
        let (white, zero) = ([1.0; 3], [ZERO; 3]);
        let pixel = |row: usize, column: usize| [0, 1, 2].map(|channel| found[[row, column, channel]]);
        let expected =
            [((0, 0), NEGATIVE), ((0, 1), zero), ((1, 1), POSITIVE), ((0, 2), white), ((0, 3), POSITIVE), ((1, 4), NEGATIVE)];
        for ((row, column), colour) in expected {
            let near = pixel(row, column).iter().zip(colour).all(|(found, wanted)| (found - wanted).abs() < 1e-6);
            assert!(near, "{row}, {column}: {:?}, not {colour:?}", pixel(row, column));
        }
        assert_eq!(caption(&signed), "d, -0.5 to 0.5");
        // Luminance (Rec. 709).
        let light = |step: i32| {
            let colour = colour(signed.colours, 0.05 * f64::from(step));
            0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
        };
        assert!((-10..10).all(|step| light(step + 1) > light(step) + 0.01));
    }

    #[test]
    fn rows_have_captions_of_their_own_and_must_have_equal_lengths() {
        let height = |captions| gallery(&[row("σ = 1", ["x̂", "π(x̂)"]), row("σ = 2", captions)]).unwrap().dim().0;
        assert!(height(["x̂", "π(x̂)"]) < height(["x̂", "f(x̂)"]), "new captions need room");
        assert!(gallery(&[row("a", ["x", "y"]), row("b", ["x", "z"])]).is_ok());
        assert!(gallery(&[]).is_err());
        let mut bad = row("a", ["x", "π"]);
        bad.images.pop();
        assert!(gallery(&[bad, row("b", ["x", "y"])]).is_err());
    }
}
