//! Text in PNG figures, in the typeface Inter (see `inter/LICENSE`).

use ab_glyph::{Font, FontRef, Glyph, GlyphId, PxScale, ScaleFont, point};

use crate::data::Image;
use crate::error::{Error, Result};

const REGULAR: &[u8] = include_bytes!("inter/regular.otf");
const SEMIBOLD: &[u8] = include_bytes!("inter/semibold.otf");

/// A hat over the letter before it, as in x̂. It is centred here, because the font does not position combining marks.
const COMBINING_HAT: char = '\u{302}';

/// A font in one size and colour.
pub(super) struct Pen {
    font: FontRef<'static>,
    scale: PxScale,
    ink: [f32; 3],
}

impl Pen {
    /// Regular weight; `size` is that of the em in pixels.
    pub(super) fn regular(size: f32, ink: [f32; 3]) -> Result<Self> {
        Self::new(REGULAR, size, ink)
    }

    /// Semibold weight.
    pub(super) fn semibold(size: f32, ink: [f32; 3]) -> Result<Self> {
        Self::new(SEMIBOLD, size, ink)
    }

    fn new(bytes: &'static [u8], size: f32, ink: [f32; 3]) -> Result<Self> {
        let font = FontRef::try_from_slice(bytes).map_err(|error| Error::argument(format!("the built-in font: {error}")))?;
        let em = font.units_per_em().unwrap_or(1000.0);
        let scale = PxScale::from(size * font.height_unscaled() / em);
        Ok(Self { font, scale, ink })
    }

    /// Width of `text` in pixels.
    pub(super) fn width(&self, text: &str) -> f32 {
        self.set(text).1
    }

    /// `text` broken between words into lines of at most `width` pixels; a longer word gets a line of its own.
    pub(super) fn wrapped(&self, text: &str, width: f32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => *line = format!("{line} {word}"),
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }

    /// Writes `text` onto `picture`, starting at `left` on the line `baseline` (pixels). Anything outside the image is left out.
    pub(super) fn write(&self, picture: &mut Image, left: f32, baseline: f32, text: &str) {
        let (height, width, _) = picture.dim();
        for mut glyph in self.set(text).0 {
            glyph.position += point(left, baseline);
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                let (row, column) = (corner.y + y as f32, corner.x + x as f32);
                if row < 0.0 || column < 0.0 || row >= height as f32 || column >= width as f32 {
                    return;
                }
                for (c, ink) in self.ink.into_iter().enumerate() {
                    let value = &mut picture[[row as usize, column as usize, c]];
                    *value += coverage.clamp(0.0, 1.0) * (ink - *value);
                }
            });
        }
    }

    /// The glyphs of a line that starts at the origin, and its width.
    fn set(&self, text: &str) -> (Vec<Glyph>, f32) {
        let scaled = self.font.as_scaled(self.scale);
        let (mut glyphs, mut pen, mut last) = (Vec::new(), 0.0, (0.0, 0.0));
        for letter in text.chars() {
            let id = scaled.glyph_id(letter);
            if letter == COMBINING_HAT {
                let (start, advance) = last;
                glyphs.push(id.with_scale_and_position(self.scale, point(start + 0.5 * advance - self.centre(id), 0.0)));
                continue;
            }
            glyphs.push(id.with_scale_and_position(self.scale, point(pen, 0.0)));
            last = (pen, scaled.h_advance(id));
            pen += last.1;
        }
        (glyphs, pen)
    }

    /// The middle of a glyph's outline, from its origin.
    fn centre(&self, id: GlyphId) -> f32 {
        let outline = self.font.outline_glyph(id.with_scale(self.scale));
        outline.map_or(0.0, |outline| 0.5 * (outline.px_bounds().min.x + outline.px_bounds().max.x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: [f32; 3] = [0.0; 3];

    /// The dark pixels of `text` on white: their number, first and last column, and first row.
    fn dark(text: &str) -> (usize, usize, usize, usize) {
        let mut picture = Image::from_elem((40, 200, 3), 1.0);
        Pen::regular(20.0, BLACK).unwrap().write(&mut picture, 10.0, 30.0, text);
        let dark: Vec<_> =
            picture.indexed_iter().filter(|((_, _, c), value)| *c == 0 && **value < 0.5).map(|(at, _)| at).collect();
        let columns = || dark.iter().map(|at| at.1);
        (dark.len(), columns().min().unwrap(), columns().max().unwrap(), dark.iter().map(|at| at.0).min().unwrap())
    }

    #[test]
    fn text_is_on_its_baseline_and_as_wide_as_stated() {
        let pen = Pen::regular(20.0, BLACK).unwrap();
        let (_, left, right, top) = dark("Heatmap");
        assert!((10..13).contains(&left) && (14..18).contains(&top), "{left} {top}");
        assert!((pen.width("Heatmap") - (right - left) as f32).abs() < 4.0);
        assert!(Pen::semibold(20.0, BLACK).unwrap().width("Heatmap") > pen.width("Heatmap"));
    }

    #[test]
    fn a_hat_is_above_its_letter_and_has_no_width() {
        let pen = Pen::regular(20.0, BLACK).unwrap();
        assert_eq!(pen.width("x\u{302}"), pen.width("x"));
        let ((plain, left, right, top), (hatted, hat_left, hat_right, hat_top)) = (dark("x"), dark("x\u{302}"));
        assert!(hatted > plain && hat_top < top && (hat_left, hat_right) == (left, right));
    }

    #[test]
    fn every_sign_of_the_figures_has_a_letter() {
        let pen = Pen::regular(20.0, BLACK).unwrap();
        for sign in "x\u{302}πσλμ‖−–·×≤≥→∞√⁰⁷⁻₀₇±²½\u{a0}".chars() {
            assert_ne!(pen.font.glyph_id(sign), GlyphId(0), "{sign}");
        }
    }

    #[test]
    fn lines_are_broken_between_words() {
        let pen = Pen::regular(20.0, BLACK).unwrap();
        let width = pen.width("one two");
        assert_eq!(pen.wrapped("one two three incomprehensibilities", width), ["one two", "three", "incomprehensibilities"]);
        assert!(pen.wrapped("", width).is_empty());
    }

    #[test]
    fn what_falls_outside_is_left_out() {
        let mut picture = Image::from_elem((4, 4, 3), 1.0);
        Pen::regular(60.0, BLACK).unwrap().write(&mut picture, -20.0, 10.0, "WWW");
        assert!(picture.iter().any(|&value| value < 0.5));
    }
}
