//! PNG without interlacing.

use std::io::{Seek, SeekFrom};

use super::super::orientation::Orientation;
use super::super::png::{begun, exif, in_order_of_the_machine, kinds};
use super::super::reason::{Reason, broken};
use super::super::samples::{Kind, Samples};
use super::opened::{Opened, Rows, Source};

struct PngRows {
    reader: png::Reader<Source>,
    kind: Kind,
    /// Rows that are still to be read.
    left: u32,
}

pub(super) fn open(mut source: Source) -> Reason<Opened> {
    let orientation = exif(&mut source).map_or(Orientation::UPRIGHT, |block| Orientation::of_exif(&block));
    source.seek(SeekFrom::Start(0)).map_err(|error| broken("PNG", &error))?;
    let reader = begun(source)?;
    if reader.info().interlaced {
        return Err("is an interlaced PNG file".to_owned());
    }
    let (width, height) = reader.info().size();
    let (colour, bits) = reader.output_color_type();
    let (colour, alpha, kind) = kinds(colour, bits)?;
    let samples = Samples::new([0, width as usize], colour, alpha, kind, Vec::new());
    Ok(Opened { size: [height, width], samples, orientation, rows: Box::new(PngRows { reader, kind, left: height }) })
}

impl Rows for PngRows {
    fn append(&mut self, count: usize, raw: &mut Vec<u8>) -> Reason<()> {
        let words = |error: png::DecodingError| broken("PNG", &error);
        let before = raw.len();
        for _ in 0..count {
            let row = self.reader.next_row().map_err(words)?;
            raw.extend_from_slice(row.ok_or("the PNG data end before the last row")?.data());
            self.left -= 1;
        }
        in_order_of_the_machine(self.kind, &mut raw[before..]);
        if self.left == 0 {
            self.reader.finish().map_err(words)?;
        }
        Ok(())
    }
}
