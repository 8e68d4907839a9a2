//! PNG: 1 to 16 bits, grey, RGB, palettes and alpha. Gamma and colour profiles are ignored; of an animation the default image is
//! read.

use std::io::{BufRead, Cursor, Read, Seek};

use png::{BitDepth, ColorType, Transformations};

use super::buffer::{MAX_PIXELS, buffer};
use super::reason::{Reason, broken};
use super::samples::{Alpha, Colour, Kind, Samples};

/// Bytes that the decoder may allocate beside the pixels: one row of the widest image with four 16-bit channels.
const LIMIT: usize = MAX_PIXELS as usize * 8;

/// Bytes of the longest palette.
const MAX_PALETTE: usize = 256 * 3;

/// Bytes of the signature.
const SIGNATURE: i64 = 8;

/// Most bytes of EXIF data that are looked at. The orientation is near the beginning, before any preview.
const MAX_EXIF: u64 = 1 << 20;

/// Bytes of a checksum.
const CHECKSUM: i64 = 4;

pub(super) fn size(source: impl BufRead + Seek) -> Reason<[u32; 2]> {
    let mut decoder = png::Decoder::new(source);
    let header = decoder.read_header_info().map_err(|error| broken("PNG", &error))?;
    Ok([header.height, header.width])
}

pub(super) fn samples(bytes: &[u8]) -> Reason<Samples> {
    let mut reader = begun(Cursor::new(bytes))?;
    let (width, height) = reader.info().size();
    let stored = [height as usize, width as usize];
    let length = reader.output_buffer_size().unwrap_or(usize::MAX);
    let mut raw = buffer(length as u64, stored)?;
    let about = reader.next_frame(&mut raw).map_err(|error| broken("PNG", &error))?;
    let (colour, alpha, kind) = kinds(about.color_type, about.bit_depth)?;
    in_order_of_the_machine(kind, &mut raw);
    Ok(Samples::new(stored, colour, alpha, kind, raw))
}

/// A decoder that has read what is before the pixels.
pub(super) fn begun<R: BufRead + Seek>(source: R) -> Reason<png::Reader<R>> {
    let mut decoder = png::Decoder::new_with_limits(source, png::Limits { bytes: LIMIT });
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    decoder.ignore_checksums(false);
    // Palettes become colours, and less than 8 bits become 8.
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(|error| broken("PNG", &error))?;
    check_palette(reader.info())?;
    Ok(reader)
}

/// What samples are as the decoder gives them.
pub(super) fn kinds(colour: ColorType, bits: BitDepth) -> Reason<(Colour, Option<Alpha>, Kind)> {
    let (colour, alpha) = match colour {
        ColorType::Grayscale => (Colour::Grey, None),
        ColorType::GrayscaleAlpha => (Colour::Grey, Some(Alpha::Straight)),
        ColorType::Rgb => (Colour::Rgb, None),
        ColorType::Rgba => (Colour::Rgb, Some(Alpha::Straight)),
        ColorType::Indexed => return Err("the PNG data cannot be read: colours without a palette".to_owned()),
    };
    Ok((colour, alpha, if bits == BitDepth::Sixteen { Kind::U16 } else { Kind::U8 }))
}

/// Brings samples of 16 bits, whose higher byte comes first, into the order of the machine.
pub(super) fn in_order_of_the_machine(kind: Kind, raw: &mut [u8]) {
    if kind == Kind::U16 {
        raw.chunks_exact_mut(2).for_each(|pair| pair.copy_from_slice(&u16::from_be_bytes([pair[0], pair[1]]).to_ne_bytes()));
    }
}

/// The decoder panics at a palette that is not of whole colours, or of more than there can be.
fn check_palette(about: &png::Info<'_>) -> Reason<()> {
    match about.palette.as_deref().map(<[u8]>::len) {
        Some(length) if !length.is_multiple_of(3) || length > MAX_PALETTE => {
            Err(format!("the PNG data cannot be read: a palette of {length} bytes, at most {MAX_PALETTE} and 3 for each colour"))
        }
        _ => Ok(()),
    }
}

/// The content of the chunk `eXIf`, which may stand before the pixels or behind them.
pub(super) fn exif(mut source: impl Read + Seek) -> Option<Vec<u8>> {
    source.seek_relative(SIGNATURE).ok()?;
    loop {
        let mut start = [0; 8];
        source.read_exact(&mut start).ok()?;
        let [l0, l1, l2, l3, kind @ ..] = start;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        if &kind == b"eXIf" {
            let mut content = Vec::new();
            source.take(MAX_EXIF.min(length.into())).read_to_end(&mut content).ok()?;
            return Some(content);
        }
        if &kind == b"IEND" {
            return None;
        }
        source.seek_relative(i64::from(length) + CHECKSUM).ok()?;
    }
}
