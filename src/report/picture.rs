//! The side-by-side figure (input, reconstruction, heatmap, predicted mask, truth) as one picture.

use super::font;
use crate::data::Image;
use crate::error::{Error, Result};

/// Side of the square that holds one image, in pixels.
const CELL: usize = 256;
const GAP: usize = 10;
const MARGIN: usize = 16;
/// Size of a dot of the font, for titles and for labels.
const TITLE_UNIT: f32 = 2.2;
const LABEL_UNIT: f32 = 1.8;
/// Height of the line of titles and of the line above each row that carries a label.
const TITLE_LINE: usize = 34;
const LABEL_LINE: usize = 26;
const PAPER: f32 = 1.0;
const INK: [f32; 3] = [0.11, 0.12, 0.15];
const FAINT_INK: [f32; 3] = [0.36, 0.38, 0.43];

/// One row of a [`figure`].
#[derive(Clone, Debug)]
pub struct FigureRow<'a> {
    /// Written above the row, e.g. the name and the defect kind; nothing when empty.
    pub label: String,
    /// The images, left to right, one for each title.
    pub images: Vec<&'a Image>,
}

/// Rows of images under column `titles`, on white. Every image is fitted into a square of 256 pixels: small ones are enlarged
/// by a whole factor (pixels stay visible), large ones are averaged down. Printable ASCII and the hat of x̂ can be written.
///
/// # Errors
/// No title, no row, or a row with another number of images than titles.
pub fn figure(titles: &[&str], rows: &[FigureRow<'_>]) -> Result<Image> {
    if titles.is_empty() || rows.is_empty() {
        return Err(Error::argument("a figure needs at least one column and one row"));
    }
    if let Some(row) = rows.iter().find(|row| row.images.len() != titles.len()) {
        let (images, titles) = (row.images.len(), titles.len());
        return Err(Error::argument(format!("figure row `{}` has {images} images for {titles} column titles", row.label)));
    }
    let mut picture = blank(titles.len(), rows);
    for (column, title) in titles.iter().enumerate() {
        write_title(&mut picture, column, title);
    }
    let mut top = MARGIN + TITLE_LINE;
    for row in rows {
        if !row.label.is_empty() {
            let baseline = top as f32 + LABEL_LINE as f32 - font::capital_height(LABEL_UNIT) - 8.0;
            font::write(&mut picture, (MARGIN as f32, baseline), &row.label, LABEL_UNIT, FAINT_INK);
            top += LABEL_LINE;
        }
        for (column, image) in row.images.iter().enumerate() {
            paste(&mut picture, &fit(image), top, left_of(column));
        }
        top += CELL + GAP;
    }
    Ok(picture)
}

/// White paper of the size that the figure takes.
fn blank(columns: usize, rows: &[FigureRow<'_>]) -> Image {
    let labels = rows.iter().filter(|row| !row.label.is_empty()).count();
    let height = 2 * MARGIN + TITLE_LINE + rows.len() * (CELL + GAP) - GAP + labels * LABEL_LINE;
    let width = left_of(columns) - GAP + MARGIN;
    Image { height, width, pixels: vec![PAPER; height * width * 3] }
}

fn left_of(column: usize) -> usize {
    MARGIN + column * (CELL + GAP)
}

/// A title stands in the middle above its column.
fn write_title(picture: &mut Image, column: usize, title: &str) {
    let left = left_of(column) as f32 + 0.5 * (CELL as f32 - font::text_width(title, TITLE_UNIT));
    font::write(picture, (left, MARGIN as f32), title, TITLE_UNIT, INK);
}

/// `image` enlarged by the largest whole factor that stays within the cell, or averaged down to fill it.
fn fit(image: &Image) -> Image {
    let side = image.height.max(image.width);
    if side > CELL { shrink(image, side) } else { enlarge(image, CELL / side) }
}

/// Every pixel `factor` times as high and as wide.
fn enlarge(image: &Image, factor: usize) -> Image {
    let (height, width) = (image.height * factor, image.width * factor);
    build(height, width, |row, column| pixel(image, row / factor, column / factor))
}

/// The mean over what lies under each new pixel, when the longer `side` becomes the cell: pixels count by their share.
fn shrink(image: &Image, side: usize) -> Image {
    let shrunk = |length: usize| (length * CELL / side).max(1);
    let (height, width) = (shrunk(image.height), shrunk(image.width));
    let rows = shares(image.height, height);
    let columns = shares(image.width, width);
    build(height, width, |row, column| {
        let mut sum = [0.0; 3];
        for &(y, height_share) in &rows[row] {
            for &(x, width_share) in &columns[column] {
                let found = pixel(image, y, x);
                sum = [0, 1, 2].map(|c| sum[c] + height_share * width_share * found[c]);
            }
        }
        sum
    })
}

/// For each of `new` equal parts of `old` pixels, which pixels it covers and with which share; shares sum to 1.
fn shares(old: usize, new: usize) -> Vec<Vec<(usize, f32)>> {
    // Lengths in units of 1 / new of a pixel are whole numbers: a pixel is `new` long, a part is `old` long.
    let share = |part: usize, pixel: usize| {
        let overlap = ((part + 1) * old).min((pixel + 1) * new) - (part * old).max(pixel * new);
        (pixel, overlap as f32 / old as f32)
    };
    (0..new).map(|part| (part * old / new..((part + 1) * old).div_ceil(new)).map(|pixel| share(part, pixel)).collect()).collect()
}

/// Copies `part` onto `picture`, in the middle of the cell at (`top`, `left`).
fn paste(picture: &mut Image, part: &Image, top: usize, left: usize) {
    let (top, left) = (top + (CELL - part.height) / 2, left + (CELL - part.width) / 2);
    for row in 0..part.height {
        let target = ((top + row) * picture.width + left) * 3;
        let source = row * part.width * 3;
        picture.pixels[target..target + part.width * 3].copy_from_slice(&part.pixels[source..source + part.width * 3]);
    }
}

fn build(height: usize, width: usize, colour: impl Fn(usize, usize) -> [f32; 3]) -> Image {
    let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    Image { height, width, pixels: pixels.flat_map(|(row, column)| colour(row, column)).collect() }
}

fn pixel(image: &Image, row: usize, column: usize) -> [f32; 3] {
    let start = (row * image.width + column) * 3;
    [0, 1, 2].map(|c| image.pixels[start + c])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(height: usize, width: usize, colour: [f32; 3]) -> Image {
        Image::new(height, width, colour.repeat(height * width)).unwrap()
    }

    #[test]
    fn every_image_stands_in_its_cell() {
        let (red, blue) = (plain(8, 8, [1.0, 0.0, 0.0]), plain(300, 500, [0.0, 0.0, 1.0]));
        let rows = [
            FigureRow { label: "one".into(), images: vec![&red, &blue] },
            FigureRow { label: String::new(), images: vec![&blue, &red] },
        ];
        let found = figure(&["input", "f(x\u{302})"], &rows).unwrap();
        assert_eq!((found.height, found.width), (32 + 34 + 26 + 2 * 256 + 10, 32 + 2 * 256 + 10));
        let first_row = 16 + 34 + 26 + 128;
        let (left, right) = (16 + 128, 16 + 256 + 10 + 128);
        assert_eq!(pixel(&found, first_row, left), [1.0, 0.0, 0.0]);
        assert_eq!(pixel(&found, first_row, right), [0.0, 0.0, 1.0]);
        assert_eq!(pixel(&found, first_row + 266, left), [0.0, 0.0, 1.0]);
        assert_eq!(pixel(&found, first_row + 266, right), [1.0, 0.0, 0.0]);
        let red_pixels = found.pixels.chunks_exact(3).filter(|pixel| *pixel == [1.0, 0.0, 0.0]).count();
        assert_eq!(red_pixels, 2 * 256 * 256);
    }

    #[test]
    fn fitting_enlarges_by_whole_factors_and_averages_down() {
        let checks = Image::new(1, 2, vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        let large = fit(&checks);
        assert_eq!((large.height, large.width), (128, 256));
        assert_eq!((pixel(&large, 127, 127), pixel(&large, 0, 128)), ([0.0; 3], [1.0; 3]));
        let stripes = Image::new(2, 768, [[0.0; 3], [0.6; 3], [0.3; 3]].concat().repeat(512)).unwrap();
        let small = fit(&stripes);
        assert_eq!((small.height, small.width), (1, 256));
        assert!(small.pixels.iter().all(|value| (value - 0.3).abs() < 1e-6));
    }

    #[test]
    fn pixels_count_by_their_share() {
        assert_eq!(shares(3, 2), [vec![(0, 2.0 / 3.0), (1, 1.0 / 3.0)], vec![(1, 1.0 / 3.0), (2, 2.0 / 3.0)]]);
        for (old, new) in [(257, 256), (1000, 256), (999, 1), (7, 7)] {
            let parts = shares(old, new);
            let mut of_pixel = vec![0.0; old];
            for part in &parts {
                approx::assert_abs_diff_eq!(part.iter().map(|share| share.1).sum::<f32>(), 1.0, epsilon = 1e-5);
                part.iter().for_each(|&(pixel, share)| of_pixel[pixel] += share);
            }
            let expected = new as f32 / old as f32;
            assert!(of_pixel.iter().all(|found| (found - expected).abs() < 1e-5), "{old} {new}");
        }
    }

    #[test]
    fn rows_must_fit_the_titles() {
        let image = plain(2, 2, [0.5; 3]);
        let row = FigureRow { label: "scratch_001".into(), images: vec![&image] };
        let error = figure(&["input", "truth"], &[row]).unwrap_err().to_string();
        assert_eq!(error, "figure row `scratch_001` has 1 images for 2 column titles");
        assert!(figure(&["input"], &[]).is_err() && figure(&[], &[]).is_err());
    }
}
