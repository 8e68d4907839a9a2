use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Luma, LumaA, Rgb, Rgba};
use orthoscope::data::{MAX_PIXELS, Strips, encode_png, read_image, read_mask, read_size, write_png};
use tiff::encoder::colortype::{self, ColorType};
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, TiffValue};

use super::{BASE, Loader, Read, Verdict, ensure, must, refused};
use crate::fixture::png::{header, png, stored};
use crate::fuzz::campaign::run;

const HEIGHT: u32 = 9;
const WIDTH: u32 = 14;

/// The formats that `image` writes, each with the kinds of pixels that it is written with here.
const FORMATS: &[(ImageFormat, &[Pixels])] = &[
    (ImageFormat::Png, &[Pixels::Grey, Pixels::GreyAlpha, Pixels::Colour, Pixels::ColourAlpha, Pixels::Grey16, Pixels::Colour16]),
    (ImageFormat::Jpeg, &[Pixels::Grey, Pixels::Colour]),
    (ImageFormat::Bmp, &[Pixels::Grey, Pixels::Colour, Pixels::ColourAlpha]),
    (ImageFormat::WebP, &[Pixels::Grey, Pixels::Colour, Pixels::ColourAlpha]),
    (ImageFormat::Pnm, &[Pixels::Grey, Pixels::Colour]),
];

/// Memory for each pixel that a file declares: decoded samples of up to 8 bytes, and three f32 values. The file itself is held
/// several times, and its tables as values of 32 bytes each.
const FOR_A_PIXEL: usize = 32;
const FOR_A_BYTE: usize = 64;

#[derive(Clone, Copy, Debug)]
enum Pixels {
    Grey,
    GreyAlpha,
    Colour,
    ColourAlpha,
    Grey16,
    Colour16,
}

impl Pixels {
    fn picture(self) -> DynamicImage {
        let byte = |x: u32, y: u32| (x * 17 + y * 29) as u8;
        let wide = |x: u32, y: u32| (x * 4001 + y * 907) as u16;
        match self {
            Self::Grey => image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Luma([byte(x, y)])).into(),
            Self::GreyAlpha => image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| LumaA([byte(x, y), byte(y, x)])).into(),
            Self::Colour => image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Rgb([byte(x, y), byte(y, x), 7])).into(),
            Self::ColourAlpha => image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Rgba([byte(x, y), 200, 9, byte(y, x)])).into(),
            Self::Grey16 => image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Luma([wide(x, y)])).into(),
            Self::Colour16 => image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Rgb([wide(x, y), wide(y, x), 7])).into(),
        }
    }
}

fn encoded(format: ImageFormat, pixels: Pixels) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    pixels.picture().write_to(&mut bytes, format).unwrap_or_else(|error| panic!("{format:?} {pixels:?}: {error}"));
    bytes.into_inner()
}

/// PNG files that the encoder does not write: a palette with transparency, one bit a pixel, interlaced rows, chunks that are not
/// needed.
fn odd_png() -> [Vec<u8>; 3] {
    let end = (b"IEND", vec![]);
    let rows = |count: usize, length: usize| stored(&[vec![0], vec![1; length]].concat().repeat(count));
    let palette = vec![0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9];
    let indexed =
        png(&[(b"IHDR", header(7, 7, 8, 3)), (b"PLTE", palette), (b"tRNS", vec![0, 128]), (b"IDAT", rows(7, 7)), end.clone()]);
    let one_bit = png(&[(b"IHDR", header(8, 8, 1, 0)), (b"tEXt", b"k\0v".to_vec()), (b"IDAT", rows(8, 1)), end.clone()]);
    let mut interlaced = header(1, 1, 8, 0);
    interlaced[12] = 1;
    let interlaced = png(&[(b"IHDR", interlaced), (b"gAMA", vec![0, 0, 1, 0]), (b"IDAT", stored(&[0, 200])), end]);
    [indexed, one_bit, interlaced]
}

/// A TIFF in strips of four rows.
fn tiff<C: ColorType>(how: Compression, value: impl Fn(usize) -> C::Inner) -> Vec<u8>
where
    [C::Inner]: TiffValue,
{
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap().with_compression(how);
    let mut image = encoder.new_image::<C>(WIDTH, HEIGHT).unwrap();
    image.rows_per_strip(4).unwrap();
    let samples = WIDTH as usize * HEIGHT as usize * C::SAMPLE_FORMAT.len();
    image.write_data(&(0..samples).map(value).collect::<Vec<_>>()).unwrap();
    bytes.into_inner()
}

fn tiffs() -> [Vec<u8>; 5] {
    [
        tiff::<colortype::Gray8>(Compression::Uncompressed, |k| (k * 7) as u8),
        tiff::<colortype::RGB8>(Compression::Packbits, |k| (k / 5) as u8),
        tiff::<colortype::RGBA8>(Compression::Lzw, |k| (k * 3) as u8),
        tiff::<colortype::Gray16>(Compression::Deflate(DeflateLevel::Fast), |k| (k * 500) as u16),
        tiff::<colortype::Gray32Float>(Compression::Uncompressed, |k| k as f32 / 200.0),
    ]
}

fn corpus() -> Vec<Vec<u8>> {
    let usual = FORMATS.iter().flat_map(|(format, kinds)| kinds.iter().map(|&pixels| encoded(*format, pixels)));
    usual.chain(odd_png()).chain(tiffs()).collect()
}

/// Files that are also read in strips.
fn with_rows() -> Vec<Vec<u8>> {
    let usual = FORMATS.iter().filter(|(format, _)| matches!(format, ImageFormat::Png | ImageFormat::Pnm));
    let usual = usual.flat_map(|(format, kinds)| kinds.iter().map(|&pixels| encoded(*format, pixels)));
    usual.chain(odd_png().into_iter().take(2)).chain(tiffs()).collect()
}

/// Found by the fuzzer: the decoder panics at such a palette.
#[test]
fn palettes_that_are_not_of_whole_colours_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    for (length, is_good) in [(1, false), (2, false), (6, true), (7, false), (768, true), (771, false), (1000, false)] {
        let rows = stored(&[0, 0, 1]);
        let chunks = [(b"IHDR", header(2, 1, 8, 3)), (b"PLTE", vec![9; length]), (b"IDAT", rows), (b"IEND", vec![])];
        std::fs::write(&path, png(&chunks)).unwrap();
        let read = read_image(&path);
        assert_eq!(read.is_ok(), is_good, "{length}: {read:?}");
        if let Err(error) = read {
            assert!(error.to_string().contains("a.png: the PNG data cannot be read: "), "{error}");
        }
    }
}

fn memory(length: usize, path: &Path) -> usize {
    let declared = read_size(path).map_or(0, |[height, width]| height as usize * width as usize);
    BASE + FOR_A_BYTE * length + FOR_A_PIXEL * declared
}

fn check(path: &Path) -> Verdict {
    let size = read_size(path);
    drop(read_mask(path));
    let image = match read_image(path) {
        Ok(image) => image,
        Err(error) => return refused(&error),
    };
    let [height, width] = must("the size", size)?;
    ensure(image.dim() == (height as usize, width as usize, 3), "its size differs from that in its header")?;
    ensure(image.iter().all(|value| (0.0..=1.0).contains(value)), "a value is not within 0 and 1")?;
    drop(image);
    let image = must("reading again", read_image(path))?;
    let again = path.with_extension("again.png");
    must("writing", write_png(&again, &image))?;
    let rounded = must("reading", read_image(&again))?;
    let bytes = [&image, &rounded].map(encode_png).map(|bytes| bytes.map_err(|error| error.to_string()));
    ensure(bytes[0] == bytes[1], "not the same when it is written and read again")?;
    Ok(Read::Accepted)
}

/// Reads a picture in strips, which are those of the whole.
fn check_strips(path: &Path) -> Verdict {
    let mut strips = match Strips::open(path, 0.0) {
        Ok(strips) => strips,
        Err(error) => return refused(&error),
    };
    let (height, width) = strips.size();
    if height as u64 * width as u64 > MAX_PIXELS {
        // Too large to be compared.
        return refused(&read_image(path).err().ok_or("a picture beyond the limit is read as a whole")?);
    }
    let mut rows = Vec::new();
    while rows.len() < height {
        let count = (height - rows.len()).min(4);
        let strip = match strips.next(count) {
            Ok(strip) => strip,
            Err(error) => return refused(&error),
        };
        ensure(strip.dim() == (count, width, 3), "a strip has another size")?;
        rows.extend(strip.outer_iter().map(|row| row.to_owned()));
    }
    let whole = must("reading as a whole", read_image(path))?;
    ensure(whole.outer_iter().eq(rows.iter().map(|row| row.view())), "strips differ from the whole")?;
    Ok(Read::Accepted)
}

#[test]
fn strips() {
    run(&Loader { name: "strips", file: "a.png", corpus: with_rows(), memory, check: Box::new(check_strips) });
}

#[test]
fn picture() {
    run(&Loader { name: "picture", file: "a.png", corpus: corpus(), memory, check: Box::new(check) });
}
