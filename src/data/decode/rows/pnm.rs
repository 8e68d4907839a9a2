//! PGM, PPM and PAM whose samples are bytes or pairs of bytes.

use std::io::{BufRead, Read};

use image::ImageDecoder;
use image::codecs::pnm::{PnmDecoder, PnmSubtype, SampleEncoding};

use super::super::orientation::Orientation;
use super::super::plain::kinds;
use super::super::png::in_order_of_the_machine;
use super::super::reason::{Reason, broken};
use super::super::samples::{Kind, Samples};
use super::opened::{Opened, Rows, Source};

struct PnmRows {
    source: Source,
    kind: Kind,
    /// Bytes of a row.
    row: usize,
}

pub(super) fn size(source: impl BufRead) -> Reason<[u32; 2]> {
    let (width, height) = PnmDecoder::new(source).map_err(|error| broken("PNM", &error))?.dimensions();
    Ok([height, width])
}

pub(super) fn open(source: Source) -> Reason<Opened> {
    let decoder = PnmDecoder::new(source).map_err(|error| broken("PNM", &error))?;
    let (width, height) = decoder.dimensions();
    let (colour, alpha, kind) = kinds(decoder.color_type())?;
    let is_binary = matches!(
        decoder.subtype(),
        PnmSubtype::Graymap(SampleEncoding::Binary) | PnmSubtype::Pixmap(SampleEncoding::Binary) | PnmSubtype::ArbitraryMap
    );
    let (source, header) = decoder.into_inner();
    let most = if kind == Kind::U8 { 255 } else { 65535 };
    if !is_binary {
        return Err("is a PNM file without samples of full bytes".to_owned());
    }
    if header.maximal_sample() != most {
        return Err(format!("is a PNM file whose white is {}", header.maximal_sample()));
    }
    let samples = Samples::new([0, width as usize], colour, alpha, kind, Vec::new());
    let rows = PnmRows { source, kind, row: samples.bytes_of_row(width as usize) };
    Ok(Opened { size: [height, width], samples, orientation: Orientation::UPRIGHT, rows: Box::new(rows) })
}

impl Rows for PnmRows {
    fn append(&mut self, count: usize, raw: &mut Vec<u8>) -> Reason<()> {
        let (bytes, before) = (count * self.row, raw.len());
        let read = self.source.by_ref().take(bytes as u64).read_to_end(raw).map_err(|error| broken("PNM", &error))?;
        if read < bytes {
            return Err("the PNM data end before the last row".to_owned());
        }
        in_order_of_the_machine(self.kind, &mut raw[before..]);
        Ok(())
    }
}
