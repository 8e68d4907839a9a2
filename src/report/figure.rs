//! Images in labelled rows and columns as one PNG figure.

use ndarray::{Axis, s};

use super::colour::{Scale, heat};
use super::number::readable;
use super::text::Pen;
use crate::data::{Image, resize, sides};
use crate::error::{Error, Result};
use crate::shape::in_pixels;
use crate::spare;

/// Approximate length of the longer side of an image in the figure, in pixels.
const SIDE: usize = 256;
const GAP: usize = 10;
const MARGIN: usize = 22;
const TEXT: f32 = 21.0;
const NOTE: f32 = 18.0;
const LINE: usize = 26;
/// Labels to the left of the rows are broken into lines of at most this width.
const MAX_LABEL: f32 = 250.0;
/// Height of the heat scale.
const BAR: usize = 14;
const PAPER: f32 = 1.0;
const INK: [f32; 3] = [0.11, 0.12, 0.15];
const FAINT_INK: [f32; 3] = [0.36, 0.38, 0.43];
/// A line of one pixel around every image: without it, the white parts of a mask would run into the paper.
const FRAME: f32 = 0.8;

/// Images in rows.
#[derive(Clone, Debug, Default)]
pub struct Figure<'a> {
    /// The rows, from top to bottom, all with the same number of images.
    pub rows: Vec<FigureRow<'a>>,
    /// Heat scales under columns.
    pub heat_scales: Vec<HeatScale>,
}

/// A row of a [`Figure`].
#[derive(Clone, Debug, Default)]
pub struct FigureRow<'a> {
    /// Written to the left of the row, e.g. the kind of defect; may be empty.
    pub label: String,
    /// Written below the label in smaller letters; line breaks are kept.
    pub note: String,
    /// Written above the images, one each; empty for a row that shares the captions of the row above.
    pub captions: Vec<String>,
    /// The images, from left to right.
    pub images: Vec<&'a Image>,
}

/// A heat scale with numbers.
#[derive(Clone, Copy, Debug)]
pub struct HeatScale {
    /// The column of the heatmaps, counted from 0.
    pub column: usize,
    /// Values of the darkest and the brightest colour.
    pub scale: Scale,
    /// Marked on the scale, if given.
    pub threshold: Option<f64>,
}

/// Sizes of a figure, in pixels.
struct Layout {
    /// Longer side of an image.
    side: usize,
    /// Height and width of a cell.
    cell: (usize, usize),
    /// Left edge of the first column.
    left: usize,
    columns: usize,
}

impl Figure<'_> {
    /// The figure as one image on white. All images keep their aspect ratio. Images smaller than about 256 pixels are enlarged by
    /// a whole factor, so that pixels stay visible; larger ones are averaged down.
    ///
    /// # Errors
    /// No row or no image; rows of different lengths; captions that are not one for each image; an image that is not `[height,
    /// width, 3]`.
    pub fn draw(&self) -> Result<Image> {
        let layout = self.layout()?;
        let height = 2 * MARGIN + self.rows.iter().map(|row| layout.height_of(row)).sum::<usize>() - GAP + self.scale_height();
        let width = layout.left + layout.columns * (layout.cell.1 + GAP) - GAP + MARGIN;
        let mut picture = paper(height, width)?;
        let mut top = MARGIN;
        for row in &self.rows {
            draw_row(&mut picture, row, &layout, top)?;
            top += layout.height_of(row);
        }
        for scale in self.heat_scales.iter().filter(|scale| scale.column < layout.columns) {
            draw_scale(&mut picture, *scale, &layout, top - GAP)?;
        }
        Ok(picture)
    }

    fn layout(&self) -> Result<Layout> {
        let columns = self.rows.first().map_or(0, |row| row.images.len());
        if columns == 0 {
            return Err(Error::argument("a figure needs at least one row and one column"));
        }
        let mut largest = (1, 1);
        let mut label_width: f32 = 0.0;
        for row in &self.rows {
            if row.images.len() != columns || !(row.captions.is_empty() || row.captions.len() == columns) {
                let (images, captions) = (row.images.len(), row.captions.len());
                let text = format!("has {images} images and {captions} captions for {columns} columns");
                return Err(Error::argument(format!("row `{}` of a figure {text}", row.label)));
            }
            for image in &row.images {
                let (height, width) = sides("figure", image)?;
                largest = (largest.0.max(height), largest.1.max(width));
            }
            label_width = lines_of(row)?.iter().map(|(pen, line)| pen.width(line)).fold(label_width, f32::max);
        }
        let longer = largest.0.max(largest.1);
        // A multiple of the image's own side leaves no white around it.
        let side = if longer < SIDE { longer * (SIDE as f32 / longer as f32).round() as usize } else { SIDE };
        let label_width = if label_width > 0.0 { label_width.ceil() as usize + 2 * GAP } else { 0 };
        Ok(Layout { side, cell: fitted(largest, side), left: MARGIN + label_width, columns })
    }

    fn scale_height(&self) -> usize {
        if self.heat_scales.is_empty() { 0 } else { GAP + BAR + LINE }
    }
}

impl Layout {
    /// Height of a row with its captions and the gap below it.
    fn height_of(&self, row: &FigureRow<'_>) -> usize {
        self.cell.0 + GAP + if row.captions.is_empty() { 0 } else { LINE + GAP }
    }

    fn left_of(&self, column: usize) -> usize {
        self.left + column * (self.cell.1 + GAP)
    }
}

/// White of this size.
///
/// # Errors
/// Too little memory.
fn paper(height: usize, width: usize) -> Result<Image> {
    let count = height.saturating_mul(width).saturating_mul(3);
    let short = |_| {
        let reason = format!("{} for a figure; more free memory is needed", in_pixels(height, width));
        Error::OutOfMemory { device: "cpu", reason }
    };
    let mut values = spare::reserved(count).map_err(short)?;
    values.resize(count, PAPER);
    Image::from_shape_vec((height, width, 3), values).map_err(|error| Error::shape("figure", error))
}

/// The lines of a row's label and note, each with its pen.
fn lines_of(row: &FigureRow<'_>) -> Result<Vec<(Pen, String)>> {
    let label = Pen::semibold(TEXT, INK)?.wrapped(&row.label, MAX_LABEL).into_iter().map(|line| (Pen::semibold(TEXT, INK), line));
    let note = row.note.lines().map(|line| (Pen::regular(NOTE, FAINT_INK), line.to_owned()));
    label.chain(note).map(|(pen, line)| Ok((pen?, line))).collect()
}

/// The captions of a row, its label in the middle of its height, and its images.
fn draw_row(picture: &mut Image, row: &FigureRow<'_>, layout: &Layout, top: usize) -> Result<()> {
    let pen = Pen::semibold(TEXT, INK)?;
    for (column, caption) in row.captions.iter().enumerate() {
        let left = layout.left_of(column) as f32 + 0.5 * (layout.cell.1 as f32 - pen.width(caption));
        pen.write(picture, left, (top + LINE - 6) as f32, caption);
    }
    let top = top + layout.height_of(row) - GAP - layout.cell.0;
    let lines = lines_of(row)?;
    let first = top + (layout.cell.0 / 2).saturating_sub(lines.len() * LINE / 2);
    for (number, (pen, line)) in lines.iter().enumerate() {
        pen.write(picture, MARGIN as f32, (first + (number + 1) * LINE - 7) as f32, line);
    }
    for (column, image) in row.images.iter().enumerate() {
        let part = fit(image, layout)?;
        let (height, width, _) = part.dim();
        let (top, left) = (top + (layout.cell.0 - height) / 2, layout.left_of(column) + (layout.cell.1 - width) / 2);
        picture.slice_mut(s![top - 1..top + height + 1, left - 1..left + width + 1, ..]).fill(FRAME);
        picture.slice_mut(s![top..top + height, left..left + width, ..]).assign(&part);
    }
    Ok(())
}

/// A bar as wide as its column, numbers under its ends, and the threshold as a white mark with its number.
fn draw_scale(picture: &mut Image, scale: HeatScale, layout: &Layout, top: usize) -> Result<()> {
    let (top, left, width) = (top + GAP, layout.left_of(scale.column), layout.cell.1);
    for x in 0..width {
        for (c, value) in heat(x as f32 / (width - 1).max(1) as f32).into_iter().enumerate() {
            picture.slice_mut(s![top..top + BAR, left + x, c]).fill(value);
        }
    }
    let pen = Pen::regular(NOTE, FAINT_INK)?;
    let mut number = |value: f64, at: f32, share: f32| {
        let text = readable(value, 3);
        pen.write(picture, left as f32 + at * width as f32 - share * pen.width(&text), (top + BAR + LINE - 5) as f32, &text);
    };
    number(f64::from(scale.scale.low), 0.0, 0.0);
    number(f64::from(scale.scale.high), 1.0, 1.0);
    let Some(threshold) = scale.threshold else { return Ok(()) };
    let place = scale.scale.place(threshold as f32);
    if (0.15..0.85).contains(&place) {
        number(threshold, place, 0.5);
        let x = left + (place * width as f32) as usize;
        picture.slice_mut(s![top..top + BAR, x - 1..x + 1, ..]).fill(PAPER);
    }
    Ok(())
}

/// Height and width of an image of this size in the figure.
fn fitted((height, width): (usize, usize), side: usize) -> (usize, usize) {
    let longer = height.max(width);
    if longer <= side {
        let factor = side / longer;
        return (height * factor, width * factor);
    }
    let shrunk = |length: usize| (length * side / longer).max(1);
    (shrunk(height), shrunk(width))
}

/// As [`fitted`], but within its cell, which can be shorter or narrower if another image has a different aspect ratio.
fn placed((height, width): (usize, usize), layout: &Layout) -> (usize, usize) {
    let (found, (rows, columns)) = (fitted((height, width), layout.side), layout.cell);
    if found.0 <= rows && found.1 <= columns {
        return found;
    }
    match (rows / height).min(columns / width) {
        0 if rows * width < columns * height => (rows, (width * rows / height).max(1)),
        0 => ((height * columns / width).max(1), columns),
        factor => (height * factor, width * factor),
    }
}

fn fit(image: &Image, layout: &Layout) -> Result<Image> {
    let (old_height, old_width, _) = image.dim();
    let (height, width) = placed((old_height, old_width), layout);
    if height < old_height || width < old_width {
        return resize(image, height, width);
    }
    let repeated = |new: usize, old: usize| (0..new).map(|place| place * old / new).collect::<Vec<_>>();
    Ok(image.select(Axis(0), &repeated(height, old_height)).select(Axis(1), &repeated(width, old_width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [f32; 3] = [1.0, 0.0, 0.0];
    const BLUE: [f32; 3] = [0.0, 0.0, 1.0];

    fn plain(height: usize, width: usize, colour: [f32; 3]) -> Image {
        Image::from_shape_fn((height, width, 3), |(_, _, c)| colour[c])
    }

    fn count(picture: &Image, colour: [f32; 3]) -> usize {
        picture.lanes(Axis(2)).into_iter().filter(|pixel| pixel.iter().eq(&colour)).count()
    }

    #[test]
    fn paper_that_no_memory_can_hold_is_an_error() {
        let error = paper(1 << 31, 1 << 30).unwrap_err();
        assert!(error.is_out_of_memory() && error.to_string().ends_with("for a figure; more free memory is needed"), "{error}");
        assert_eq!(paper(2, 3).unwrap(), Image::from_elem((2, 3, 3), PAPER));
    }

    #[test]
    fn every_image_is_shown_whole_and_fills_its_cell() {
        let (red, blue) = (plain(96, 96, RED), plain(96, 96, BLUE));
        let row = |label: &str, captions: &[&str], images: [&'static Image; 2]| FigureRow {
            label: label.into(),
            note: "score 1.5".into(),
            captions: captions.iter().map(|&caption| caption.into()).collect(),
            images: images.into(),
        };
        let (red, blue): (&'static Image, &'static Image) = (Box::leak(Box::new(red)), Box::leak(Box::new(blue)));
        let rows = vec![row("scratch", &["input", "f(x\u{302})"], [red, blue]), row("", &[], [blue, red])];
        let found = Figure { rows, heat_scales: vec![] }.draw().unwrap();
        assert_eq!(found.dim().0, 2 * MARGIN + LINE + GAP + 2 * 288 + GAP);
        assert_eq!((count(&found, RED), count(&found, BLUE)), (2 * 288 * 288, 2 * 288 * 288));
        let text = found.slice(s![.., ..MARGIN + 40, 0]).iter().filter(|&&value| value < 0.5).count();
        assert!(text > 100, "the label is written to the left of the row");
    }

    #[test]
    fn images_are_enlarged_by_whole_factors_and_averaged_down() {
        let checks = Image::from_shape_fn((1, 2, 3), |(_, column, _)| column as f32);
        let layout = Layout { side: 256, cell: (256, 256), left: 0, columns: 1 };
        let large = fit(&checks, &layout).unwrap();
        assert_eq!((large.dim(), large[[127, 127, 0]], large[[0, 128, 0]]), ((128, 256, 3), 0.0, 1.0));
        let stripes = Image::from_shape_fn((2, 768, 3), |(_, column, _)| [0.0, 0.6, 0.3][column % 3]);
        let small = fit(&stripes, &layout).unwrap();
        assert_eq!(small.dim(), (1, 256, 3));
        assert!(small.slice(s![.., 1..255, ..]).iter().all(|value| (value - 0.3).abs() < 0.05));
    }

    #[test]
    fn the_heat_scale_runs_under_its_column_and_marks_the_threshold() {
        let image = plain(64, 64, BLUE);
        let rows = vec![FigureRow { images: vec![&image, &image], ..FigureRow::default() }];
        let scale = HeatScale { column: 1, scale: Scale { low: 0.0, high: 4.0 }, threshold: Some(1.0) };
        let found = Figure { rows, heat_scales: vec![scale] }.draw().unwrap();
        let row = MARGIN + 256 + GAP + BAR / 2;
        let at = |x: usize| [0, 1, 2].map(|c| found[[row, MARGIN + 256 + GAP + x, c]]);
        assert_eq!((at(0), at(255), at(64)), (heat(0.0), heat(1.0), [PAPER; 3]));
        assert_eq!(found[[row, MARGIN + 10, 0]], PAPER);
    }

    #[test]
    fn rows_must_agree() {
        let image = plain(2, 2, [0.5; 3]);
        let row = |count: usize| FigureRow { label: "scratch".into(), images: vec![&image; count], ..FigureRow::default() };
        let error = Figure { rows: vec![row(2), row(1)], heat_scales: vec![] }.draw().unwrap_err().to_string();
        assert_eq!(error, "row `scratch` of a figure has 1 images and 0 captions for 2 columns");
        assert!(Figure::default().draw().is_err() && Figure { rows: vec![row(0)], heat_scales: vec![] }.draw().is_err());
        let none = Image::zeros((0, 2, 3));
        let rows = vec![FigureRow { images: vec![&none], ..FigureRow::default() }];
        assert!(Figure { rows, heat_scales: vec![] }.draw().is_err());
    }

    #[test]
    fn images_of_another_aspect_stay_in_their_cells() {
        for (first, second) in [((16, 16), (16, 18)), ((300, 300), (300, 600)), ((300, 40), (20, 600)), ((1, 1), (1, 250))] {
            let [a, b] = [first, second].map(|(height, width)| Image::zeros((height, width, 3)));
            let row = FigureRow { images: vec![&a, &b], ..FigureRow::default() };
            assert!(Figure { rows: vec![row], heat_scales: vec![] }.draw().is_ok(), "{first:?} next to {second:?}");
        }
    }
}
