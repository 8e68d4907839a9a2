//! TIFF in strips whose samples have 8 bits or more, pixel by pixel. The decoder's memory is that of one strip.

use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::Tag;

use super::super::buffer::{MAX_SAMPLE_BYTES, buffer};
use super::super::orientation::Orientation;
use super::super::reason::{Reason, broken};
use super::super::samples::Samples;
use super::super::tiff::{Content, check_length, check_rows, content, decoder, kind};
use super::opened::{Opened, Rows, Source};

struct TiffRows {
    decoder: Decoder<Source>,
    /// Bytes of a row.
    row: usize,
    /// Number of the next strip.
    next: u32,
    /// The strip that was read last, and how many of its bytes were given.
    strip: Vec<u8>,
    given: usize,
}

pub(super) fn open(source: Source) -> Reason<Opened> {
    let words = |error: tiff::TiffError| broken("TIFF", &error);
    let length = source.get_ref().metadata().map_err(|error| broken("TIFF", &error))?.len();
    let mut decoder = decoder(source)?;
    let (width, height) = decoder.dimensions().map_err(words)?;
    let found @ Content { bits, channels, alpha, .. } = content(&mut decoder)?;
    let layout = decoder.image_buffer_layout().map_err(words)?;
    let kind = kind(&layout, bits)?;
    check_rows(&decoder, &layout, found)?;
    check_length(&mut decoder, &layout, usize::try_from(length).unwrap_or(usize::MAX))?;
    if decoder.get_chunk_type() != ChunkType::Strip || layout.planes > 1 || bits < 8 {
        return Err(format!("is a TIFF file of {bits} bits in tiles or planes"));
    }
    let orientation = Orientation::of_tag(decoder.find_tag_unsigned(Tag::Orientation).map_err(words)?);
    let samples = Samples::new([0, width as usize], found.colour(), alpha, kind, Vec::new()).with_channels(channels);
    let row = samples.bytes_of_row(width as usize);
    let rows = TiffRows { decoder, row, next: 0, strip: Vec::new(), given: 0 };
    Ok(Opened { size: [height, width], samples, orientation, rows: Box::new(rows) })
}

impl TiffRows {
    fn read_strip(&mut self) -> Reason<()> {
        let (width, height) = self.decoder.chunk_data_dimensions(self.next);
        let bytes = u64::from(height) * self.row as u64;
        check_strip(bytes)?;
        self.strip = buffer(bytes, [height as usize, width as usize])?;
        self.decoder.read_chunk_bytes(self.next, &mut self.strip).map_err(|error| broken("TIFF", &error))?;
        (self.next, self.given) = (self.next + 1, 0);
        Ok(())
    }
}

/// Refuses a strip that is too large to be in memory.
fn check_strip(bytes: u64) -> Reason<()> {
    match bytes > MAX_SAMPLE_BYTES {
        true => Err(format!("has strips of {bytes} bytes, the limit is {MAX_SAMPLE_BYTES}; save it with fewer rows in a strip")),
        false => Ok(()),
    }
}

impl Rows for TiffRows {
    fn append(&mut self, count: usize, raw: &mut Vec<u8>) -> Reason<()> {
        let end = raw.len() + count * self.row;
        while raw.len() < end {
            if self.given == self.strip.len() {
                self.read_strip()?;
            }
            let taken = (end - raw.len()).min(self.strip.len() - self.given);
            raw.extend_from_slice(&self.strip[self.given..self.given + taken]);
            self.given += taken;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_strip_that_is_too_large_the_rows_are_the_remedy() {
        assert_eq!(check_strip(MAX_SAMPLE_BYTES), Ok(()));
        let text = check_strip(MAX_SAMPLE_BYTES + 1).unwrap_err();
        assert_eq!(text, "has strips of 1073741825 bytes, the limit is 1073741824; save it with fewer rows in a strip");
    }
}
