//! BMP, WebP and the family of PBM, PGM, PPM and PAM, by the decoders of the crate `image`. Palettes of a BMP become colours; of
//! an animated WebP the first frame is read.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::pnm::{PnmDecoder, PnmHeader};
use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageFormat, ImageResult};

use super::bmp_runs::{check_runs, has_runs};
use super::buffer::{buffer, check_claim};
use super::reason::{Reason, broken, name};
use super::samples::{Alpha, Colour, Kind, Samples};

/// Bytes of a WebP before its first chunk: `RIFF`, length, `WEBP`.
const RIFF_HEADER: usize = 12;

pub(super) fn size(format: ImageFormat, bytes: &[u8]) -> Reason<[u32; 2]> {
    let decoder = decoder(format, bytes).map_err(|error| broken(&name(format), &error))?;
    let (width, height) = decoder.dimensions();
    Ok([height, width])
}

pub(super) fn samples(format: ImageFormat, bytes: &[u8]) -> Reason<Samples> {
    let words = |error| broken(&name(format), &error);
    let decoder = decoder(format, bytes).map_err(words)?;
    let (width, height) = decoder.dimensions();
    let stored = [height as usize, width as usize];
    let (colour, alpha, kind) = kinds(decoder.color_type())?;
    if let Some(most) = expansion(format, bytes) {
        check_claim(&name(format), decoder.total_bytes(), bytes.len(), most)?;
    }
    if format == ImageFormat::Bmp && has_runs(bytes) {
        check_runs(bytes, stored)?;
    }
    let mut raw = buffer(decoder.total_bytes(), stored)?;
    decoder.read_image(&mut raw).map_err(words)?;
    let samples = Samples::new(stored, colour, alpha, kind, raw);
    Ok(if format == ImageFormat::Pnm { samples.with_white(white(bytes)?) } else { samples })
}

/// What samples are as a decoder gives them.
pub(super) fn kinds(samples: ColorType) -> Reason<(Colour, Option<Alpha>, Kind)> {
    Ok(match samples {
        ColorType::L8 => (Colour::Grey, None, Kind::U8),
        ColorType::La8 => (Colour::Grey, Some(Alpha::Straight), Kind::U8),
        ColorType::Rgb8 => (Colour::Rgb, None, Kind::U8),
        ColorType::Rgba8 => (Colour::Rgb, Some(Alpha::Straight), Kind::U8),
        ColorType::L16 => (Colour::Grey, None, Kind::U16),
        ColorType::La16 => (Colour::Grey, Some(Alpha::Straight), Kind::U16),
        ColorType::Rgb16 => (Colour::Rgb, None, Kind::U16),
        ColorType::Rgba16 => (Colour::Rgb, Some(Alpha::Straight), Kind::U16),
        other => return Err(format!("has samples that are not supported ({other:?})")),
    })
}

fn decoder(format: ImageFormat, bytes: &[u8]) -> ImageResult<Box<dyn ImageDecoder + '_>> {
    let bytes = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Bmp => Box::new(BmpDecoder::new(bytes)?),
        ImageFormat::WebP => Box::new(WebPDecoder::new(bytes)?),
        _ => Box::new(PnmDecoder::new(bytes)?),
    })
}

/// The most bytes of samples that a byte of the file becomes, if there is a bound: 8 pixels of one bit, which a BMP has in
/// colour.
fn expansion(format: ImageFormat, bytes: &[u8]) -> Option<u64> {
    match format {
        ImageFormat::Pnm => Some(8),
        ImageFormat::Bmp if !has_runs(bytes) => Some(24),
        _ => None,
    }
}

/// The value that is white in a PNM file, as its header says. The decoder has brought the samples to the full range.
fn white(bytes: &[u8]) -> Reason<f64> {
    let decoder = PnmDecoder::new(Cursor::new(bytes)).map_err(|error| broken("PNM", &error))?;
    let (_, header): (_, PnmHeader) = decoder.into_inner();
    Ok(f64::from(header.maximal_sample()))
}

/// The content of the chunk `EXIF` of a WebP, which some programs begin as in a JPEG.
pub(super) fn webp_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(RIFF_HEADER..)?;
    loop {
        let (kind, behind) = rest.split_first_chunk::<4>()?;
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let content = behind.get(..u32::from_le_bytes(*length) as usize)?;
        if kind == b"EXIF" {
            return Some(content.strip_prefix(b"Exif\0\0").unwrap_or(content));
        }
        // Chunks are filled up to an even length.
        rest = behind.get(content.len().next_multiple_of(2)..)?;
    }
}
