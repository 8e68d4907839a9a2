//! Decoded samples of any kind, and the image that they make.

use half::f16;

use super::buffer::reserved;
use super::orientation::Orientation;
use super::reason::Reason;
use crate::data::levels::Levels;
use crate::shape::in_pixels;

/// How a sample is stored, in the byte order of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    U16,
    U32,
    F16,
    F32,
    F64,
}

/// What the samples of a pixel are, before alpha and channels that are passed over.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Colour {
    Grey,
    Rgb,
    /// Cyan, magenta, yellow and black, of which 0 is white.
    Cmyk,
    /// A number into this list of colours in [0, 1].
    Palette(Vec<[f32; 3]>),
}

/// What the channel behind the colour says of the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// The colour is that of the covered part.
    Straight,
    /// The colour has been multiplied by alpha.
    Multiplied,
}

/// The samples of a picture, row by row.
#[derive(Debug, PartialEq)]
pub(in crate::data) struct Samples {
    /// Height and width as stored.
    stored: [usize; 2],
    orientation: Orientation,
    colour: Colour,
    alpha: Option<Alpha>,
    /// Samples of a pixel; those behind colour and alpha are passed over.
    channels: usize,
    kind: Kind,
    /// The value that is white, of which the decoder may have made the largest of its kind.
    white: f64,
    raw: Vec<u8>,
    /// What is lost, in words.
    pub(in crate::data) loss: Option<&'static str>,
}

impl Kind {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 | Self::F16 => 2,
            Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// The value that is white unless the file or the user says otherwise.
    fn white(self) -> f64 {
        match self {
            Self::U8 => 255.0,
            Self::U16 => 65535.0,
            Self::U32 => f64::from(u32::MAX),
            Self::F16 | Self::F32 | Self::F64 => 1.0,
        }
    }

    /// The value of a sample.
    fn value(self, bytes: &[u8]) -> f64 {
        match (self, bytes) {
            (Self::U8, &[a]) => f64::from(a),
            (Self::U16, &[a, b]) => f64::from(u16::from_ne_bytes([a, b])),
            (Self::F16, &[a, b]) => f64::from(f16::from_ne_bytes([a, b])),
            (Self::U32, &[a, b, c, d]) => f64::from(u32::from_ne_bytes([a, b, c, d])),
            (Self::F32, &[a, b, c, d]) => f64::from(f32::from_ne_bytes([a, b, c, d])),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => f64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::NAN,
        }
    }

    /// The value of a sample relative to white. Up to 16 bits it is the quotient in f32, as it has always been.
    fn relative(self, bytes: &[u8], white: f64) -> f32 {
        let value = self.value(bytes);
        match self {
            Self::U8 | Self::U16 => value as f32 / white as f32,
            _ => (value / white) as f32,
        }
    }
}

impl Colour {
    fn channels(&self) -> usize {
        match self {
            Self::Grey | Self::Palette(_) => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

impl Samples {
    /// Upright samples; white is the largest value of their kind, or 1.
    pub(super) fn new(stored: [usize; 2], colour: Colour, alpha: Option<Alpha>, kind: Kind, raw: Vec<u8>) -> Self {
        let channels = colour.channels() + usize::from(alpha.is_some());
        let white = kind.white();
        Self { stored, orientation: Orientation::UPRIGHT, colour, alpha, channels, kind, white, raw, loss: None }
    }

    /// Other pixels of the same kind.
    pub(super) fn with_rows(&self, stored: [usize; 2], raw: Vec<u8>) -> Self {
        Self { stored, raw, colour: self.colour.clone(), ..*self }
    }

    /// Bytes of a row of so many pixels.
    pub(super) fn bytes_of_row(&self, width: usize) -> usize {
        width * self.channels * self.kind.bytes()
    }

    /// The same with this number of samples for a pixel, of which the last ones are passed over.
    pub(super) fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// The same of a file that says which value is white, and whose decoder has brought that to the largest of its kind.
    pub(super) fn with_white(self, white: f64) -> Self {
        Self { white, ..self }
    }

    /// The same with something that is lost.
    pub(super) fn with_loss(self, loss: Option<&'static str>) -> Self {
        Self { loss, ..self }
    }

    pub(super) fn turned(self, orientation: Orientation) -> Self {
        Self { orientation, ..self }
    }

    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Height and width as seen.
    pub(in crate::data) fn sides(&self) -> [usize; 2] {
        self.orientation.upright(self.stored)
    }

    /// The largest value of a colour, if samples have more than 8 bits. `first` is the number of the first of these rows in the
    /// picture.
    ///
    /// # Errors
    /// A value that is not finite, with its place as stored.
    pub(in crate::data) fn levels(&self, first: usize) -> Reason<Option<Levels>> {
        if self.kind == Kind::U8 {
            return Ok(None);
        }
        let (bytes, colours) = (self.kind.bytes(), self.colour.channels());
        let mut largest = f64::NEG_INFINITY;
        for (place, pixel) in self.raw.chunks_exact(self.channels * bytes).enumerate() {
            for (channel, sample) in pixel.chunks_exact(bytes).enumerate() {
                let value = self.kind.value(sample);
                if !value.is_finite() {
                    let (row, column) = (first + place / self.stored[1], place % self.stored[1]);
                    return Err(format!("has the value {value} in row {row}, column {column}; values must be finite"));
                }
                if channel < colours {
                    largest = largest.max(value);
                }
            }
        }
        let largest = largest * (self.white / self.kind.white());
        Ok(self.has_levels().then(|| Levels { is_float: self.kind.is_float(), white: self.white, largest }))
    }

    /// Whether a sample measures light with more than 8 bits, so that another value may be white.
    fn has_levels(&self) -> bool {
        self.kind != Kind::U8 && matches!(self.colour, Colour::Grey | Colour::Rgb)
    }

    /// The pixels as RGB in [0, 1], row by row as seen, composited over white. Samples of more than 8 bits are white at
    /// `white_level`; 0 means as the format says.
    pub(in crate::data) fn over_white(&self, white_level: f64) -> Reason<Vec<f32>> {
        self.over(1.0, white_level)
    }

    /// The same over black.
    pub(in crate::data) fn over_black(&self) -> Reason<Vec<f32>> {
        self.over(0.0, 0.0)
    }

    fn over(&self, background: f32, white_level: f64) -> Reason<Vec<f32>> {
        let own = self.kind.white();
        let is_set = white_level > 0.0 && self.has_levels();
        let white = if is_set { white_level * (own / self.white) } else { own };
        let [height, width] = self.sides();
        let (bytes, colours) = (self.kind.bytes(), self.colour.channels());
        if self.raw.len() != height * width * self.channels * bytes {
            return Err(format!(
                "has {} bytes of samples for {} of {} samples",
                self.raw.len(),
                in_pixels(height, width),
                self.channels
            ));
        }
        let mut pixels = reserved(3 * height * width, [height, width])?;
        if self.is_plain() {
            let colours: [f32; 256] = std::array::from_fn(|value| Kind::U8.relative(&[value as u8], white));
            pixels.extend(self.raw.iter().map(|&value| colours[usize::from(value)]));
            return Ok(pixels);
        }
        let mut values = [0.0; 5];
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            let [row, column] = self.orientation.stored(self.stored, [row, column]);
            let first = (row * self.stored[1] + column) * self.channels * bytes;
            let pixel = self.raw[first..first + self.channels * bytes].chunks_exact(bytes);
            for (channel, (value, sample)) in values.iter_mut().zip(pixel).enumerate() {
                *value = self.kind.relative(sample, if channel < colours { white } else { own });
            }
            pixels.extend(self.blended(&values, background));
        }
        Ok(pixels)
    }

    /// Whether each sample is a colour as it is, as in most pictures.
    fn is_plain(&self) -> bool {
        let is_rgb = self.colour == Colour::Rgb && self.channels == 3 && self.alpha.is_none();
        is_rgb && self.kind == Kind::U8 && self.orientation == Orientation::UPRIGHT
    }

    /// One pixel over a background b; straight alpha a gives `a v + (1 - a) b`, colours multiplied by it `v + (1 - a) b`.
    fn blended(&self, values: &[f32; 5], b: f32) -> [f32; 3] {
        let rgb = match &self.colour {
            Colour::Grey => [values[0]; 3],
            Colour::Rgb => [values[0], values[1], values[2]],
            Colour::Cmyk => [0, 1, 2].map(|ink| (1.0 - values[ink]) * (1.0 - values[3])),
            Colour::Palette(colours) => {
                let number = f64::from(values[0]) * self.kind.white();
                colours.get(number.round() as usize).copied().unwrap_or_default()
            }
        };
        let a = values[self.colour.channels().min(4)];
        let blended = match self.alpha {
            None => rgb,
            Some(Alpha::Straight) => rgb.map(|v| a * v + (1.0 - a) * b),
            Some(Alpha::Multiplied) => rgb.map(|v| v + (1.0 - a) * b),
        };
        blended.map(|v| v.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(colour: Colour, alpha: Option<Alpha>, values: &[f32]) -> Vec<f32> {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        Samples::new([1, 1], colour, alpha, Kind::F32, raw).over_white(0.0).unwrap()
    }

    #[test]
    fn alpha_is_composited_over_white() {
        let straight = Some(Alpha::Straight);
        assert_eq!(pixels(Colour::Grey, None, &[0.25]), [0.25; 3]);
        assert_eq!(pixels(Colour::Grey, straight, &[0.25, 1.0]), [0.25; 3]);
        assert_eq!(pixels(Colour::Grey, straight, &[0.25, 0.0]), [1.0; 3]);
        assert_eq!(pixels(Colour::Rgb, straight, &[0.0, 0.5, 1.0, 0.5]), [0.5, 0.75, 1.0]);
        assert_eq!(pixels(Colour::Rgb, Some(Alpha::Multiplied), &[0.0, 0.25, 0.5, 0.5]), [0.5, 0.75, 1.0]);
        assert_eq!(pixels(Colour::Rgb, None, &[0.1, 0.2, 0.3]), [0.1, 0.2, 0.3]);
        for (alpha, seen) in [(Alpha::Straight, 0.125), (Alpha::Multiplied, 0.25)] {
            let raw = [0.25_f32, 0.5].iter().flat_map(|value| value.to_ne_bytes()).collect();
            let samples = Samples::new([1, 1], Colour::Grey, Some(alpha), Kind::F32, raw);
            assert_eq!(samples.over_black().unwrap(), [seen; 3], "{alpha:?}");
        }
        assert_eq!(pixels(Colour::Cmyk, None, &[0.0, 0.5, 1.0, 0.5]), [0.5, 0.25, 0.0]);
    }

    #[test]
    fn plain_colours_are_those_of_pictures_with_more_samples() {
        let bytes: Vec<u8> = (0..=u8::MAX).flat_map(|value| [value, value.wrapping_mul(7), 255 - value]).collect();
        let covered = bytes.chunks(3).flat_map(|colours| [colours, &[9]].concat()).collect();
        let samples = |raw| Samples::new([16, 16], Colour::Rgb, None, Kind::U8, raw);
        let (plain, other) = (samples(bytes), samples(covered).with_channels(4));
        assert!(plain.is_plain() && !other.is_plain());
        assert_eq!(plain.over_white(0.0).unwrap(), other.over_white(0.0).unwrap());
    }

    #[test]
    fn values_beyond_white_and_black_are_clipped() {
        assert_eq!(pixels(Colour::Rgb, None, &[-0.5, 1.5, 1.0]), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_white_level_counts_for_more_than_8_bits_and_not_for_alpha() {
        let deep = |values: [u16; 2]| {
            let raw = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
            Samples::new([1, 1], Colour::Grey, Some(Alpha::Straight), Kind::U16, raw)
        };
        assert_eq!(deep([4095, 65535]).over_white(4095.0).unwrap(), [1.0; 3]);
        assert_eq!(deep([1365, 65535]).over_white(4095.0).unwrap(), [1365.0 / 4095.0; 3]);
        assert_eq!(deep([4095, 65535]).over_white(0.0).unwrap(), [4095.0 / 65535.0; 3]);
        assert_eq!(deep([9000, 65535]).over_white(4095.0).unwrap(), [1.0; 3]);
        let shallow = Samples::new([1, 1], Colour::Grey, None, Kind::U8, vec![51]);
        assert_eq!((shallow.over_white(4095.0).unwrap(), shallow.levels(0)), (vec![0.2; 3], Ok(None)));
        // A file whose white is 1023, brought to 65535: the half of that is 512 of 1023.
        let named = deep([32767, 65535]).with_white(1023.0);
        assert!((named.over_white(1023.0).unwrap()[0] - 0.5).abs() < 1e-4);
        assert!((named.over_white(2046.0).unwrap()[0] - 0.25).abs() < 1e-4);
    }

    #[test]
    fn the_largest_colour_is_found_and_what_is_not_finite_refused() {
        let made = |values: &[f32]| {
            let raw = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
            Samples::new([1, 2], Colour::Grey, Some(Alpha::Straight), Kind::F32, raw)
        };
        assert_eq!(made(&[0.5, 9.0, 0.25, 9.0]).levels(0).unwrap().map(|levels| levels.largest), Some(0.5));
        let text = made(&[0.5, 1.0, f32::NAN, 1.0]).levels(0).unwrap_err();
        assert_eq!(text, "has the value NaN in row 0, column 1; values must be finite");
        assert!(made(&[f32::INFINITY, 1.0, 0.0, 1.0]).levels(0).is_err());
    }
}
