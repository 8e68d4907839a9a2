//! Reading and writing image files.
//!
//! PNG and JPEG files are recognised by their content, not by their name. They may be grey or in colour; palettes are expanded,
//! 8-bit values are divided by 255 and 16-bit values by 65535. An alpha channel is composited over white. The EXIF orientation
//! of a JPEG, colour profiles and gamma chunks are ignored: pixels are taken as they are stored.

use std::fmt::Display;
use std::io::{Read, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use ndarray::{Array, Axis, Dimension};

use super::decode::{self, Samples};
use super::image::{Image, Plane, image, sides};
use crate::disk::{bounded, write_atomically};
use crate::error::{Error, Result};

/// The largest image that is read, in pixels: 64 Mpx, e.g. 8192 x 8192. Its decoded form takes 768 MB.
pub const MAX_PIXELS: u64 = 64 * 1024 * 1024;

/// The largest file that is opened, in bytes: twice an uncompressed 64 Mpx image with four 16-bit channels.
pub(super) const MAX_BYTES: u64 = MAX_PIXELS * 16;

/// Reads a PNG or JPEG file as `[height, width, 3]`; grey images get three equal channels.
///
/// # Errors
/// A file that is missing, empty, truncated, damaged, not an image, in another format, or larger than [`MAX_PIXELS`] (checked in
/// its header, before decoding). The error names the file and the reason.
pub fn read_image(path: &Path) -> Result<Image> {
    let samples = read_samples(path)?;
    let pixels = samples.over_white().map_err(|reason| Error::file(path, reason))?;
    image(samples.height, samples.width, pixels).map_err(|error| Error::file(path, error))
}

/// Bytes at the beginning of a PNG that hold its size.
const PNG_HEADER: u64 = 64;

/// Height and width of a PNG or JPEG file, from its header.
///
/// # Errors
/// A file that cannot be opened, is not an image in one of these formats, has no pixel, or is larger than [`MAX_PIXELS`].
pub fn read_size(path: &Path) -> Result<[u32; 2]> {
    let [height, width] = picture_size(path)?;
    check_size(path, height, width)?;
    Ok([height, width])
}

/// The same, however large the picture is.
pub(super) fn picture_size(path: &Path) -> Result<[u32; 2]> {
    let (file, _) = bounded::open(path, MAX_BYTES)?;
    let refuse = |error| Error::read(path, error);
    let mut bytes = Vec::new();
    let mut start = file.take(PNG_HEADER);
    start.read_to_end(&mut bytes).map_err(refuse)?;
    let format = guessed(path, &bytes)?;
    if format != ImageFormat::Png {
        start.into_inner().take(MAX_BYTES).read_to_end(&mut bytes).map_err(refuse)?;
    }
    decode::size(format, &bytes).map_err(|reason| Error::file(path, reason))
}

/// Reads a ground-truth mask: 1 where the mean of the channels exceeds 0.5 (anomalous), else 0. A black mask has no anomalous
/// pixel.
///
/// # Errors
/// As [`read_image`]; a mask that is not black but does not exceed one half anywhere, e.g. because 1 was stored instead of 255.
pub fn read_mask(path: &Path) -> Result<Plane> {
    let means = read_image(path)?.map_axis(Axis(2), |rgb| rgb.iter().sum::<f32>() / 3.0);
    let brightest = means.iter().copied().fold(0.0, f32::max);
    if brightest > 0.0 && brightest <= 0.5 {
        let level = to_byte(brightest);
        return Err(Error::file(path, format!("the brightest value of this mask is {level}; anomalous pixels must exceed 127")));
    }
    Ok(means.mapv(|mean| f32::from(mean > 0.5)))
}

/// Writes an 8-bit RGB PNG, values `round(255 v)` clamped to 0..255. The file is written completely or not at all.
///
/// # Errors
/// A missing folder, a full disk, or an image that is too large for PNG.
pub fn write_png(path: &Path, image: &Image) -> Result<()> {
    let bytes = encode_png(image).map_err(|error| Error::file(path, error))?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// Writes an 8-bit grey PNG of a mask or map with values in [0, 1], `round(255 v)` clamped. The file is written completely or not
/// at all.
///
/// # Errors
/// As [`write_png`].
pub fn write_mask_png(path: &Path, mask: &Plane) -> Result<()> {
    let bytes = encode_mask_png(mask).map_err(|error| Error::file(path, error))?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// An 8-bit grey PNG file in memory.
///
/// # Errors
/// A mask that is too large for PNG.
pub fn encode_mask_png(mask: &Plane) -> Result<Vec<u8>> {
    encode(mask, ExtendedColorType::L8)
}

/// An 8-bit RGB PNG file in memory; values outside [0, 1] are clamped, NaN is black.
///
/// # Errors
/// An image that is not `[height, width, 3]` or is too large for PNG.
pub fn encode_png(image: &Image) -> Result<Vec<u8>> {
    sides("png", image)?;
    encode(image, ExtendedColorType::Rgb8)
}

/// A JPEG file in memory, for looking at: JPEG changes the values. `quality` is 1 to 100; values outside [0, 1] are clamped.
///
/// # Errors
/// An image that is not `[height, width, 3]` or has a side above 65535.
pub fn encode_jpeg(image: &Image, quality: u8) -> Result<Vec<u8>> {
    let (height, width) = sides("jpeg", image)?;
    let refuse = |reason: &dyn Display| Error::shape("jpeg", format!("a JPEG cannot hold {height}x{width} pixels: {reason}"));
    let rows = u16::try_from(height).map_err(|error| refuse(&error))?;
    let columns = u16::try_from(width).map_err(|error| refuse(&error))?;
    let bytes: Vec<u8> = image.iter().map(|&value| to_byte(value)).collect();
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, quality);
    encoder.write_image(&bytes, columns.into(), rows.into(), ExtendedColorType::Rgb8).map_err(|error| refuse(&error))?;
    Ok(file)
}

fn encode<D: Dimension>(values: &Array<f32, D>, colour: ExtendedColorType) -> Result<Vec<u8>> {
    let (height, width) = (values.len_of(Axis(0)), values.len_of(Axis(1)));
    let refuse = |reason: &dyn Display| Error::shape("png", format!("a PNG cannot hold {height}x{width} pixels: {reason}"));
    let rows = u32::try_from(height).map_err(|error| refuse(&error))?;
    let columns = u32::try_from(width).map_err(|error| refuse(&error))?;
    let bytes: Vec<u8> = values.iter().map(|&value| to_byte(value)).collect();
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(&bytes, columns, rows, colour).map_err(|error| refuse(&error))?;
    Ok(file)
}

/// The 8-bit value of `v` in [0, 1]: `round(255 v)`, clamped; NaN becomes 0.
pub(crate) fn to_byte(v: f32) -> u8 {
    (v * 255.0).round() as u8
}

fn read_samples(path: &Path) -> Result<Samples> {
    let bytes = read_bytes(path)?;
    let refuse = |reason: String| Error::file(path, reason);
    let format = picture_format(path, &bytes)?;
    let [height, width] = decode::size(format, &bytes).map_err(refuse)?;
    check_size(path, height, width)?;
    decode::samples(format, &bytes).map_err(refuse)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    bounded::read(path, MAX_BYTES)
}

fn picture_format(path: &Path, bytes: &[u8]) -> Result<ImageFormat> {
    let format = guessed(path, bytes)?;
    if format == ImageFormat::Jpeg && jpeg_end(bytes).is_none() {
        let reason = format!("the JPEG data are cut short after {} bytes: the end marker is missing", bytes.len());
        return Err(Error::file(path, reason));
    }
    Ok(format)
}

/// PNG or JPEG, by the first bytes.
fn guessed(path: &Path, bytes: &[u8]) -> Result<ImageFormat> {
    if bytes.is_empty() {
        return Err(Error::file(path, "is empty (0 bytes)"));
    }
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => Ok(format),
        Ok(other) => Err(Error::file(path, format!("is a {} file; only PNG and JPEG are supported", name(other)))),
        Err(_) => Err(Error::file(path, "is not an image: its content is neither PNG nor JPEG")),
    }
}

fn name(format: ImageFormat) -> String {
    format!("{format:?}").to_uppercase()
}

fn check_size(path: &Path, height: u32, width: u32) -> Result<u64> {
    let pixels = u64::from(height) * u64::from(width);
    if pixels == 0 {
        return Err(Error::file(path, format!("has no pixels ({height}x{width})")));
    }
    if pixels > MAX_PIXELS {
        return Err(Error::file(path, format!("has {height}x{width} = {pixels} pixels, the limit is {MAX_PIXELS}")));
    }
    Ok(pixels)
}

/// The position behind the end marker of a JPEG, to which its segments lead (ITU T.81, annex B). Needed because the decoder silently fills
/// missing rows with grey.
pub(super) fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.windows(2).position(|pair| is_marker(pair[0], pair[1]))) {
        at += offset + 2;
        match bytes[at - 1] {
            0xD9 => return Some(at),
            0x01 => {}
            _ => match bytes.get(at..at + 2) {
                Some(length) => at += usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return None,
            },
        }
    }
    None
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
    fn bytes_round_and_clamp() {
        let cases = [(-1.0, 0), (0.0, 0), (0.4999 / 255.0, 0), (0.5001 / 255.0, 1), (1.0, 255), (7.0, 255), (f32::NAN, 0)];
        for (value, byte) in cases {
            assert_eq!(to_byte(value), byte, "{value}");
        }
        for byte in 0..=255_u8 {
            assert_eq!(to_byte(f32::from(byte) / 255.0), byte);
        }
    }

    #[test]
    fn sizes_are_checked_from_the_header() {
        let path = Path::new("a.png");
        assert!(check_size(path, 8192, 8192).is_ok());
        let error = check_size(path, 8192, 8193).unwrap_err().to_string();
        assert_eq!(error, "a.png: has 8192x8193 = 67117056 pixels, the limit is 67108864");
        assert!(check_size(path, u32::MAX, u32::MAX).is_err());
        assert!(check_size(path, 0, 5).is_err());
    }

    #[test]
    fn jpeg_segments_are_followed() {
        // SOI, APP0 of 6 bytes whose payload holds a false end marker, SOS, coded data with a stuffed byte and a restart, EOI.
        let whole =
            [0xFF, 0xD8, 0xFF, 0xE0, 0, 6, 0xFF, 0xD9, 1, 2, 0xFF, 0xDA, 0, 3, 9, 7, 0xFF, 0, 8, 0xFF, 0xD0, 8, 0xFF, 0xD9];
        assert_eq!(jpeg_end(&whole), Some(whole.len()));
        assert_eq!(jpeg_end(&[&whole[..], &[0xFF, 0xD9]].concat()), Some(whole.len()));
        for length in 0..whole.len() {
            assert_eq!(jpeg_end(&whole[..length]), None, "{length}");
        }
    }
}
