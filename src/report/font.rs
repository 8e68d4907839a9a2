//! A small pen font for pictures: printable ASCII and the hat of x̂.
//!
//! `font.txt` draws each letter as dots on a 5 x 9 grid (seven rows above the baseline, two below), sixteen letters a band.
//! Letters are not copied dot by dot: neighbouring dots are joined by round pen strokes and drawn with smooth edges, so the
//! same drawing serves every size.

use crate::data::Image;

const DRAWING: &str = include_str!("font.txt");
const LETTER_WIDTH: usize = 5;
const LETTER_HEIGHT: usize = 9;
const LETTERS_PER_BAND: usize = 16;
/// Rows from the top of a capital letter to the baseline.
const CAPITAL_HEIGHT: f32 = 6.0;
/// Half the width of a stroke, and the space between two letters, in dots.
const PEN_RADIUS: f32 = 0.45;
const LETTER_GAP: f32 = 1.9;
const WORD_GAP: f32 = 2.2;
/// A hat over the letter before it, wherever the letters below have no ascender.
const COMBINING_HAT: char = '\u{302}';
const HAT: [(f32, f32); 3] = [(-1.0, 1.0), (0.0, 0.0), (1.0, 1.0)];

/// A stroke between two points (column, row), in dots.
type Stroke = [(f32, f32); 2];

/// Pixels from the top of a capital letter to the baseline, the pen included, when a dot is `unit` pixels wide.
pub(super) fn capital_height(unit: f32) -> f32 {
    (CAPITAL_HEIGHT + 2.0 * PEN_RADIUS) * unit
}

/// Width in pixels of `text` when a dot is `unit` pixels wide.
pub(super) fn text_width(text: &str, unit: f32) -> f32 {
    let (_, width) = lay_out(text);
    width * unit
}

/// Writes `text` onto `picture` in `ink`, starting at `left` and with the top of its capitals at `top` (pixels); a dot is
/// `unit` pixels wide. What falls outside the picture is left out; letters without a drawing become hollow boxes.
pub(super) fn write(picture: &mut Image, (left, top): (f32, f32), text: &str, unit: f32, ink: [f32; 3]) {
    let (strokes, _) = lay_out(text);
    let place = |(column, row): (f32, f32)| (left + (column + PEN_RADIUS) * unit, top + (row + PEN_RADIUS) * unit);
    for [from, to] in strokes {
        draw_stroke(picture, [place(from), place(to)], PEN_RADIUS * unit, ink);
    }
}

/// The strokes of a line of text and its width, in dots.
fn lay_out(text: &str) -> (Vec<Stroke>, f32) {
    let (mut strokes, mut pen, mut last_centre) = (Vec::new(), 0.0, 0.0);
    for letter in text.chars() {
        if letter == COMBINING_HAT {
            strokes.extend(HAT.windows(2).map(|pair| [0, 1].map(|end| (last_centre + pair[end].0, pair[end].1))));
            continue;
        }
        if letter == ' ' {
            pen += WORD_GAP;
            continue;
        }
        let letter_strokes = letter_strokes(letter);
        let columns = || letter_strokes.iter().flatten().map(|point| point.0);
        let first = columns().fold(LETTER_WIDTH as f32, f32::min);
        let extent = columns().fold(first, f32::max) - first;
        strokes.extend(letter_strokes.iter().map(|stroke| stroke.map(|(column, row)| (column - first + pen, row))));
        last_centre = pen + 0.5 * extent;
        pen += extent + LETTER_GAP;
    }
    let width = (pen - LETTER_GAP + 2.0 * PEN_RADIUS).max(0.0);
    (strokes, width)
}

/// The strokes of one letter: every dot, and every pair of neighbouring dots. Diagonal neighbours are joined only where no
/// dot beside them already makes the corner.
fn letter_strokes(letter: char) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for (row, column) in (0..LETTER_HEIGHT).flat_map(|row| (0..LETTER_WIDTH).map(move |column| (row, column))) {
        if !has_dot(letter, row, column) {
            continue;
        }
        let here = (column as f32, row as f32);
        strokes.push([here, here]);
        if has_dot(letter, row, column + 1) {
            strokes.push([here, (here.0 + 1.0, here.1)]);
        }
        if has_dot(letter, row + 1, column) {
            strokes.push([here, (here.0, here.1 + 1.0)]);
            continue;
        }
        for side in [column.checked_sub(1), Some(column + 1)].into_iter().flatten() {
            if has_dot(letter, row + 1, side) && !has_dot(letter, row, side) {
                strokes.push([here, (side as f32, here.1 + 1.0)]);
            }
        }
    }
    strokes
}

fn has_dot(letter: char, row: usize, column: usize) -> bool {
    if row >= LETTER_HEIGHT || column >= LETTER_WIDTH {
        return false;
    }
    let Some(index) = (letter as usize).checked_sub(' ' as usize).filter(|_| (' '..='~').contains(&letter)) else {
        return is_box(row, column);
    };
    let (band, place) = (index / LETTERS_PER_BAND, index % LETTERS_PER_BAND);
    let line = DRAWING.lines().nth(band * LETTER_HEIGHT + row).unwrap_or("");
    line.as_bytes().get(place * (LETTER_WIDTH + 1) + column) == Some(&b'#')
}

/// The hollow box that stands for a letter without a drawing.
fn is_box(row: usize, column: usize) -> bool {
    row < LETTER_HEIGHT - 2 && (row == 0 || row == LETTER_HEIGHT - 3 || column == 0 || column == LETTER_WIDTH - 1)
}

/// Blends `ink` into every pixel by how much of it lies within `radius` of the stroke.
fn draw_stroke(picture: &mut Image, stroke: Stroke, radius: f32, ink: [f32; 3]) {
    let [(x0, y0), (x1, y1)] = stroke;
    let reach = radius + 1.0;
    // Conversion to usize clamps at 0, so the left and upper border need no care.
    let (left, right) = ((x0.min(x1) - reach) as usize, (x0.max(x1) + reach).ceil() as usize);
    let (top, bottom) = ((y0.min(y1) - reach) as usize, (y0.max(y1) + reach).ceil() as usize);
    for row in top..bottom.min(picture.height) {
        for column in left..right.min(picture.width) {
            let distance = distance_to(stroke, (column as f32 + 0.5, row as f32 + 0.5));
            let cover = (radius - distance + 0.5).clamp(0.0, 1.0);
            let start = (row * picture.width + column) * 3;
            for (channel, ink) in picture.pixels[start..start + 3].iter_mut().zip(ink) {
                // Strokes overlap, so the darker of the two stays instead of both being blended.
                let inked = *channel * (1.0 - cover) + ink * cover;
                *channel = if (inked - ink).abs() < (*channel - ink).abs() { inked } else { *channel };
            }
        }
    }
}

fn distance_to([(x0, y0), (x1, y1)]: Stroke, (x, y): (f32, f32)) -> f32 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let length_squared = dx * dx + dy * dy;
    let along = if length_squared == 0.0 { 0.0 } else { (((x - x0) * dx + (y - y0) * dy) / length_squared).clamp(0.0, 1.0) };
    (x - x0 - along * dx).hypot(y - y0 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink_of(text: &str) -> Vec<usize> {
        let mut page = Image::new(40, 60, vec![1.0; 40 * 60 * 3]).unwrap();
        write(&mut page, (4.0, 4.0), text, 2.0, [0.0; 3]);
        page.pixels.chunks_exact(3).enumerate().filter(|(_, pixel)| pixel[0] < 0.5).map(|(index, _)| index).collect()
    }

    #[test]
    fn every_printable_letter_is_drawn_and_no_two_alike() {
        assert_eq!(DRAWING.lines().count(), 6 * LETTER_HEIGHT);
        assert!(DRAWING.lines().all(|line| line.len() == LETTERS_PER_BAND * (LETTER_WIDTH + 1) - 1));
        let drawn: Vec<Vec<usize>> = ('!'..='~').map(|letter| ink_of(&letter.to_string())).collect();
        for (index, ink) in drawn.iter().enumerate() {
            assert!(!ink.is_empty() && !drawn[..index].contains(ink), "{}", char::from(b'!' + index as u8));
        }
        assert!(ink_of(" ").is_empty());
    }

    #[test]
    fn a_bar_covers_what_its_geometry_says() {
        // An l-shaped stroke: `|` is 8 dots high with a pen of 0.9 dots, at 2 pixels a dot.
        let area = ink_of("|").len() as f32;
        let expected = 16.0 * 1.8 + std::f32::consts::PI * 0.81;
        assert!((area - expected).abs() < 8.0, "{area} pixels, expected about {expected}");
    }

    #[test]
    fn width_is_where_the_ink_ends() {
        let right = ink_of("Hg").iter().map(|index| index % 60).max().unwrap() as f32;
        assert!((right + 1.0 - 4.0 - text_width("Hg", 2.0)).abs() <= 1.0);
        assert_eq!(text_width("x\u{302}", 2.0), text_width("x", 2.0));
        assert_eq!(text_width("", 2.0), 0.0);
    }

    #[test]
    fn strange_letters_and_places_do_no_harm() {
        assert_eq!(ink_of("é"), ink_of("\u{1f600}"));
        let mut page = Image::new(3, 3, vec![1.0; 27]).unwrap();
        write(&mut page, (-50.0, -50.0), "far outside", 2.0, [0.0; 3]);
        write(&mut page, (500.0, 500.0), "far outside", 2.0, [0.0; 3]);
        assert!(page.pixels.iter().all(|&value| value == 1.0));
    }
}
