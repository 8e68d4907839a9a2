//! The side-by-side figure (input, reconstruction, heatmap, predicted mask, truth) as one picture.

use super::font;
use crate::data::Image;
use crate::error::{Error, Result};

/// Side of the square that holds one image, in pixels.
const CELL: usize = 224;
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

/// Rows of images under column `titles`, on white. Every image is fitted into a square of 224 pixels: small ones are enlarged
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

/// `image` with its longer side as near to the cell as a whole factor allows, and never above it.
fn fit(image: &Image) -> Image {
    let side = image.height.max(image.width);
    if side > CELL { shrink(image, side.div_ceil(CELL)) } else { enlarge(image, CELL / side) }
}

/// Every pixel `factor` times as high and as wide.
fn enlarge(image: &Image, factor: usize) -> Image {
    let (height, width) = (image.height * factor, image.width * factor);
    build(height, width, |row, column| pixel(image, row / factor, column / factor))
}

/// The mean over blocks of `factor` x `factor` pixels; blocks at the right and lower border may be smaller.
fn shrink(image: &Image, factor: usize) -> Image {
    build(image.height.div_ceil(factor), image.width.div_ceil(factor), |row, column| {
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for y in row * factor..((row + 1) * factor).min(image.height) {
            for x in column * factor..((column + 1) * factor).min(image.width) {
                let found = pixel(image, y, x);
                sum = [0, 1, 2].map(|c| sum[c] + found[c]);
                count += 1.0;
            }
        }
        sum.map(|channel| channel / count)
    })
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
        assert_eq!((found.height, found.width), (32 + 34 + 26 + 2 * 224 + 10, 32 + 2 * 224 + 10));
        let first_row = 16 + 34 + 26 + 112;
        let (left, right) = (16 + 112, 16 + 224 + 10 + 112);
        assert_eq!(pixel(&found, first_row, left), [1.0, 0.0, 0.0]);
        assert_eq!(pixel(&found, first_row, right), [0.0, 0.0, 1.0]);
        assert_eq!(pixel(&found, first_row + 234, left), [0.0, 0.0, 1.0]);
        assert_eq!(pixel(&found, first_row + 234, right), [1.0, 0.0, 0.0]);
        let red_pixels = found.pixels.chunks_exact(3).filter(|pixel| *pixel == [1.0, 0.0, 0.0]).count();
        assert_eq!(red_pixels, 2 * 224 * 224);
    }

    #[test]
    fn fitting_enlarges_by_whole_factors_and_averages_down() {
        let checks = Image::new(1, 2, vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        let large = fit(&checks);
        assert_eq!((large.height, large.width), (112, 224));
        assert_eq!((pixel(&large, 111, 111), pixel(&large, 0, 112)), ([0.0; 3], [1.0; 3]));
        let stripes = Image::new(2, 450, [[0.0; 3], [0.6; 3], [0.3; 3]].concat().repeat(300)).unwrap();
        let small = fit(&stripes);
        assert_eq!((small.height, small.width), (1, 150));
        assert!(small.pixels.iter().all(|value| (value - 0.3).abs() < 1e-6));
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
