//! Reading and writing image files.
//!
//! PNG, JPEG, TIFF, BMP, WebP and PNM files are recognised by their content, not by their name. They may be grey or in colour;
//! palettes are expanded, 8-bit values are divided by 255, 16-bit values by 65535 or by a given white, and floating-point values
//! are white at 1. An alpha channel is composited over white, in a mask over black, and pictures are turned as their EXIF data
//! say. Colour profiles and gamma are ignored: values are taken as they are stored. `paper/interface.md` has the table of
//! formats.

use std::fmt::Display;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use ndarray::{Array, Axis, Dimension};

use super::arrays::{each, promised};
use super::decode::{self, MAX_PIXELS, Samples};
use super::image::{Image, Plane, image, sides};
use super::levels::Levels;
use crate::disk::{bounded, write_atomically};
use crate::error::{Error, Result};
use crate::shape::in_pixels;
use crate::spare::Promise;

/// The largest file that is opened, in bytes: twice an uncompressed 64 Mpx image with four 16-bit channels.
pub(super) const MAX_BYTES: u64 = MAX_PIXELS * 16;

/// Bytes at the beginning of a file by which its format is recognised.
pub(super) const START: u64 = 1024;

/// Bytes of memory for each that is encoded: those of a file that is no smaller, which grows to twice its length while half of
/// that is still there.
const ENCODING: usize = 3;

/// The formats that are read, in words.
pub(super) const READ_FORMATS: &str = "PNG, JPEG, TIFF, BMP, WebP and PNM";

/// Extensions of the formats that are read, in lower case.
pub(super) const READ: [&str; 17] =
    ["png", "apng", "jpg", "jpeg", "jpe", "jfif", "jif", "tif", "tiff", "bmp", "dib", "webp", "pnm", "pbm", "pgm", "ppm", "pam"];

/// Reads an image file as `[height, width, 3]`; grey images get three equal channels.
///
/// # Errors
/// A file that is missing, empty, truncated, damaged, not an image, in another format, or larger than [`MAX_PIXELS`] (checked in
/// its header, before decoding). The error names the file and the reason.
pub fn read_image(path: &Path) -> Result<Image> {
    read_image_with(path, 0.0)
}

/// The same with the value that is white in images with more than 8 bits per sample, such as 4095 for 12 bits in 16; 0 means as
/// the format says.
///
/// # Errors
/// As [`read_image`].
pub fn read_image_with(path: &Path, white_level: f64) -> Result<Image> {
    read_with_levels(path, white_level).map(|(image, _)| image)
}

/// The same with the largest value in the file, if it has more than 8 bits per sample.
///
/// # Errors
/// As [`read_image`].
pub fn read_with_levels(path: &Path, white_level: f64) -> Result<(Image, Option<Levels>)> {
    let refuse = |reason| decode::refusal(path, reason);
    let samples = read_samples(path)?;
    let levels = samples.levels(0).map_err(refuse)?;
    let pixels = samples.over_white(white_level).map_err(refuse)?;
    let [height, width] = samples.sides();
    let image = image(height, width, pixels).map_err(|error| Error::file(path, error))?;
    Ok((image, levels))
}

/// Height and width of an image file as it is to be seen, without decoding its pixels. Of PNG, TIFF and PNM no more than the
/// header is read.
///
/// # Errors
/// A file that cannot be opened, is not an image in one of these formats, has no pixel, or is larger than [`MAX_PIXELS`].
pub fn read_size(path: &Path) -> Result<[u32; 2]> {
    let refuse = |error| Error::read(path, error);
    let (mut file, _) = bounded::open(path, MAX_BYTES)?;
    let mut start = Vec::new();
    (&file).take(START).read_to_end(&mut start).map_err(refuse)?;
    let format = format(path, &start)?;
    file.rewind().map_err(refuse)?;
    match decode::size_in(format, BufReader::new(file)) {
        Some([height, width]) => check_size(path, height, width).map(|_| [height, width]),
        // What is wrong with the header is said by the whole file.
        None => read_checked(path).map(|(_, _, size)| size),
    }
}

/// Reads a ground-truth mask: 1 where the mean of the channels exceeds 0.5 (anomalous), else 0. An alpha channel is composited
/// over black, so that a transparent pixel marks nothing. Of a mask that nowhere exceeds 0.5 and has only black
/// and one other value, as with 0 and 1 for 0 and 255, the other value counts as anomalous. A black mask has no anomalous pixel.
///
/// # Errors
/// As [`read_image`]; a mask with other values of which none exceeds one half.
pub fn read_mask(path: &Path) -> Result<Plane> {
    let samples = read_samples(path)?;
    let [height, width] = samples.sides();
    let finite = samples.levels(0).and_then(|_| samples.over_black()).map_err(|reason| decode::refusal(path, reason))?;
    let image = image(height, width, finite).map_err(|error| Error::file(path, error))?;
    let means = image.map_axis(Axis(2), |rgb| rgb.iter().sum::<f32>() / 3.0);
    let brightest = means.iter().copied().fold(0.0, f32::max);
    if brightest == 0.0 || brightest > 0.5 {
        return Ok(means.mapv(|mean| f32::from(mean > 0.5)));
    }
    let has_labels = means.iter().all(|&mean| mean == 0.0 || mean == brightest) && means.iter().any(|&mean| mean == 0.0);
    if !has_labels {
        let level = to_byte(brightest);
        let reason = "anomalous pixels must exceed 127, or all have one value on black";
        return Err(Error::file(path, format!("the brightest value of this mask is {level}; {reason}")));
    }
    Ok(means.mapv(|mean| f32::from(mean > 0.0)))
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
/// A mask that is too large for PNG; too little memory.
pub fn encode_mask_png(mask: &Plane) -> Result<Vec<u8>> {
    encode(mask, ExtendedColorType::L8)
}

/// An 8-bit RGB PNG file in memory; values outside [0, 1] are clamped, NaN is black.
///
/// # Errors
/// An image that is not `[height, width, 3]` or is too large for PNG; too little memory.
pub fn encode_png(image: &Image) -> Result<Vec<u8>> {
    sides("png", image)?;
    encode(image, ExtendedColorType::Rgb8)
}

/// A JPEG file in memory, for looking at: JPEG changes the values. `quality` is 1 to 100; values outside [0, 1] are clamped.
///
/// # Errors
/// An image that is not `[height, width, 3]` or has a side above 65535; too little memory.
pub fn encode_jpeg(image: &Image, quality: u8) -> Result<Vec<u8>> {
    let (height, width) = sides("jpeg", image)?;
    let size = in_pixels(height, width);
    let refuse = |reason: &dyn Display| Error::shape("jpeg", format!("a JPEG cannot hold {size}: {reason}"));
    let rows = u16::try_from(height).map_err(|error| refuse(&error))?;
    let columns = u16::try_from(width).map_err(|error| refuse(&error))?;
    let (bytes, _left) = to_bytes(image)?;
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, quality);
    encoder.write_image(&bytes, columns.into(), rows.into(), ExtendedColorType::Rgb8).map_err(|error| refuse(&error))?;
    Ok(file)
}

fn encode<D: Dimension>(values: &Array<f32, D>, colour: ExtendedColorType) -> Result<Vec<u8>> {
    let (height, width) = (values.len_of(Axis(0)), values.len_of(Axis(1)));
    let size = in_pixels(height, width);
    let refuse = |reason: &dyn Display| Error::shape("png", format!("a PNG cannot hold {size}: {reason}"));
    let rows = u32::try_from(height).map_err(|error| refuse(&error))?;
    let columns = u32::try_from(width).map_err(|error| refuse(&error))?;
    let (bytes, _left) = to_bytes(values)?;
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(&bytes, columns, rows, colour).map_err(|error| refuse(&error))?;
    Ok(file)
}

/// The 8-bit values to encode, and memory for the encoder, which takes it without asking.
fn to_bytes<D: Dimension>(values: &Array<f32, D>) -> Result<(Vec<u8>, Promise)> {
    let bytes = each(&values.view(), to_byte)?;
    let left = promised(values.len().saturating_mul(ENCODING))?;
    Ok((bytes, left))
}

/// The 8-bit value of `v` in [0, 1]: `round(255 v)`, clamped; NaN becomes 0.
pub(crate) fn to_byte(v: f32) -> u8 {
    let value = v * 255.0;
    // As `round`, which is a call into a library where the processor need not have an instruction for it.
    let below = value as u8;
    below.saturating_add(u8::from(value - f32::from(below) >= 0.5))
}

fn read_samples(path: &Path) -> Result<Samples> {
    let (format, bytes, _) = read_checked(path)?;
    let samples = decode::samples(format, &bytes).map_err(|reason| decode::refusal(path, reason))?;
    if let Some(loss) = samples.loss {
        log::warn!("{}: {loss}", path.display());
    }
    Ok(samples)
}

/// Format, bytes, height and width of a picture file whose size is within the limits.
fn read_checked(path: &Path) -> Result<(ImageFormat, Vec<u8>, [u32; 2])> {
    let bytes = bounded::read(path, MAX_BYTES)?;
    let format = format(path, &bytes)?;
    let [height, width] = decode::size(format, &bytes).map_err(|reason| decode::refusal(path, reason))?;
    check_size(path, height, width)?;
    Ok((format, bytes, [height, width]))
}

/// The format of a file, by its first bytes.
fn format(path: &Path, bytes: &[u8]) -> Result<ImageFormat> {
    if bytes.is_empty() {
        return Err(Error::file(path, "is empty (0 bytes)"));
    }
    decode::format(path, bytes).map_err(|other| match other {
        Some(other) => Error::file(path, format!("is {other} picture, which is not read; convert it to PNG or TIFF")),
        None => Error::file(path, format!("is not an image: its content is none of {READ_FORMATS}")),
    })
}

fn check_size(path: &Path, height: u32, width: u32) -> Result<u64> {
    let pixels = u64::from(height) * u64::from(width);
    if pixels == 0 {
        return Err(Error::file(path, format!("is empty: it has {}", in_pixels(height, width))));
    }
    if pixels > MAX_PIXELS {
        let size = in_pixels(height, width);
        return Err(Error::file(path, format!("has {size}, {pixels} in all; the limit is {MAX_PIXELS}")));
    }
    Ok(pixels)
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
        // As the function of the library, also next to halves.
        let halves = (0..=255).map(|byte| (byte as f32 + 0.5) / 255.0).flat_map(|half| [half.next_down(), half, half.next_up()]);
        for value in halves.chain((-1000..=1000).map(|k| k as f32 / 777.0)) {
            assert_eq!(to_byte(value), (value * 255.0).round() as u8, "{value}");
        }
    }

    #[test]
    fn a_transparent_pixel_of_a_mask_marks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        // Transparent white and black, white, black, half transparent white twice.
        let pixels = [[255, 0], [0, 0], [255, 255], [0, 255], [255, 127], [255, 129]].concat();
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(&pixels, 6, 1, ExtendedColorType::La8).unwrap();
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read_mask(&path).unwrap(), ndarray::array![[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]]);
        assert_eq!(read_image(&path).unwrap()[[0, 1, 0]], 1.0, "an image is composited over white");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn for_the_size_of_a_large_file_its_header_is_read() {
        let read_by_this_thread = || -> u64 {
            let text = std::fs::read_to_string("/proc/thread-self/io").unwrap();
            text.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let png = encode_png(&Image::zeros((3, 5, 3))).unwrap();
        for (name, bytes) in [("a.png", &png[..]), ("a.pgm", b"P5 5 3 255 ")] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            // The rest of the file is a hole.
            std::fs::OpenOptions::new().append(true).open(&path).unwrap().set_len(32 << 20).unwrap();
            let before = read_by_this_thread();
            assert_eq!(read_size(&path).unwrap(), [3, 5], "{name}");
            let read = read_by_this_thread() - before;
            assert!(read < 1 << 20, "{name}: {read} bytes were read");
        }
    }

    #[test]
    fn sizes_are_checked_from_the_header() {
        let path = Path::new("a.png");
        assert!(check_size(path, 8192, 8192).is_ok());
        let error = check_size(path, 8192, 8193).unwrap_err().to_string();
        assert_eq!(error, "a.png: has 8192x8193 pixels (height x width), 67117056 in all; the limit is 67108864");
        assert!(check_size(path, u32::MAX, u32::MAX).is_err());
        assert!(check_size(path, 0, 5).is_err());
    }
}
