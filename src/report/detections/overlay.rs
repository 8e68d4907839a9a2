//! A picture with the outlines of a mask.

use ndarray::{Array2, ArrayView1, ArrayViewMut1, Axis, Zip};

use crate::data::Image;

/// Cyan: rare in pictures of things, and not a colour of the heatmap.
const OUTLINE: [f32; 3] = [0.133, 0.827, 1.0];
/// The outline is one pixel thick for this many pixels of the shorter side.
const SIDE: usize = 200;

/// The picture, with a line around each region of the mask. The line is outside of the region, so that the region stays as it is.
pub(super) fn outlined(image: &Image, mask: &Array2<bool>) -> Image {
    let mut result = image.clone();
    if !mask.iter().any(|&marked| marked) {
        return result;
    }
    let thickness = (mask.nrows().min(mask.ncols()) / SIDE).max(1);
    let grown = grown(&grown(mask, Axis(1), thickness), Axis(0), thickness);
    Zip::from(result.lanes_mut(Axis(2))).and(&grown).and(mask).for_each(|mut pixel, &near, &marked| {
        if near && !marked {
            pixel.iter_mut().zip(OUTLINE).for_each(|(channel, value)| *channel = value);
        }
    });
    result
}

/// The mask with all that is at most `distance` from it along an axis.
fn grown(mask: &Array2<bool>, axis: Axis, distance: usize) -> Array2<bool> {
    let mut result = mask.clone();
    Zip::from(result.lanes_mut(axis)).and(mask.lanes(axis)).for_each(|line, own| grow(line, own, distance));
    result
}

fn grow(mut line: ArrayViewMut1<'_, bool>, own: ArrayView1<'_, bool>, distance: usize) {
    let length = own.len();
    let mut reach = |order: &mut dyn Iterator<Item = usize>| {
        let mut left = 0;
        for at in order {
            left = if own[at] { distance + 1 } else { usize::saturating_sub(left, 1) };
            line[at] |= left > 0;
        }
    };
    reach(&mut (0..length));
    reach(&mut (0..length).rev());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_around_the_region_and_not_on_it() {
        let mut mask = Array2::from_elem((6, 7), false);
        (mask[[2, 3]], mask[[3, 3]], mask[[0, 0]]) = (true, true, true);
        let image = Image::from_shape_fn((6, 7, 3), |(row, column, c)| ((row * 7 + column) * 3 + c) as f32 / 200.0);
        let found = outlined(&image, &mask);
        let rows = [".#.....", "#####..", "..#.#..", "..#.#..", "..###..", "......."];
        for ((row, column), &marked) in mask.indexed_iter() {
            let pixel = [0, 1, 2].map(|c| found[[row, column, c]]);
            let is_line = rows[row].as_bytes()[column] == b'#';
            assert_eq!(pixel == OUTLINE, is_line && !marked, "{row} {column}");
            assert!(is_line || pixel == [0, 1, 2].map(|c| image[[row, column, c]]));
        }
        assert_eq!(outlined(&image, &Array2::from_elem((6, 7), false)), image);
    }

    #[test]
    fn large_pictures_have_thicker_lines() {
        let mut mask = Array2::from_elem((600, 700), false);
        mask[[300, 300]] = true;
        let found = outlined(&Image::zeros((600, 700, 3)), &mask);
        assert_eq!(found.iter().filter(|&&value| value == 1.0).count(), 7 * 7 - 1);
    }
}
