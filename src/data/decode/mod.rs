//! Decodes picture files in memory. What a file holds beside its pixels, such as colour profiles and text, is skipped unread; of
//! EXIF data only the orientation is looked at.
//!
//! Every decoder gets the size first, from the header, and then fills a buffer that was reserved here: a file costs at most its
//! own bytes, 1 GiB of samples and the image itself, beside what the decoder of a format needs for a row or a strip. Bytes and
//! samples count twice for a JPEG, which is decoded twice to see whether it is whole, the bytes for a TIFF with a palette, and
//! the samples for a TIFF in planes or of less than 8 bits.

mod bmp_runs;
mod buffer;
mod jpeg;
mod orientation;
mod others;
mod palette;
mod plain;
mod png;
mod reason;
mod rows;
mod samples;
mod tiff;
mod tiff_directory;

use std::borrow::Cow;
use std::io::{Cursor, Seek};
use std::path::Path;

use image::ImageFormat;

pub use buffer::MAX_PIXELS;
use orientation::Orientation;
pub(super) use others::{OTHERS, extension};
use reason::Reason;
pub(super) use reason::refusal;
pub(super) use rows::{RowDecoder, Source, stored_size};
pub(super) use samples::Samples;
use tiff_directory::is_tiff;

/// The format of a file by its first bytes, if it is one that is read; else what it is instead, if that is known.
pub(super) fn format(path: &Path, bytes: &[u8]) -> Result<ImageFormat, Option<&'static str>> {
    use ImageFormat::{Bmp, Jpeg, Png, Pnm, Tiff, WebP};
    if let Some(other) = others::by_content(bytes) {
        return Err(Some(other));
    }
    match image::guess_format(bytes) {
        Ok(known @ (Png | Jpeg | Bmp | WebP | Pnm)) => Ok(known),
        _ => match others::by_extension(path) {
            Some(other) => Err(Some(other)),
            None if is_tiff(bytes) => Ok(Tiff),
            None => Err(None),
        },
    }
}

/// Height and width of a picture as it is to be seen.
///
/// # Errors
/// Data that do not begin as a picture in this format does, or a size that cannot be read.
pub(super) fn size(format: ImageFormat, bytes: &[u8]) -> Reason<[u32; 2]> {
    let stored = match format {
        ImageFormat::Png => png::size(Cursor::new(bytes)),
        ImageFormat::Jpeg => jpeg::size(bytes),
        ImageFormat::Tiff => tiff::size(bytes),
        _ => plain::size(format, bytes),
    };
    Ok(orientation(format, bytes).upright(stored?))
}

/// The same of a file, of which only the header and EXIF data are read; `None` where the format does not allow that or the header
/// tells no size.
pub(super) fn size_in(format: ImageFormat, mut source: Source) -> Option<[u32; 2]> {
    let orientation = match format {
        ImageFormat::Png => png::exif(&mut source).map_or(Orientation::UPRIGHT, |block| Orientation::of_exif(&block)),
        ImageFormat::Tiff => Orientation::of_tag(tiff::orientation_of(&mut source)),
        ImageFormat::Pnm => Orientation::UPRIGHT,
        _ => return None,
    };
    source.rewind().ok()?;
    Some(orientation.upright(stored_size(format, source)?.ok()?))
}

/// The samples of a picture, whose size was checked.
///
/// # Errors
/// Damaged or truncated data; samples that are not supported; too little memory.
pub(super) fn samples(format: ImageFormat, bytes: &[u8]) -> Reason<Samples> {
    let _left = match format {
        // Row by row.
        ImageFormat::Png | ImageFormat::Pnm | ImageFormat::Bmp => None,
        _ => Some(buffer::for_decoder(size(format, bytes)?)?),
    };
    let found = match format {
        ImageFormat::Png => png::samples(bytes),
        ImageFormat::Jpeg => jpeg::samples(bytes),
        ImageFormat::Tiff => tiff::samples(bytes),
        _ => plain::samples(format, bytes),
    };
    Ok(found?.turned(orientation(format, bytes)))
}

/// How a picture is to be turned. Missing and damaged EXIF data mean not at all: they never stop a picture.
fn orientation(format: ImageFormat, bytes: &[u8]) -> Orientation {
    let exif = match format {
        ImageFormat::Png => png::exif(Cursor::new(bytes)).map(Cow::Owned),
        ImageFormat::Jpeg => jpeg::exif(bytes).map(Cow::Borrowed),
        ImageFormat::WebP => plain::webp_exif(bytes).map(Cow::Borrowed),
        ImageFormat::Tiff => return Orientation::of_tag(tiff::orientation(bytes)),
        _ => None,
    };
    exif.map_or(Orientation::UPRIGHT, |block| Orientation::of_exif(&block))
}
