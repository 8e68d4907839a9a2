//! Pictures of more than [`MAX_PIXELS`], read a strip of rows at a time: PNG without interlacing, and PNM as bytes (`P5`, `P6`).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use image::ImageFormat;
use png::{BitDepth, ColorType, Transformations};

use super::decode::{self, Samples, broken};
use super::file::{MAX_PIXELS, picture_size};
use super::image::{Image, image};
use crate::disk::bounded;
use crate::error::{Error, Result};

/// The largest picture that is read in strips: places in it are numbers of 32 bits.
const MOST_PIXELS: u64 = u32::MAX as u64;

/// The largest file: such a picture, uncompressed, with four 16-bit channels.
const MOST_BYTES: u64 = MOST_PIXELS * 8 + (1 << 20);

/// Bytes that the PNG decoder may allocate beside the pixels: some rows of a picture that is not higher than one row.
const PNG_LIMIT: usize = 1 << 30;

/// Bytes at the beginning of a file by which its format is recognised.
const START: u64 = 64;

/// A picture, opened to be read from the top to the bottom.
pub struct Strips {
    path: PathBuf,
    height: usize,
    width: usize,
    /// Rows read.
    read: usize,
    channels: usize,
    /// Bytes of a sample: 1, or 2 with the higher one first.
    depth: usize,
    rows: Rows,
}

/// Where the rows come from.
enum Rows {
    Png(Box<png::Reader<BufReader<File>>>),
    Pnm(BufReader<File>),
}

impl Strips {
    /// Opens a picture if it has more than [`MAX_PIXELS`]; `None` for others, which are read as a whole, for files that are no picture, and for
    /// pictures of more pixels than 32 bits can number.
    ///
    /// # Errors
    /// A file that cannot be opened; as [`Strips::open`].
    pub fn of_large(path: &Path) -> Result<Option<Self>> {
        let start = start(path)?;
        let size = match image::guess_format(&start) {
            Ok(format @ ImageFormat::Png) => decode::size(format, &start).ok(),
            Ok(ImageFormat::Jpeg) => picture_size(path).ok(),
            Ok(ImageFormat::Pnm) => PnmHeader::read(&mut start.as_slice()).map(|header| header.size),
            _ => None,
        };
        let strips = MAX_PIXELS + 1..=MOST_PIXELS;
        let is_large = |[height, width]: [u32; 2]| strips.contains(&(u64::from(height) * u64::from(width)));
        size.filter(|&size| is_large(size)).map(|_| Self::open(path)).transpose()
    }

    /// Opens a picture of any size.
    ///
    /// # Errors
    /// A file that cannot be opened; a format that is not read in strips; more pixels than 32 bits can number, or none.
    pub fn open(path: &Path) -> Result<Self> {
        match image::guess_format(&start(path)?) {
            Ok(ImageFormat::Png) => Self::png(path),
            Ok(ImageFormat::Pnm) => Self::pnm(path),
            Ok(other) => Err(refused(path, &format!("is a {} file", format!("{other:?}").to_uppercase()))),
            Err(_) => Err(refused(path, "is not an image")),
        }
    }

    fn png(path: &Path) -> Result<Self> {
        let words = |error: png::DecodingError| Error::file(path, broken("PNG", &error));
        let (file, _) = bounded::open(path, MOST_BYTES)?;
        let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), png::Limits { bytes: PNG_LIMIT });
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_ignore_text_chunk(true);
        decoder.ignore_checksums(false);
        decoder.set_transformations(Transformations::EXPAND);
        let reader = decoder.read_info().map_err(words)?;
        let (width, height) = reader.info().size();
        if reader.info().interlaced {
            return Err(refused(path, "is an interlaced PNG file"));
        }
        let (colour, bits) = reader.output_color_type();
        let channels = match colour {
            ColorType::Grayscale | ColorType::Indexed => 1,
            ColorType::GrayscaleAlpha => 2,
            ColorType::Rgb => 3,
            ColorType::Rgba => 4,
        };
        let depth = if bits == BitDepth::Sixteen { 2 } else { 1 };
        Self::new(path, [height, width], [channels, depth], Rows::Png(Box::new(reader)))
    }

    fn pnm(path: &Path) -> Result<Self> {
        let (file, _) = bounded::open(path, MOST_BYTES)?;
        let mut file = BufReader::new(file);
        let header = PnmHeader::read(&mut file).ok_or_else(|| refused(path, "is a PNM file of another kind"))?;
        let depth = match header.most {
            255 => 1,
            65535 => 2,
            most => return Err(refused(path, &format!("is a PNM file whose white is {most}"))),
        };
        Self::new(path, header.size, [header.channels, depth], Rows::Pnm(file))
    }

    fn new(path: &Path, [height, width]: [u32; 2], [channels, depth]: [usize; 2], rows: Rows) -> Result<Self> {
        let pixels = u64::from(height) * u64::from(width);
        if pixels == 0 || pixels > MOST_PIXELS {
            return Err(Error::file(path, format!("has {height}x{width} = {pixels} pixels; 1 to {MOST_PIXELS} are possible")));
        }
        Ok(Self { path: path.to_owned(), height: height as usize, width: width as usize, read: 0, channels, depth, rows })
    }

    /// Height and width.
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The next rows, as [`read_image`](super::read_image) would give them: `[count, width, 3]`.
    ///
    /// # Errors
    /// Damaged or truncated data, also behind the last row; more rows than there are; too little memory.
    pub fn next(&mut self, count: usize) -> Result<Image> {
        let refuse = |reason: String| Error::file(&self.path, reason);
        if count > self.height - self.read {
            return Err(refuse(format!("has {} rows, not {}", self.height, self.read + count)));
        }
        let bytes = self.width * self.channels * self.depth;
        let mut raw = Vec::new();
        raw.try_reserve_exact(count * bytes)
            .map_err(|_| refuse(format!("has {} pixels in a row: memory is short", self.width)))?;
        match &mut self.rows {
            Rows::Png(reader) => (0..count).try_for_each(|_| match reader.next_row() {
                Ok(Some(row)) => {
                    raw.extend_from_slice(row.data());
                    Ok(())
                }
                Ok(None) => Err(refuse("the PNG data end before the last row".to_owned())),
                Err(error) => Err(refuse(broken("PNG", &error))),
            })?,
            Rows::Pnm(file) => {
                let read = file.by_ref().take((count * bytes) as u64).read_to_end(&mut raw);
                if read.map_err(|error| Error::read(&self.path, error))? < count * bytes {
                    return Err(refuse("the PNM data end before the last row".to_owned()));
                }
            }
        }
        self.read += count;
        if let (Rows::Png(reader), true) = (&mut self.rows, self.read == self.height) {
            reader.finish().map_err(|error| refuse(broken("PNG", &error)))?;
        }
        let samples = Samples { height: count, width: self.width, channels: self.channels, depth: self.depth, raw };
        image(count, self.width, samples.over_white().map_err(refuse)?).map_err(|error| error.in_file(&self.path))
    }
}

/// The first bytes of a file.
fn start(path: &Path) -> Result<Vec<u8>> {
    let (file, _) = bounded::open(path, MOST_BYTES)?;
    let mut start = Vec::new();
    file.take(START).read_to_end(&mut start).map_err(|error| Error::read(path, error))?;
    Ok(start)
}

fn refused(path: &Path, what: &str) -> Error {
    let reason = format!(
        "{what}; pictures of more than {MAX_PIXELS} pixels are read strip by strip, from PNG without interlacing or binary PNM (P5, P6) \
         with 255 or 65535 as white: convert it to one of them"
    );
    Error::file(path, reason)
}

/// The header of a binary grey or colour PNM file.
struct PnmHeader {
    channels: usize,
    size: [u32; 2],
    /// The sample of white.
    most: u32,
}

impl PnmHeader {
    fn read(file: &mut impl Read) -> Option<Self> {
        let mut magic = [0; 2];
        file.read_exact(&mut magic).ok()?;
        let channels = match &magic {
            b"P5" => 1,
            b"P6" => 3,
            _ => return None,
        };
        let [width, height, most] = [number(file)?, number(file)?, number(file)?];
        Some(Self { channels, size: [height, width], most })
    }
}

/// A decimal number behind spaces and comments, and the one space behind it.
fn number(file: &mut impl Read) -> Option<u32> {
    let mut byte = || {
        let mut one = [0];
        file.read_exact(&mut one).ok().map(|()| one[0])
    };
    let (mut digits, mut in_comment) = (String::new(), false);
    loop {
        match byte()? {
            b'\n' if in_comment => in_comment = false,
            _ if in_comment => {}
            b'#' if digits.is_empty() => in_comment = true,
            space if space.is_ascii_whitespace() && digits.is_empty() => {}
            space if space.is_ascii_whitespace() => return digits.parse().ok(),
            digit if digit.is_ascii_digit() && digits.len() < 10 => digits.push(char::from(digit)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read_image;

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
            assert!(Strips::of_large(&path).unwrap().is_none(), "it is small");
            let mut own = Strips::open(&path).unwrap();
            assert_eq!(own.size(), (7, 5));
            assert_eq!(in_strips(&mut own, &[1, 4, 2]), read_image(&path).unwrap(), "{colour:?}");
            assert!(own.next(1).unwrap_err().to_string().ends_with("a.png: has 7 rows, not 8"));
        }
    }

    #[test]
    fn pnm_files_are_read_with_comments_and_two_depths() {
        let pixels: Vec<u8> = (0..36).collect();
        for (header, channels, depth) in [("P5 3 # wide\n2\n255\n", 1, 1), ("P6\n#\n3 2 65535\n", 3, 2)] {
            let bytes = [header.as_bytes(), &pixels[..6 * channels * depth]].concat();
            let (_folder, path) = written("a.ppm", &bytes);
            let mut own = Strips::open(&path).unwrap();
            let found = in_strips(&mut own, &[1, 1]);
            let sample = |k: usize| match depth {
                1 => f32::from(pixels[k]) / 255.0,
                _ => f32::from(u16::from_be_bytes([pixels[2 * k], pixels[2 * k + 1]])) / 65535.0,
            };
            for ((row, column, c), &value) in found.indexed_iter() {
                assert_eq!(value, sample((3 * row + column) * channels + c.min(channels - 1)));
            }
            let (_folder, cut) = written("a.ppm", &bytes[..bytes.len() - 1]);
            let text = Strips::open(&cut).unwrap().next(2).unwrap_err().to_string();
            assert!(text.ends_with("the PNM data end before the last row"), "{text}");
        }
        for other in ["P5 3 2 1023 ", "P5 3 x", "P4 3 2 ", "P5 99999999999 1 255 "] {
            let (_folder, path) = written("a.pgm", other.as_bytes());
            let text = Strips::open(&path).err().unwrap().to_string();
            assert!(text.contains("a.pgm: is a PNM file") && text.contains("convert it"), "{text}");
            assert!(Strips::of_large(&path).unwrap().is_none());
        }
    }

    #[test]
    fn damage_is_found_in_the_strip_where_it_is() {
        let raw: Vec<u8> = (0..300 * 200_u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let whole = png(ColorType::Grayscale, BitDepth::Eight, [300, 200], &raw);
        let (_folder, path) = written("a.png", &whole[..whole.len() / 2]);
        let mut own = Strips::open(&path).unwrap();
        own.next(10).unwrap();
        assert!(own.next(290).unwrap_err().to_string().contains("a.png: the PNG data cannot be read"));
        let mut flipped = whole;
        let at = flipped.len() / 2;
        flipped[at] ^= 1;
        let (_folder, path) = written("a.png", &flipped);
        assert!(Strips::open(&path).unwrap().next(300).is_err());
    }

    #[test]
    fn large_pictures_in_other_formats_are_refused_with_the_ones_that_are_read() {
        // Only the headers of these files are there.
        let chunk = |body: &[u8]| [&(body.len() as u32 - 4).to_be_bytes(), body, &crc(body).to_be_bytes()[..]].concat();
        let header = |interlaced: u8| {
            let ihdr = [b"IHDR", &20_000_u32.to_be_bytes()[..], &10_000_u32.to_be_bytes(), &[8, 0, 0, 0, interlaced]].concat();
            [b"\x89PNG\r\n\x1a\n", &chunk(&ihdr)[..], &chunk(b"IDAT")].concat()
        };
        let (_folder, path) = written("a.png", &header(1));
        let text = Strips::of_large(&path).err().unwrap().to_string();
        assert!(
            text.contains("a.png: is an interlaced PNG file; pictures of more than 67108864 pixels")
                && text.contains("convert it"),
            "{text}"
        );
        let (_folder, path) = written("a.png", &header(0));
        assert_eq!(Strips::of_large(&path).unwrap().unwrap().size(), (10_000, 20_000));
        let (_folder, path) = written("a.pgm", b"P5 20000 10000 255 ");
        assert_eq!(Strips::of_large(&path).unwrap().unwrap().size(), (10_000, 20_000));
        let (_folder, path) = written("a.txt", b"no picture");
        assert!(Strips::of_large(&path).unwrap().is_none());
        assert!(Strips::open(&path).err().unwrap().to_string().contains("a.txt: is not an image"));
    }

    /// The checksum of a PNG chunk (ISO 3309).
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
    }
}
