use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use png::{BitDepth, ColorType, Encoder, StreamWriter};

use super::file::to_byte;

/// An 8-bit PNG file that is written row by row, grey or RGB. Values are as in [`encode_png`](super::encode_png).
pub struct PngRows<W: Write> {
    stream: StreamWriter<'static, Encoded>,
    encoded: Encoded,
    out: W,
    row: Vec<u8>,
}

/// Bytes of the file on their way, because the encoder keeps what it writes to.
#[derive(Clone, Default)]
struct Encoded(Rc<RefCell<Vec<u8>>>);

impl Write for Encoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Encoded {
    fn move_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.0.take())
    }
}

impl<W: Write> PngRows<W> {
    /// Begins a file of `height x width` pixels with 1 or 3 channels.
    ///
    /// # Errors
    /// A side that PNG cannot hold.
    pub fn new(out: W, (height, width): (usize, usize), channels: usize) -> io::Result<Self> {
        let side = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
        let encoded = Encoded::default();
        let mut encoder = Encoder::new(encoded.clone(), side(width)?, side(height)?);
        encoder.set_color(if channels == 1 { ColorType::Grayscale } else { ColorType::Rgb });
        encoder.set_depth(BitDepth::Eight);
        Ok(Self { stream: encoder.write_header()?.into_stream_writer()?, encoded, out, row: Vec::new() })
    }

    /// The next values, row by row; those of several rows, or of a part of one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write<'a>(&mut self, values: impl IntoIterator<Item = &'a f32>) -> io::Result<()> {
        self.row.clear();
        self.row.extend(values.into_iter().map(|&value| to_byte(value)));
        self.stream.write_all(&self.row)?;
        self.encoded.move_to(&mut self.out)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Another number of values than the file needs; the file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.stream.finish()?;
        self.encoded.move_to(&mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Image, Plane, read_image};

    #[test]
    fn rows_make_the_picture_that_the_whole_makes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let picture = Image::from_shape_fn((9, 5, 3), |(row, column, c)| (row * 31 + column * 7 + c) as f32 / 300.0 - 0.01);
        let mut file = Vec::new();
        let mut rows = PngRows::new(&mut file, (9, 5), 3).unwrap();
        rows.write(picture.slice(ndarray::s![..4, .., ..])).unwrap();
        rows.write(picture.slice(ndarray::s![4.., .., ..])).unwrap();
        rows.finish().unwrap();
        std::fs::write(&path, file).unwrap();
        let found = read_image(&path).unwrap();
        assert!(found.iter().zip(&picture).all(|(a, b)| (255.0 * a).round() as u8 == to_byte(*b)));
        let mut short = Vec::new();
        let mut rows = PngRows::new(&mut short, (2, 3), 1).unwrap();
        rows.write(&Plane::zeros((1, 3))).unwrap();
        assert!(rows.finish().is_err(), "a row is missing");
    }
}
