//! PNG: 1 to 16 bits, grey, RGB, palettes and alpha. Gamma and colour profiles are ignored; of an animation the default image is read.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations};

use super::buffer::{MAX_PIXELS, buffer};
use super::reason::{Reason, broken};
use super::samples::{Alpha, Colour, Kind, Samples};

/// Bytes that the decoder may allocate beside the pixels: one row of the widest image with four 16-bit channels.
const LIMIT: usize = MAX_PIXELS as usize * 8;

/// Bytes of the longest palette.
const MAX_PALETTE: usize = 256 * 3;

/// Bytes of the signature.
const SIGNATURE: usize = 8;

pub(super) fn size(bytes: &[u8]) -> Reason<[u32; 2]> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    let header = decoder.read_header_info().map_err(|error| broken("PNG", &error))?;
    Ok([header.height, header.width])
}

pub(super) fn samples(bytes: &[u8]) -> Reason<Samples> {
    let words = |error: png::DecodingError| broken("PNG", &error);
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: LIMIT });
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    decoder.ignore_checksums(false);
    // Palettes become colours, and less than 8 bits become 8.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(words)?;
    check_palette(reader.info())?;
    let (width, height) = reader.info().size();
    let stored = [height as usize, width as usize];
    let length = reader.output_buffer_size().unwrap_or(usize::MAX);
    let mut raw = buffer(length as u64, stored)?;
    let about = reader.next_frame(&mut raw).map_err(words)?;
    let (colour, alpha) = match about.color_type {
        ColorType::Grayscale => (Colour::Grey, None),
        ColorType::GrayscaleAlpha => (Colour::Grey, Some(Alpha::Straight)),
        ColorType::Rgb => (Colour::Rgb, None),
        ColorType::Rgba => (Colour::Rgb, Some(Alpha::Straight)),
        ColorType::Indexed => return Err("the PNG data cannot be read: colours without a palette".to_owned()),
    };
    let kind = if about.bit_depth == BitDepth::Sixteen { Kind::U16 } else { Kind::U8 };
    if kind == Kind::U16 {
        raw.chunks_exact_mut(2).for_each(|pair| pair.copy_from_slice(&u16::from_be_bytes([pair[0], pair[1]]).to_ne_bytes()));
    }
    Ok(Samples::new(stored, colour, alpha, kind, raw))
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
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(SIGNATURE..)?;
    loop {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let content = behind.get(..u32::from_be_bytes(*length) as usize)?;
        if kind == b"eXIf" {
            return Some(content);
        }
        // A checksum of 4 bytes follows.
        rest = behind.get(content.len() + 4..)?;
    }
}
