//! Pictures that are decoded some rows at a time, from the top to the bottom: in memory are these rows and not the picture.

mod opened;
mod png;
mod pnm;
mod tiff;

use image::ImageFormat;

use super::reason::{Reason, name, short};
use super::samples::Samples;
use crate::spare;
pub(in crate::data) use opened::Source;
use opened::{Opened, Rows};

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
        let short = |_| short(format!("a row of {} pixels", self.width));
        let mut raw = spare::reserved(bytes).map_err(short)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::BufReader;

    #[test]
    fn rows_that_are_appended_leave_those_before_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let samples = [1, 2, 3, 4];
        let mut file = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut file, 1, 2);
        encoder.set_color(::png::ColorType::Grayscale);
        encoder.set_depth(::png::BitDepth::Sixteen);
        encoder.write_header().unwrap().write_image_data(&samples).unwrap();
        let pnm = [&b"P5 1 2 65535 "[..], &samples].concat();
        for (format, bytes) in [(ImageFormat::Png, file), (ImageFormat::Pnm, pnm)] {
            let path = folder.path().join("a");
            std::fs::write(&path, bytes).unwrap();
            let mut own = RowDecoder::open(format, BufReader::new(File::open(&path).unwrap())).unwrap();
            let mut raw = Vec::new();
            own.rows.append(1, &mut raw).unwrap();
            own.rows.append(1, &mut raw).unwrap();
            assert_eq!(raw, [0x0102_u16, 0x0304].map(u16::to_ne_bytes).concat(), "{format:?}");
        }
    }
}
