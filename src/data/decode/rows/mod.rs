//! Pictures that are decoded some rows at a time, from the top to the bottom: in memory are these rows and not the picture.

mod png;
mod pnm;
mod tiff;

use std::fs::File;
use std::io::BufReader;

use image::ImageFormat;

use super::orientation::Orientation;
use super::reason::{Reason, name};
use super::samples::Samples;

/// Where the bytes come from.
pub(in crate::data) type Source = BufReader<File>;

/// Gives the rows of a picture as they are stored.
trait Rows {
    /// Appends the samples of `count` further rows, of which there are as many.
    fn append(&mut self, count: usize, raw: &mut Vec<u8>) -> Reason<()>;
}

/// What the header of a picture says, and its rows.
struct Opened {
    /// Height and width as stored.
    size: [u32; 2],
    /// What samples are, without any.
    samples: Samples,
    orientation: Orientation,
    rows: Box<dyn Rows>,
}

/// A picture, opened to be read from the top to the bottom.
pub(in crate::data) struct RowDecoder {
    height: usize,
    width: usize,
    /// What samples are, without any.
    samples: Samples,
    rows: Box<dyn Rows>,
    /// Rows read.
    read: usize,
}

impl RowDecoder {
    /// Begins with a picture, whose size the caller checks before it asks for rows.
    ///
    /// # Errors
    /// A format, or a kind of file in it, that has no rows from the top to the bottom; a damaged header.
    pub(in crate::data) fn open(format: ImageFormat, source: Source) -> Reason<Self> {
        let opened = match format {
            ImageFormat::Png => png::open(source),
            ImageFormat::Pnm => pnm::open(source),
            ImageFormat::Tiff => tiff::open(source),
            other => Err(format!("is a {} file", name(other))),
        };
        let Opened { size: [height, width], samples, orientation, rows } = opened?;
        if !orientation.keeps_rows() {
            return Err("is turned by its EXIF data, so that its first row is not the upper one".to_owned());
        }
        let samples = samples.turned(orientation);
        Ok(Self { height: height as usize, width: width as usize, samples, rows, read: 0 })
    }

    /// Height and width.
    pub(in crate::data) fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The next rows.
    ///
    /// # Errors
    /// Damaged or truncated data, also behind the last row; more rows than there are; too little memory.
    pub(in crate::data) fn next(&mut self, count: usize) -> Reason<Samples> {
        if count > self.height - self.read {
            return Err(format!("has {} rows, not {}", self.height, self.read + count));
        }
        let bytes = count.saturating_mul(self.samples.bytes_of_row(self.width));
        let mut raw = Vec::new();
        raw.try_reserve_exact(bytes).map_err(|_| format!("has {} pixels in a row, for which memory is short", self.width))?;
        self.rows.append(count, &mut raw)?;
        self.read += count;
        Ok(self.samples.with_rows([count, self.width], raw))
    }
}

/// Height and width as stored, for formats that may have rows from the top to the bottom; `None` for others.
///
/// # Errors
/// A damaged header.
pub(in crate::data) fn stored_size(format: ImageFormat, source: Source) -> Option<Reason<[u32; 2]>> {
    match format {
        ImageFormat::Png => Some(super::png::size(source)),
        ImageFormat::Pnm => Some(pnm::size(source)),
        ImageFormat::Tiff => Some(super::tiff::size_of(source)),
        _ => None,
    }
}
