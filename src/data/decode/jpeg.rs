//! JPEG: 8 bits, grey, colour and CMYK, which the decoder converts to RGB.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::jpeg::JpegDecoder;

use super::buffer::{buffer, reserved};
use super::reason::{Reason, broken, is_short};
use super::samples::{Colour, Kind, Samples};

/// What is put behind the coded data to see whether the decoder reads it; no sequence of valid codes.
const TAIL: [u8; 64] = [0xAA; 64];

/// The end marker.
const END: [u8; 2] = [0xFF, 0xD9];

/// The marker of the segment with EXIF data, and how it begins.
const APP1: u8 = 0xE1;
const EXIF: &[u8] = b"Exif\0\0";

pub(super) fn size(bytes: &[u8]) -> Reason<[u32; 2]> {
    if end(bytes).is_none() {
        return Err(format!("the JPEG data are cut short after {} bytes: the end marker is missing", bytes.len()));
    }
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| broken("JPEG", &error))?;
    let (width, height) = decoder.dimensions();
    Ok([height, width])
}

pub(super) fn samples(bytes: &[u8]) -> Reason<Samples> {
    let samples = decoded(bytes)?;
    // Behind its coded data a whole picture has nothing that matters. The decoder makes up what is missing, without a word.
    let end = end(bytes).map_or(bytes.len(), |end| end - END.len());
    // Bytes that fill up before a marker are no coded data, where each 255 is followed by a zero.
    let fill = bytes[..end].iter().rev().take_while(|&&byte| byte == 0xFF).count();
    let mut longer = reserved(bytes.len() + TAIL.len() + END.len(), samples.sides())?;
    [&bytes[..end - fill], &TAIL, &END].into_iter().for_each(|part| longer.extend_from_slice(part));
    match decoded(&longer) {
        Ok(other) if other.raw() == samples.raw() => Ok(samples),
        Err(reason) if is_short(&reason) => Err(reason),
        _ => Err("the JPEG data are cut short: the coded data end before the last pixel".to_owned()),
    }
}

fn decoded(bytes: &[u8]) -> Reason<Samples> {
    let words = |error: image::ImageError| broken("JPEG", &error);
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(words)?;
    let (width, height) = decoder.dimensions();
    let stored = [height as usize, width as usize];
    let channels = u64::from(decoder.color_type().channel_count());
    let length = u64::from(height) * u64::from(width) * channels;
    if decoder.total_bytes() != length {
        return Err(format!("has samples of {} bits, which are not supported", 8 * decoder.total_bytes() / length.max(1)));
    }
    let mut raw = buffer(length, stored)?;
    decoder.read_image(&mut raw).map_err(words)?;
    let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
    Ok(Samples::new(stored, colour, None, Kind::U8, raw))
}

/// The EXIF data.
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    segments(bytes).find_map(|segment| match segment {
        Segment { marker: APP1, content, .. } => content.strip_prefix(EXIF),
        _ => None,
    })
}

/// The position behind the end marker, to which the segments lead. Needed because the decoder silently fills missing rows with
/// grey.
fn end(bytes: &[u8]) -> Option<usize> {
    segments(bytes).find(|segment| segment.marker == END[1]).map(|segment| segment.behind)
}

/// A marker with the content of its segment.
struct Segment<'a> {
    marker: u8,
    content: &'a [u8],
    /// The position behind it.
    behind: usize,
}

/// The segments of a JPEG (ITU T.81, annex B), passing over coded data.
fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut at = 2;
    std::iter::from_fn(move || {
        let offset = bytes.get(at..)?.windows(2).position(|pair| is_marker(pair[0], pair[1]))?;
        at += offset + 2;
        let marker = bytes[at - 1];
        if matches!(marker, 0xD9 | 0x01) {
            return Some(Segment { marker, content: &[], behind: at });
        }
        let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let content = bytes.get(at + 2..at + length).unwrap_or_default();
        at += length;
        Some(Segment { marker, content, behind: at })
    })
}

/// Whether two bytes are a marker that starts a segment, and not a stuffed byte, a fill byte or a restart marker in the coded
/// data.
fn is_marker(first: u8, second: u8) -> bool {
    first == 0xFF && !matches!(second, 0x00 | 0xFF | 0xD0..=0xD7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_followed() {
        // SOI, APP0 of 6 bytes whose payload holds a false end marker, SOS, coded data with a stuffed byte and a restart, EOI.
        let whole =
            [0xFF, 0xD8, 0xFF, 0xE0, 0, 6, 0xFF, 0xD9, 1, 2, 0xFF, 0xDA, 0, 3, 9, 7, 0xFF, 0, 8, 0xFF, 0xD0, 8, 0xFF, 0xD9];
        assert_eq!(end(&whole), Some(whole.len()));
        assert_eq!(end(&[&whole[..], &[0xFF, 0xD9]].concat()), Some(whole.len()));
        for length in 0..whole.len() {
            assert_eq!(end(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_jpeg_that_ends_anywhere_before_its_last_row_is_cut_short() {
        let mut whole = Vec::new();
        let pixels: Vec<u8> = (0..96 * 64 * 3).map(|k| (k * 7919 % 251) as u8).collect();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut whole, 90);
        image::ImageEncoder::write_image(encoder, &pixels, 96, 64, image::ExtendedColorType::Rgb8).unwrap();
        assert_eq!(samples(&whole).map(|own| own.sides()), Ok([64, 96]));
        let filled = [&whole[..whole.len() - 2], &[0xFF, 0xFF, 0xFF, 0xD9, 1, 2, 3]].concat();
        assert_eq!(samples(&filled).map(|own| own.sides()), Ok([64, 96]));
        let scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14;
        for length in (scan..whole.len() - 40).step_by(97) {
            let cut = [&whole[..length], &END].concat();
            let reason = samples(&cut).map(|own| own.sides()).unwrap_err();
            assert!(reason.starts_with("the JPEG data "), "{length}: {reason}");
        }
    }
}
