//! Decodes PNG and JPEG data in memory. What a file holds beside its pixels, such as colour profiles and text, is skipped unread.

use std::fmt::Display;
use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::{ImageDecoder, ImageFormat};
use png::{BitDepth, ColorType, Transformations};

use super::file::{MAX_PIXELS, jpeg_end};

/// A reason why data cannot be decoded.
type Reason<T> = Result<T, String>;

/// Bytes that the PNG decoder may allocate beside the pixels: one row of the widest image with four 16-bit channels.
const PNG_LIMIT: usize = MAX_PIXELS as usize * 8;

/// Bytes of the longest palette of a PNG.
const MAX_PALETTE: usize = 256 * 3;

/// What is put behind the coded data of a JPEG to see whether the decoder reads it; no sequence of valid codes.
const TAIL: [u8; 64] = [0xAA; 64];

/// The end marker of a JPEG.
const END: [u8; 2] = [0xFF, 0xD9];

/// Decoded samples, row by row; `channels` is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
pub(super) struct Samples {
    pub(super) height: usize,
    pub(super) width: usize,
    channels: usize,
    /// Bytes of a sample: 1, or 2 with the higher one first.
    depth: usize,
    raw: Vec<u8>,
}

impl Samples {
    /// The pixels as RGB in [0, 1], composited over white.
    pub(super) fn over_white(&self) -> Reason<Vec<f32>> {
        let sample = |bytes: &[u8]| match *bytes {
            [high, low] => f32::from(u16::from_be_bytes([high, low])) / 65535.0,
            _ => f32::from(bytes[0]) / 255.0,
        };
        let mut pixels = reserved(3 * self.height * self.width, [self.height, self.width])?;
        let mut own = [0.0; 4];
        for pixel in self.raw.chunks_exact(self.channels * self.depth) {
            for (value, bytes) in own.iter_mut().zip(pixel.chunks_exact(self.depth)) {
                *value = sample(bytes);
            }
            pixels.extend(over_white(&own[..self.channels]));
        }
        Ok(pixels)
    }
}

/// An empty vector with space for `count` values of an image of this height and width.
fn reserved<T>(count: usize, [height, width]: [usize; 2]) -> Reason<Vec<T>> {
    let mut values = Vec::new();
    let short = |_| format!("has {height}x{width} pixels, for which memory is short");
    values.try_reserve_exact(count).map_err(short)?;
    Ok(values)
}

/// One stored pixel as RGB; alpha a gives `a v + (1 - a)`.
fn over_white(pixel: &[f32]) -> [f32; 3] {
    let blend = |v: f32, a: f32| a * v + (1.0 - a);
    match *pixel {
        [grey] => [grey; 3],
        [grey, a] => [blend(grey, a); 3],
        [r, g, b, a] => [blend(r, a), blend(g, a), blend(b, a)],
        _ => [pixel[0], pixel[1], pixel[2]],
    }
}

/// Height and width of a picture.
///
/// # Errors
/// Data that do not begin as a picture in this format does, or a size that cannot be read.
pub(super) fn size(format: ImageFormat, bytes: &[u8]) -> Reason<[u32; 2]> {
    if format == ImageFormat::Png {
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        let header = decoder.read_header_info().map_err(|error| broken("PNG", &error))?;
        return Ok([header.height, header.width]);
    }
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| broken("JPEG", &error))?;
    let (width, height) = decoder.dimensions();
    Ok([height, width])
}

/// The samples of a picture, whose size was checked.
///
/// # Errors
/// Damaged or truncated data; too little memory.
pub(super) fn samples(format: ImageFormat, bytes: &[u8]) -> Reason<Samples> {
    if format == ImageFormat::Png {
        return png_samples(bytes);
    }
    let samples = jpeg_samples(bytes)?;
    // Behind its coded data a whole picture has nothing that matters. The decoder makes up what is missing, without a word.
    let end = jpeg_end(bytes).map_or(bytes.len(), |end| end - END.len());
    // Bytes that fill up before a marker are no coded data, where each 255 is followed by a zero.
    let fill = bytes[..end].iter().rev().take_while(|&&byte| byte == 0xFF).count();
    let longer = [&bytes[..end - fill], &TAIL, &END].concat();
    match jpeg_samples(&longer) {
        Ok(other) if other.raw == samples.raw => Ok(samples),
        _ => Err("the JPEG data are cut short: the coded data end before the last pixel".to_owned()),
    }
}

fn png_samples(bytes: &[u8]) -> Reason<Samples> {
    let words = |error: png::DecodingError| broken("PNG", &error);
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: PNG_LIMIT });
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    decoder.ignore_checksums(false);
    // Palettes become colours, and less than 8 bits become 8.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(words)?;
    check_palette(reader.info())?;
    let (width, height) = reader.info().size();
    let (height, width) = (height as usize, width as usize);
    let length = reader.output_buffer_size().ok_or_else(|| format!("has {height}x{width} pixels, too many for this machine"))?;
    let mut raw = reserved(length, [height, width])?;
    raw.resize(length, 0);
    let about = reader.next_frame(&mut raw).map_err(words)?;
    let channels = match about.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err("the PNG data cannot be read: colours without a palette".to_owned()),
    };
    let depth = if about.bit_depth == BitDepth::Sixteen { 2 } else { 1 };
    Ok(Samples { height, width, channels, depth, raw })
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

fn jpeg_samples(bytes: &[u8]) -> Reason<Samples> {
    let words = |error: image::ImageError| broken("JPEG", &error);
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(words)?;
    let (width, height) = decoder.dimensions();
    let (height, width) = (height as usize, width as usize);
    let channels = usize::from(decoder.color_type().channel_count());
    let length = height * width * channels;
    if decoder.total_bytes() != length as u64 {
        return Err(format!("has samples of {} bits, which are not supported", 8 * decoder.total_bytes() / length.max(1) as u64));
    }
    let mut raw = reserved(length, [height, width])?;
    raw.resize(length, 0);
    decoder.read_image(&mut raw).map_err(words)?;
    Ok(Samples { height, width, channels, depth: 1, raw })
}

/// A decoder's reason as one short clause. The decoder of PNG names a chunk by all its properties.
fn broken(format: &str, error: &dyn Display) -> String {
    let mut text = error.to_string();
    while let Some((before, (name, after))) =
        text.split_once("ChunkType { type: ").and_then(|(before, rest)| Some((before, rest.split_once(',')?)))
    {
        let after = after.split_once('}').map_or("", |(_, after)| after);
        text = format!("{before}{name}{after}");
    }
    format!("the {format} data cannot be read: {}", text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_composited_over_white() {
        assert_eq!(over_white(&[0.25]), [0.25; 3]);
        assert_eq!(over_white(&[0.25, 1.0]), [0.25; 3]);
        assert_eq!(over_white(&[0.25, 0.0]), [1.0; 3]);
        assert_eq!(over_white(&[0.0, 0.5, 1.0, 0.5]), [0.5, 0.75, 1.0]);
        assert_eq!(over_white(&[0.1, 0.2, 0.3]), [0.1, 0.2, 0.3]);
    }

    #[test]
    fn a_chunk_is_named_by_its_four_letters() {
        let text = "CRC error: while decoding ChunkType { type: IDAT, critical: true, private: false } chunk.";
        assert_eq!(broken("PNG", &text), "the PNG data cannot be read: CRC error: while decoding IDAT chunk");
        assert_eq!(broken("PNG", &"odd ChunkType { type: no end"), "the PNG data cannot be read: odd ChunkType { type: no end");
    }

    #[test]
    fn a_jpeg_that_ends_anywhere_before_its_last_row_is_cut_short() {
        let mut whole = Vec::new();
        let pixels: Vec<u8> = (0..96 * 64 * 3).map(|k| (k * 7919 % 251) as u8).collect();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut whole, 90);
        image::ImageEncoder::write_image(encoder, &pixels, 96, 64, image::ExtendedColorType::Rgb8).unwrap();
        assert_eq!(samples(ImageFormat::Jpeg, &whole).map(|own| (own.height, own.width)), Ok((64, 96)));
        let filled = [&whole[..whole.len() - 2], &[0xFF, 0xFF, 0xFF, 0xD9, 1, 2, 3]].concat();
        assert_eq!(samples(ImageFormat::Jpeg, &filled).map(|own| own.width), Ok(96));
        let scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14;
        for length in (scan..whole.len() - 40).step_by(97) {
            let cut = [&whole[..length], &END].concat();
            let reason = samples(ImageFormat::Jpeg, &cut).map(|own| own.height).unwrap_err();
            assert!(reason.starts_with("the JPEG data "), "{length}: {reason}");
        }
    }
}
