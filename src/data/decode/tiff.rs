//! TIFF: 1 to 8, 16 and 32 bits and floating point, grey, RGB, CMYK and alpha, in strips or tiles, uncompressed or with Deflate,
//! LZW or PackBits. Of several pictures in a file the first is read.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{Cursor, Read, Seek, SeekFrom};

use tiff::ColorType;
use tiff::decoder::{BufferLayoutPreference, ChunkType, Decoder, DecodingSampleType, Limits};
use tiff::tags::Tag;

use super::buffer::{MAX_SAMPLE_BYTES, buffer, check_claim};
use super::palette;
use super::reason::{Reason, broken};
use super::samples::{Alpha, Colour, Kind, Samples};
use super::tiff_directory::check_fields;

/// Bytes of a row of tiles that are decoded for any picture.
const ROW_BYTES: u64 = 16 << 20;

/// Most samples of a pixel, as of a picture with alpha and some further channels.
const MAX_CHANNELS: u16 = 16;

/// What a file with several pictures loses.
const PAGES: &str = "holds more than one picture, of which only the first is read";

pub(super) fn size(bytes: &[u8]) -> Reason<[u32; 2]> {
    let (width, height) = opened(bytes)?.dimensions().map_err(|error| broken("TIFF", &error))?;
    Ok([height, width])
}

/// The value of the tag `Orientation`.
pub(super) fn orientation(bytes: &[u8]) -> Option<u16> {
    opened(bytes).ok()?.find_tag_unsigned(Tag::Orientation).ok().flatten()
}

pub(super) fn samples(bytes: &[u8]) -> Reason<Samples> {
    let words = |error| broken("TIFF", &error);
    let mut decoder = opened(bytes)?;
    let (width, height) = decoder.dimensions().map_err(words)?;
    let stored = [height as usize, width as usize];
    let content = content(&mut decoder)?;
    let layout = decoder.image_buffer_layout().map_err(words)?;
    let kind = kind(&layout, content.bits)?;
    check_rows(&decoder, &layout, content)?;
    check_length(&mut decoder, &layout, bytes.len())?;
    let mut raw = buffer(layout.complete_len as u64, stored)?;
    decoder.read_image_bytes(&mut raw).map_err(words)?;
    let palette = palette(bytes, &mut decoder, content.bits)?;
    if content.bits < 8 && layout.planes > 1 {
        return Err(format!("has planes of {} bits, which are not supported; save it with 8 bits", content.bits));
    }
    if content.bits < 8 {
        raw = unpacked(&raw, stored, content, palette.is_none())?;
    }
    if layout.planes > 1 {
        raw = interleaved(&raw, layout.planes, kind.bytes(), stored)?;
    }
    let channels = if layout.planes > 1 { layout.planes } else { content.channels };
    let loss = decoder.more_images().then_some(PAGES);
    let samples = Samples::new(stored, palette.unwrap_or_else(|| content.colour()), content.alpha, kind, raw);
    Ok(samples.with_channels(channels).with_loss(loss))
}

/// Height and width of a picture in a file.
pub(super) fn size_of(source: impl Read + Seek) -> Reason<[u32; 2]> {
    let (width, height) = decoder(source)?.dimensions().map_err(|error| broken("TIFF", &error))?;
    Ok([height, width])
}

/// The value of the tag `Orientation` in a file.
pub(super) fn orientation_of(source: impl Read + Seek) -> Option<u16> {
    decoder(source).ok()?.find_tag_unsigned(Tag::Orientation).ok().flatten()
}

fn opened(bytes: &[u8]) -> Reason<Decoder<Cursor<Cow<'_, [u8]>>>> {
    let source = palette::as_grey(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned);
    decoder(Cursor::new(source))
}

/// A decoder within the limits, which does not know palettes.
pub(super) fn decoder<R: Read + Seek>(mut source: R) -> Reason<Decoder<R>> {
    let words = |error: &dyn Display| broken("TIFF", error);
    let length =
        source.seek(SeekFrom::End(0)).and_then(|length| source.rewind().map(|()| length)).map_err(|error| words(&error))?;
    check_fields(&mut source, length)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_SAMPLE_BYTES as usize;
    // No strip has more bytes than the file.
    limits.intermediate_buffer_size = usize::try_from(length).unwrap_or(usize::MAX).min(MAX_SAMPLE_BYTES as usize);
    let decoder = Decoder::new(source).map_err(|error| words(&error))?;
    Ok(decoder.with_limits(limits))
}

/// What the samples of a pixel mean.
#[derive(Clone, Copy)]
pub(super) struct Content {
    pub(super) bits: u8,
    /// Samples of a pixel that the decoder gives.
    pub(super) channels: usize,
    /// 1, 3 or 4.
    colours: usize,
    pub(super) alpha: Option<Alpha>,
}

impl Content {
    pub(super) fn colour(self) -> Colour {
        match self.colours {
            1 => Colour::Grey,
            3 => Colour::Rgb,
            _ => Colour::Cmyk,
        }
    }
}

pub(super) fn content<R: Read + Seek>(decoder: &mut Decoder<R>) -> Reason<Content> {
    let words = |error| broken("TIFF", &error);
    let stored: u16 = decoder.find_tag_unsigned(Tag::SamplesPerPixel).map_err(words)?.unwrap_or(1);
    if stored > MAX_CHANNELS {
        return Err(format!("has {stored} channels, at most {MAX_CHANNELS} are read"));
    }
    let colour = decoder.colortype().map_err(words)?;
    let unknown = |kind: &str| format!("has colours that are not supported ({kind}); save it as grey or RGB");
    let (colours, channels) = match colour {
        ColorType::Gray(_) => (1, 1),
        ColorType::Multiband { num_samples, .. } => (1, num_samples),
        ColorType::RGB(_) => (3, 3),
        ColorType::RGBA(_) => (3, 4),
        ColorType::CMYK(_) => (4, 4),
        ColorType::CMYKA(_) => (4, 5),
        ColorType::YCbCr(_) => return Err(unknown("YCbCr")),
        ColorType::Lab(_) => return Err(unknown("Lab")),
        _ => return Err(unknown("of another kind")),
    };
    let predictor: u16 = decoder.find_tag_unsigned(Tag::Predictor).map_err(words)?.unwrap_or(1);
    if channels < stored && predictor != 1 {
        return Err(format!("has {stored} channels, of which the decoder cannot pass over the last in a file with a predictor"));
    }
    let extra: Vec<u16> = decoder.find_tag_unsigned_vec(Tag::ExtraSamples).map_err(words)?.unwrap_or_default();
    let alpha = match extra.first() {
        Some(1) => Some(Alpha::Multiplied),
        Some(2) => Some(Alpha::Straight),
        _ => None,
    };
    let alpha = alpha.filter(|_| channels > colours);
    Ok(Content { bits: colour.bit_depth(), channels: channels.into(), colours: colours.into(), alpha })
}

/// The colours of a file with a palette.
fn palette<R: Read + Seek>(bytes: &[u8], decoder: &mut Decoder<R>, bits: u8) -> Reason<Option<Colour>> {
    if palette::as_grey(bytes).is_none() {
        return Ok(None);
    }
    let map: Vec<u16> = decoder.find_tag_unsigned_vec(Tag::ColorMap).map_err(|error| broken("TIFF", &error))?.unwrap_or_default();
    palette::colours(&map, bits).map(Colour::Palette).map(Some)
}

pub(super) fn kind(layout: &BufferLayoutPreference, bits: u8) -> Reason<Kind> {
    let kind = match layout.sample_type {
        Some(DecodingSampleType::U8) => Kind::U8,
        Some(DecodingSampleType::U16) => Kind::U16,
        Some(DecodingSampleType::U32) => Kind::U32,
        Some(DecodingSampleType::F16) => Kind::F16,
        Some(DecodingSampleType::F32) => Kind::F32,
        Some(DecodingSampleType::F64) => Kind::F64,
        other => {
            let what = match other {
                Some(DecodingSampleType::I8 | DecodingSampleType::I16 | DecodingSampleType::I32 | DecodingSampleType::I64) => {
                    "signed integers"
                }
                _ => "samples",
            };
            return Err(format!("has {what} of {bits} bits, which are not supported; save it with 8 or 16 bits"));
        }
    };
    match bits < 8 || usize::from(bits) == 8 * kind.bytes() {
        true => Ok(kind),
        false => Err(format!("has samples of {bits} bits, which are not supported; save it with 8 or 16 bits")),
    }
}

/// Refuses tiles so wide that a row of one would need more memory than any picture that has them.
pub(super) fn check_rows<R: Read + Seek>(decoder: &Decoder<R>, layout: &BufferLayoutPreference, content: Content) -> Reason<()> {
    let (width, _) = decoder.chunk_dimensions();
    let row = u64::from(width) * u64::from(MAX_CHANNELS) * u64::from(content.bits).div_ceil(8);
    match row <= ROW_BYTES.max(layout.complete_len as u64 * u64::from(MAX_CHANNELS)) {
        true => Ok(()),
        false => Err(format!("has tiles of {width} pixels in width, which is more than the picture can need")),
    }
}

/// Refuses a file of so many bytes that is not compressed and has more samples than bytes, or lacks some of its strips or tiles.
/// For these, which programs leave out where nothing was recorded, the decoder takes other bytes of the file.
pub(super) fn check_length<R: Read + Seek>(
    decoder: &mut Decoder<R>,
    layout: &BufferLayoutPreference,
    length: usize,
) -> Reason<()> {
    let compression: u16 = decoder.find_tag_unsigned(Tag::Compression).map_err(|error| broken("TIFF", &error))?.unwrap_or(1);
    match compression {
        1 => check_claim("TIFF", layout.complete_len as u64, length, 1).and_then(|()| check_places(decoder)),
        _ => Ok(()),
    }
}

/// Refuses a file with a strip or tile that has no place or no bytes. The decoder needs no lengths of these, and some programs
/// write none at all: only one that is 0 beside others means something.
fn check_places<R: Read + Seek>(decoder: &mut Decoder<R>) -> Reason<()> {
    let (what, tags) = match decoder.get_chunk_type() {
        ChunkType::Strip => ("strip", [Tag::StripOffsets, Tag::StripByteCounts]),
        ChunkType::Tile => ("tile", [Tag::TileOffsets, Tag::TileByteCounts]),
    };
    let mut values = |tag| -> Reason<Vec<u64>> {
        Ok(decoder.find_tag_unsigned_vec(tag).map_err(|error| broken("TIFF", &error))?.unwrap_or_default())
    };
    let (offsets, counts) = (values(tags[0])?, values(tags[1])?);
    let has_lengths = counts.iter().any(|&count| count != 0);
    let is_missing = |(&offset, &count): (&u64, &u64)| offset == 0 || count == 0 && has_lengths;
    match offsets.iter().zip(&counts).position(is_missing) {
        Some(place) => Err(format!("the TIFF data are incomplete: {what} {} of {} is missing", place + 1, counts.len())),
        None => Ok(()),
    }
}

/// Samples of less than 8 bits, whose rows begin at full bytes, as bytes; if they are scaled, white is 255.
fn unpacked(packed: &[u8], stored: [usize; 2], content: Content, is_scaled: bool) -> Reason<Vec<u8>> {
    let (bits, row) = (usize::from(content.bits), stored[1] * content.channels);
    let most = (1_u32 << bits) - 1;
    let mut raw = buffer((stored[0] * row) as u64, stored)?;
    for (own, packed) in raw.chunks_exact_mut(row).zip(packed.chunks_exact((row * bits).div_ceil(8))) {
        for (place, value) in own.iter_mut().enumerate() {
            let first = place * bits;
            let [high, low] = [first / 8, first / 8 + 1].map(|at| packed.get(at).copied().unwrap_or(0));
            let number = u32::from(u16::from_be_bytes([high, low]) >> (16 - bits - first % 8)) & most;
            *value = if is_scaled { number * 255 / most } else { number } as u8;
        }
    }
    Ok(raw)
}

/// Planes, one behind the other, as pixels.
fn interleaved(planes: &[u8], count: usize, bytes: usize, stored: [usize; 2]) -> Reason<Vec<u8>> {
    let mut raw = buffer(planes.len() as u64, stored)?;
    let plane = planes.len() / count;
    for (number, plane) in planes.chunks_exact(plane).enumerate() {
        for (pixel, sample) in raw.chunks_exact_mut(count * bytes).zip(plane.chunks_exact(bytes)) {
            pixel[number * bytes..(number + 1) * bytes].copy_from_slice(sample);
        }
    }
    Ok(raw)
}
