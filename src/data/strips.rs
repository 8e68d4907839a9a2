//! Pictures of more than [`MAX_PIXELS`], read a strip of rows at a time.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use image::ImageFormat;

use super::decode::{self, MAX_PIXELS, RowDecoder, Source};
use super::file::START;
use super::image::{Image, image};
use super::levels::Levels;
use crate::disk::bounded;
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// The largest picture that is read in strips: places in it are numbers of 32 bits.
const MOST_PIXELS: u64 = u32::MAX as u64;

/// The largest file: such a picture, uncompressed, with four 16-bit channels.
const MOST_BYTES: u64 = MOST_PIXELS * 8 + (1 << 20);

/// A picture, opened to be read from the top to the bottom.
pub struct Strips {
    path: PathBuf,
    white_level: f64,
    rows: RowDecoder,
    /// Number of the next row.
    next: usize,
    /// Of the rows read.
    levels: Option<Levels>,
}

impl Strips {
    /// Opens a picture if it has more than [`MAX_PIXELS`] and is in one of the formats that have rows; `None` for others, which
    /// are read as a whole, for files that are no picture, and for pictures of more pixels than 32 bits can number. `white_level`
    /// as for [`read_image_with`](super::read_image_with).
    ///
    /// # Errors
    /// A file that cannot be opened; as [`Strips::open`].
    pub fn of_large(path: &Path, white_level: f64) -> Result<Option<Self>> {
        let is_large = (MAX_PIXELS + 1..=MOST_PIXELS).contains(&stored_pixels(path)?);
        is_large.then(|| Self::open(path, white_level)).transpose()
    }

    /// Opens a picture of any size.
    ///
    /// # Errors
    /// A file that cannot be opened or is damaged at the beginning; one whose rows do not come from the top to the bottom; more
    /// pixels than 32 bits can number, or none.
    pub fn open(path: &Path, white_level: f64) -> Result<Self> {
        let (format, source) = source(path)?;
        let format = format.ok_or_else(|| refused(path, "is not an image"))?;
        let rows = RowDecoder::open(format, source).map_err(|reason| refused(path, &reason))?;
        let (height, width) = rows.size();
        let pixels = (height as u64).saturating_mul(width as u64);
        if pixels == 0 || pixels > MOST_PIXELS {
            let size = in_pixels(height, width);
            return Err(Error::file(path, format!("has {size}, {pixels} in all; 1 to {MOST_PIXELS} are possible")));
        }
        Ok(Self { path: path.to_owned(), white_level, rows, next: 0, levels: None })
    }

    /// The same picture, opened anew.
    ///
    /// # Errors
    /// As [`Strips::open`].
    pub fn again(&self) -> Result<Self> {
        Self::open(&self.path, self.white_level)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Height and width.
    pub fn size(&self) -> (usize, usize) {
        self.rows.size()
    }

    /// The largest value in the rows read, if samples have more than 8 bits.
    pub fn levels(&self) -> Option<Levels> {
        self.levels
    }

    /// The next rows, as [`read_image_with`](super::read_image_with) would give them: `[count, width, 3]`.
    ///
    /// # Errors
    /// Damaged or truncated data, also behind the last row; a value that is not finite; more rows than there are; too little
    /// memory.
    pub fn next(&mut self, count: usize) -> Result<Image> {
        let refuse = |reason| decode::refusal(&self.path, reason);
        let samples = self.rows.next(count).map_err(refuse)?;
        let levels = samples.levels(self.next).map_err(refuse)?;
        self.next += count;
        self.levels = [self.levels, levels].into_iter().flatten().max_by(|a, b| a.largest.total_cmp(&b.largest));
        let [height, width] = samples.sides();
        let pixels = samples.over_white(self.white_level).map_err(refuse)?;
        image(height, width, pixels).map_err(|error| error.in_file(&self.path))
    }
}

/// Pixels of a picture as its header tells, from the beginning of the file; 0 if that does not tell.
///
/// # Errors
/// A file that cannot be opened.
pub fn stored_pixels(path: &Path) -> Result<u64> {
    let (format, source) = source(path)?;
    let size = format.and_then(|format| decode::stored_size(format, source)).and_then(std::result::Result::ok);
    Ok(size.map_or(0, |[height, width]| u64::from(height) * u64::from(width)))
}

/// The format of a file, if it is known, and its bytes from the first one on.
fn source(path: &Path) -> Result<(Option<ImageFormat>, Source)> {
    let refuse = |error| Error::read(path, error);
    let (file, _) = bounded::open(path, MOST_BYTES)?;
    let mut start = Vec::new();
    (&file).take(START).read_to_end(&mut start).map_err(refuse)?;
    let mut source: BufReader<File> = BufReader::new(file);
    source.rewind().map_err(refuse)?;
    Ok((decode::format(path, &start).ok(), source))
}

fn refused(path: &Path, what: &str) -> Error {
    let reason = format!(
        "{what}; pictures of more than {MAX_PIXELS} pixels are read strip by strip, from PNG without interlacing, TIFF in strips of whole pixels, or \
         binary PGM, PPM and PAM with 255 or 65535 as white: convert it to one of them"
    );
    Error::file(path, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{read_image, read_with_levels};
    use png::{BitDepth, ColorType};
    use tiff::encoder::{Compression, TiffEncoder, colortype};

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn png(colour: ColorType, bits: BitDepth, [height, width]: [u32; 2], raw: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        encoder.set_depth(bits);
        encoder.write_header().unwrap().write_image_data(raw).unwrap();
        file
    }

    fn in_strips(own: &mut Strips, counts: &[usize]) -> Image {
        let strips: Vec<Image> = counts.iter().map(|&count| own.next(count).unwrap()).collect();
        let views: Vec<_> = strips.iter().map(|strip| strip.view()).collect();
        ndarray::concatenate(ndarray::Axis(0), &views).unwrap()
    }

    #[test]
    fn strips_have_the_values_of_the_whole_picture() {
        let raw: Vec<u8> = (0..7 * 5 * 8_u32).map(|k| (k * 97 % 256) as u8).collect();
        for (colour, bits, channels) in [
            (ColorType::Grayscale, BitDepth::Eight, 1),
            (ColorType::Rgb, BitDepth::Sixteen, 6),
            (ColorType::Rgba, BitDepth::Eight, 4),
            (ColorType::GrayscaleAlpha, BitDepth::Sixteen, 4),
        ] {
            let (_folder, path) = written("a.png", &png(colour, bits, [7, 5], &raw[..35 * channels]));
            assert!(Strips::of_large(&path, 0.0).unwrap().is_none(), "it is small");
            let mut own = Strips::open(&path, 0.0).unwrap();
            assert_eq!(own.size(), (7, 5));
            assert_eq!(in_strips(&mut own, &[1, 4, 2]), read_image(&path).unwrap(), "{colour:?}");
            assert!(own.next(1).unwrap_err().to_string().ends_with("a.png: has 7 rows, not 8"));
        }
    }

    fn tiff<C: colortype::ColorType>(how: Compression, [height, width]: [u32; 2], values: &[C::Inner]) -> Vec<u8>
    where
        [C::Inner]: tiff::encoder::TiffValue,
    {
        let mut file = std::io::Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).unwrap().with_compression(how);
        let mut image = encoder.new_image::<C>(width, height).unwrap();
        image.rows_per_strip(3).unwrap();
        image.write_data(values).unwrap();
        file.into_inner()
    }

    #[test]
    fn strips_of_a_tiff_are_joined_to_those_that_are_asked_for() {
        let deep: Vec<u16> = (0..7 * 5 * 3_u16).map(|k| k.wrapping_mul(977) % 4096).collect();
        let floats: Vec<f32> = (0..7 * 5).map(|k| k as f32 / 40.0).collect();
        let files = [
            tiff::<colortype::RGB16>(Compression::Uncompressed, [7, 5], &deep),
            tiff::<colortype::RGB16>(Compression::Lzw, [7, 5], &deep),
            tiff::<colortype::Gray32Float>(Compression::Deflate(tiff::encoder::DeflateLevel::Fast), [7, 5], &floats),
        ];
        for (bytes, white_level) in files.iter().zip([4095.0, 0.0, 0.0]) {
            let (_folder, path) = written("a.tif", bytes);
            for counts in [&[7][..], &[1, 4, 2], &[2, 2, 3]] {
                let mut own = Strips::open(&path, white_level).unwrap();
                let (image, levels) = read_with_levels(&path, white_level).unwrap();
                assert_eq!((in_strips(&mut own, counts), own.levels()), (image, levels), "{counts:?}");
            }
        }
        let mut broken = floats;
        broken[4 * 5 + 2] = f32::NAN;
        let bytes = tiff::<colortype::Gray32Float>(Compression::Uncompressed, [7, 5], &broken);
        let (_folder, path) = written("a.tif", &bytes);
        let mut own = Strips::open(&path, 0.0).unwrap();
        own.next(3).unwrap();
        let text = own.next(2).unwrap_err().to_string();
        assert!(text.ends_with("a.tif: has the value NaN in row 4, column 2; values must be finite"), "{text}");
        let (_folder, path) = written("a.tif", &files[0][..files[0].len() / 2]);
        assert!(Strips::open(&path, 0.0).is_err());
    }

    #[test]
    fn a_picture_whose_rows_are_turned_is_refused_and_a_mirrored_one_mirrored() {
        let raw: Vec<u8> = (0..35).collect();
        let upright = png(ColorType::Grayscale, BitDepth::Eight, [7, 5], &raw);
        // The first directory of a TIFF structure, with the one entry `Orientation`.
        let block =
            |value: u8| [&b"eXIfII*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[value, 0, 0, 0, 0, 0, 0, 0]].concat();
        let turned = |value: u8| {
            let end = upright.len() - 12;
            [&upright[..end], &chunk(&block(value)), &upright[end..]].concat()
        };
        for value in [1, 2] {
            let (_folder, path) = written("a.png", &turned(value));
            let mut own = Strips::open(&path, 0.0).unwrap();
            assert_eq!(in_strips(&mut own, &[3, 4]), read_image(&path).unwrap(), "{value}");
        }
        for value in 3..=8 {
            let (_folder, path) = written("a.png", &turned(value));
            let text = Strips::open(&path, 0.0).err().unwrap().to_string();
            assert!(text.contains("a.png: is turned by its EXIF data"), "{text}");
        }
    }

    #[test]
    fn pnm_files_are_read_with_comments_and_two_depths() {
        let pixels: Vec<u8> = (0..36).collect();
        for (header, channels, depth) in [("P5 3 # wide\n2\n255\n", 1, 1), ("P6\n#\n3 2 65535\n", 3, 2)] {
            let bytes = [header.as_bytes(), &pixels[..6 * channels * depth]].concat();
            let (_folder, path) = written("a.ppm", &bytes);
            let mut own = Strips::open(&path, 0.0).unwrap();
            let found = in_strips(&mut own, &[1, 1]);
            let sample = |k: usize| match depth {
                1 => f32::from(pixels[k]) / 255.0,
                _ => f32::from(u16::from_be_bytes([pixels[2 * k], pixels[2 * k + 1]])) / 65535.0,
            };
            for ((row, column, c), &value) in found.indexed_iter() {
                assert_eq!(value, sample((3 * row + column) * channels + c.min(channels - 1)));
            }
            let (_folder, cut) = written("a.ppm", &bytes[..bytes.len() - 1]);
            let text = Strips::open(&cut, 0.0).unwrap().next(2).unwrap_err().to_string();
            assert!(text.ends_with("the PNM data end before the last row"), "{text}");
        }
        for other in ["P5 3 2 1023 ", "P5 3 x", "P4 3 2 ", "P5 99999999999 1 255 "] {
            let (_folder, path) = written("a.pgm", other.as_bytes());
            let text = Strips::open(&path, 0.0).err().unwrap().to_string();
            assert!(text.contains("a.pgm: ") && text.contains("convert it"), "{text}");
            assert!(Strips::of_large(&path, 0.0).unwrap().is_none());
        }
    }

    #[test]
    fn damage_is_found_in_the_strip_where_it_is() {
        let raw: Vec<u8> = (0..300 * 200_u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let whole = png(ColorType::Grayscale, BitDepth::Eight, [300, 200], &raw);
        let (_folder, path) = written("a.png", &whole[..whole.len() / 2]);
        let mut own = Strips::open(&path, 0.0).unwrap();
        own.next(10).unwrap();
        assert!(own.next(290).unwrap_err().to_string().contains("a.png: the PNG data cannot be read"));
        let mut flipped = whole;
        let at = flipped.len() / 2;
        flipped[at] ^= 1;
        let (_folder, path) = written("a.png", &flipped);
        assert!(Strips::open(&path, 0.0).unwrap().next(300).is_err());
    }

    #[test]
    fn large_pictures_in_other_formats_are_refused_with_the_ones_that_are_read() {
        // Only the headers of these files are there.
        let header = |interlaced: u8| {
            let ihdr = [b"IHDR", &20_000_u32.to_be_bytes()[..], &10_000_u32.to_be_bytes(), &[8, 0, 0, 0, interlaced]].concat();
            [b"\x89PNG\r\n\x1a\n", &chunk(&ihdr)[..], &chunk(b"IDAT")].concat()
        };
        let (_folder, path) = written("a.png", &header(1));
        let text = Strips::of_large(&path, 0.0).err().unwrap().to_string();
        assert!(
            text.contains("a.png: is an interlaced PNG file; pictures of more than 67108864 pixels")
                && text.contains("convert it"),
            "{text}"
        );
        let (_folder, path) = written("a.png", &header(0));
        assert_eq!(Strips::of_large(&path, 0.0).unwrap().unwrap().size(), (10_000, 20_000));
        let (_folder, path) = written("a.pgm", b"P5 20000 10000 255 ");
        assert_eq!(Strips::of_large(&path, 0.0).unwrap().unwrap().size(), (10_000, 20_000));
        let (_folder, path) = written("a.txt", b"no picture");
        assert!(Strips::of_large(&path, 0.0).unwrap().is_none());
        assert!(Strips::open(&path, 0.0).err().unwrap().to_string().contains("a.txt: is not an image"));
    }

    /// A chunk of a PNG, of its four letters and its content.
    fn chunk(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 - 4).to_be_bytes(), body, &crc(body).to_be_bytes()[..]].concat()
    }

    /// The checksum of a PNG chunk (ISO 3309).
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
    }
}
