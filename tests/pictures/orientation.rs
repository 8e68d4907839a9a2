//! EXIF orientation: all eight values in every format that has it, for images, masks and sizes alike.

use image::{ImageBuffer, ImageFormat, Luma, Rgba};
use orthoscope::data::{Image, read_image, read_mask, read_size};

use crate::fixture::picture::{chunk, exif, fields, jpeg_with_exif, strip, vp8x, webp, with};
use crate::fixture::png::{header, png, stored};
use crate::{encoded, read, saved};

/// Stored as `abc` over `def`; what is to be seen, for the values 1 to 8 (EXIF 2.32, figure of the tag).
const SEEN: [&[&str]; 8] = [
    &["abc", "def"],
    &["cba", "fed"],
    &["fed", "cba"],
    &["def", "abc"],
    &["ad", "be", "cf"],
    &["da", "eb", "fc"],
    &["fc", "eb", "da"],
    &["cf", "be", "ad"],
];

/// Grey value of a letter.
fn level(letter: u8) -> u8 {
    (letter - b'a') * 40 + 20
}

/// `abcdef` as grey values.
fn levels() -> Vec<u8> {
    b"abcdef".map(level).to_vec()
}

/// The letters of an image, from the middle of blocks of this side.
fn letters(image: &Image, side: usize) -> Vec<String> {
    let (height, width, _) = image.dim();
    let letter = |row: usize, column: usize| {
        let value = image[[row * side + side / 2, column * side + side / 2, 1]] * 255.0;
        char::from(b'a' + ((value - 20.0) / 40.0).round() as u8)
    };
    (0..height / side).map(|row| (0..width / side).map(|column| letter(row, column)).collect()).collect()
}

fn png_with(before: Option<Vec<u8>>, behind: Option<Vec<u8>>) -> Vec<u8> {
    let rows: Vec<u8> = levels().chunks(3).flat_map(|row| [&[0], row].concat()).collect();
    let block = |content: Option<Vec<u8>>| content.map(|content| (b"eXIf", content));
    let mut chunks: Vec<(&[u8; 4], Vec<u8>)> = vec![(b"IHDR", header(3, 2, 8, 0))];
    chunks.extend(block(before));
    chunks.push((b"IDAT", stored(&rows)));
    chunks.extend(block(behind));
    chunks.push((b"IEND", vec![]));
    png(&chunks)
}

/// Blocks of 8 pixels, which JPEG stores nearly unchanged.
fn jpeg() -> Vec<u8> {
    let blocks = ImageBuffer::from_fn(24, 16, |x, y| Luma([levels()[(y / 8 * 3 + x / 8) as usize]]));
    encoded(blocks, ImageFormat::Jpeg)
}

fn webp_with(block: &[u8]) -> Vec<u8> {
    let pixels = ImageBuffer::from_fn(3, 2, |x, y| {
        let value = levels()[(y * 3 + x) as usize];
        Rgba([value, value, value, 255])
    });
    webp(&[vp8x(8, 3, 2), encoded(pixels, ImageFormat::WebP)[12..].to_vec(), chunk(b"EXIF", block)])
}

#[test]
fn all_eight_orientations_are_applied_in_every_format() {
    for (value, seen) in (1..).zip(SEEN) {
        let block = exif(value);
        for (name, bytes, side) in [
            ("PNG", png_with(Some(block.clone()), None), 1),
            ("PNG, behind the pixels", png_with(None, Some(block.clone())), 1),
            ("JPEG", jpeg_with_exif(&jpeg(), &block), 8),
            ("WebP", webp_with(&block), 1),
            ("WebP, as in a JPEG", webp_with(&[b"Exif\0\0", &block[..]].concat()), 1),
            ("TIFF", strip(with(fields(3, 2, 8, 1, 1), 274, &[value.into()]), levels()), 1),
        ] {
            assert_eq!(letters(&read(&bytes), side), seen, "{name}, {value}");
            let folder = tempfile::tempdir().unwrap();
            let size = read_size(&saved(folder.path(), "a", &bytes)).unwrap().map(|length| length as usize / side);
            assert_eq!(size, [seen.len(), seen[0].len()], "{name}, {value}");
        }
    }
}

#[test]
fn masks_are_turned_like_their_images() {
    let folder = tempfile::tempdir().unwrap();
    let marked = |value: u16| strip(with(fields(2, 1, 8, 1, 1), 274, &[value.into()]), vec![255, 0]);
    let mask = read_mask(&saved(folder.path(), "a.tif", &marked(6))).unwrap();
    assert_eq!(mask, ndarray::array![[1.0], [0.0]]);
    assert_eq!(read_mask(&saved(folder.path(), "a.tif", &marked(8))).unwrap(), ndarray::array![[0.0], [1.0]]);
}

#[test]
fn a_wrong_exif_block_never_stops_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let good = exif(6);
    let mut blocks: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    blocks.extend([exif(0), exif(9), exif(65535), vec![0xFF; 40], b"MM\0*\xff\xff\xff\xff".to_vec()]);
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0xFF;
        blocks.push(damaged);
    }
    for block in blocks {
        for bytes in [png_with(Some(block.clone()), None), jpeg_with_exif(&jpeg(), &block), webp_with(&block)] {
            let image = read_image(&saved(folder.path(), "a", &bytes)).unwrap_or_else(|error| panic!("{block:?}: {error}"));
            assert!([image.dim().0, image.dim().1].iter().all(|side| [2, 3, 16, 24].contains(side)));
        }
    }
}
