//! A picture with the outlines of a mask, row by row.

use std::collections::VecDeque;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use crate::data::Image;
use crate::data::arrays::reserved;
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// Cyan: rare in pictures of things, and not a colour of the heatmap.
const OUTLINE: [f32; 3] = [0.133, 0.827, 1.0];
/// The outline is one pixel thick for this many pixels of the shorter side.
const SIDE: usize = 200;

/// The picture, with a line around each region of the mask. The line is outside of the region, so that the region stays as it is.
///
/// # Errors
/// A mask of another size; too little memory.
pub(super) fn outlined(image: &Image, mask: &Array2<bool>) -> Result<Image> {
    let (height, width) = mask.dim();
    let differs =
        || Error::shape("outlines", format!("the mask has {}, the picture {:?}", in_pixels(height, width), image.dim()));
    if image.dim() != (height, width, 3) {
        return Err(differs());
    }
    let mut outliner = Outliner::new((height, width));
    let mut values = reserved(image.len())?;
    outliner.take_all(image, mask, &mut values);
    outliner.give_all(&mut values);
    Image::from_shape_vec((height, width, 3), values).map_err(|_| differs())
}

/// Draws the outlines of a mask over a picture whose rows come one after the other. It keeps as many rows as the line is thick,
/// twice.
pub struct Outliner {
    thickness: usize,
    /// Rows of the picture that are not given out yet, each with its mask.
    waiting: VecDeque<(Vec<f32>, Vec<bool>)>,
    /// Rows of the mask, grown sideways, that reach the next row to be given out.
    grown: VecDeque<Vec<bool>>,
    /// For each column, how many of these rows are marked there.
    near: Vec<usize>,
    /// Rows given out.
    given: usize,
    /// The number of the first of the grown rows.
    first: usize,
}

impl Outliner {
    /// Outlines for a picture of this height and width.
    pub fn new((height, width): (usize, usize)) -> Self {
        let thickness = (height.min(width) / SIDE).max(1);
        let near = vec![0; width];
        Self { thickness, waiting: VecDeque::new(), grown: VecDeque::new(), near, given: 0, first: 0 }
    }

    /// The next rows of the picture and of the mask. Returns the values of the rows that are done.
    pub fn add(&mut self, image: &Image, mask: &Array2<bool>) -> Vec<f32> {
        let mut done = Vec::new();
        self.take_all(image, mask, &mut done);
        done
    }

    fn take_all(&mut self, image: &Image, mask: &Array2<bool>, done: &mut Vec<f32>) {
        for (pixels, marks) in image.axis_iter(Axis(0)).zip(mask.axis_iter(Axis(0))) {
            self.take(pixels, marks);
            if self.waiting.len() > self.thickness {
                self.give(done);
            }
        }
    }

    /// The values of the last rows.
    pub fn finish(&mut self) -> Vec<f32> {
        let mut done = Vec::new();
        self.give_all(&mut done);
        done
    }

    fn give_all(&mut self, done: &mut Vec<f32>) {
        while !self.waiting.is_empty() {
            self.give(done);
        }
    }

    fn take(&mut self, pixels: ArrayView2<'_, f32>, marks: ArrayView1<'_, bool>) {
        let own = grown(marks, self.thickness);
        self.near.iter_mut().zip(&own).for_each(|(count, marked)| *count += usize::from(*marked));
        self.grown.push_back(own);
        self.waiting.push_back((pixels.iter().copied().collect(), marks.to_vec()));
    }

    /// Gives out the first row that waits, with the line where a row of the mask is near.
    fn give(&mut self, done: &mut Vec<f32>) {
        while self.first + self.thickness < self.given {
            let Some(old) = self.grown.pop_front() else { break };
            self.near.iter_mut().zip(&old).for_each(|(count, marked)| *count -= usize::from(*marked));
            self.first += 1;
        }
        let Some((mut pixels, marks)) = self.waiting.pop_front() else { return };
        for ((pixel, marked), near) in pixels.chunks_exact_mut(3).zip(marks).zip(&self.near) {
            if *near > 0 && !marked {
                pixel.copy_from_slice(&OUTLINE);
            }
        }
        done.extend(pixels);
        self.given += 1;
    }
}

/// A row of a mask with all that is at most `distance` beside it.
fn grown(marks: ArrayView1<'_, bool>, distance: usize) -> Vec<bool> {
    let mut result = vec![false; marks.len()];
    let mut reach = |order: &mut dyn Iterator<Item = usize>| {
        let mut left = 0_usize;
        for at in order {
            left = if marks[at] { distance + 1 } else { left.saturating_sub(1) };
            result[at] |= left > 0;
        }
    };
    reach(&mut (0..marks.len()));
    reach(&mut (0..marks.len()).rev());
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use ndarray::s;

    #[test]
    fn the_line_is_around_the_region_and_not_on_it() {
        let mut mask = Array2::from_elem((6, 7), false);
        (mask[[2, 3]], mask[[3, 3]], mask[[0, 0]]) = (true, true, true);
        let image = Image::from_shape_fn((6, 7, 3), |(row, column, c)| ((row * 7 + column) * 3 + c) as f32 / 200.0);
        let found = outlined(&image, &mask).unwrap();
        let rows = [".#.....", "#####..", "..#.#..", "..#.#..", "..###..", "......."];
        for (row, column) in (0..6).flat_map(|row| (0..7).map(move |column| (row, column))) {
            let pixel = [0, 1, 2].map(|c| found[[row, column, c]]);
            let expected = match rows[row].as_bytes()[column] {
                b'#' => OUTLINE,
                _ => [0, 1, 2].map(|c| image[[row, column, c]]),
            };
            assert_eq!(pixel, expected, "{row} {column}");
        }
        assert_eq!(outlined(&image, &Array2::from_elem((6, 7), false)).unwrap(), image);
        let error = outlined(&image, &Array2::from_elem((7, 6), false)).unwrap_err().to_string();
        assert!(error.contains("the mask has 7x6 pixels (height x width), the picture (6, 7, 3)"), "{error}");
    }

    #[test]
    fn large_pictures_have_thicker_lines_and_rows_may_come_in_any_pieces() {
        let mut stream = Stream::new(2, Purpose::Test, 0, 0);
        let image = Image::zeros((610, 700, 3));
        let mask = Array2::from_shape_simple_fn((610, 700), || stream.uniform() < 0.002);
        let found = outlined(&image, &mask).unwrap();
        for ((row, column), marked) in mask.indexed_iter() {
            let around = s![row.saturating_sub(3)..(row + 4).min(610), column.saturating_sub(3)..(column + 4).min(700)];
            let is_line = !marked && mask.slice(around).iter().any(|&marked| marked);
            assert_eq!(found[[row, column, 2]] > 0.5, is_line, "{row} {column}");
        }
        for together in [1, 2, 7, 100] {
            let (mut outliner, mut values) = (Outliner::new((610, 700)), Vec::new());
            for top in (0..610).step_by(together) {
                let rows = top..(top + together).min(610);
                let piece = image.slice(s![rows.clone(), .., ..]).to_owned();
                values.extend(outliner.add(&piece, &mask.slice(s![rows, ..]).to_owned()));
            }
            values.extend(outliner.finish());
            assert!(values.iter().eq(&found), "{together}");
        }
    }
}
