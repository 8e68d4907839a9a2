//! TIFF files of every kind that is read, with exact values, and of some kinds that are not.

use crate::fixture::picture::{Page, fields, strip, tiff, with};
use crate::fixture::png::stored;
use crate::{damage, read, refused};

/// Tags.
const COMPRESSION: u16 = 259;
const ROWS_PER_STRIP: u16 = 278;
const PLANAR: u16 = 284;
const PREDICTOR: u16 = 317;
const EXTRA: u16 = 338;
const FORMAT: u16 = 339;

fn shorts(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Grey values as RGB.
fn grey(values: &[f32]) -> Vec<f32> {
    values.iter().flat_map(|&value| [value; 3]).collect()
}

#[test]
fn samples_of_every_depth_have_their_exact_values() {
    let byte = |value: u8| f32::from(value) / 255.0;
    let word = |value: u16| f32::from(value) / 65535.0;
    let greys = |width, bits| fields(width, 1, bits, 1, 1);
    let float = |width, bits, kind| with(greys(width, bits), FORMAT, &[kind]);
    let half = [0x3800_u16, 0x3C00]; // 1/2 and 1
    let cases: [(&str, Vec<u8>, Vec<f32>); 12] = [
        ("8 bits", strip(greys(3, 8), vec![0, 7, 255]), grey(&[0.0, byte(7), 1.0])),
        ("16 bits", strip(greys(3, 16), shorts(&[0, 4095, 65535])), grey(&[0.0, word(4095), 1.0])),
        ("32 bits", strip(greys(2, 32), [0_u32, u32::MAX].map(u32::to_le_bytes).concat()), grey(&[0.0, 1.0])),
        ("1 bit", strip(greys(10, 1), vec![0b1010_0000, 0b0100_0000]), grey(&[1., 0., 1., 0., 0., 0., 0., 0., 0., 1.])),
        ("4 bits", strip(greys(3, 4), vec![0x0F, 0x30]), grey(&[0.0, 1.0, 0.2])),
        ("white is 0", strip(fields(2, 1, 8, 0, 1), vec![0, 204]), grey(&[1.0, 0.2])),
        ("f16", strip(float(2, 16, 3), shorts(&half)), grey(&[0.5, 1.0])),
        ("f32", strip(float(4, 32, 3), floats(&[0.125, 1.0, -0.5, 1.5])), grey(&[0.125, 1.0, 0.0, 1.0])),
        ("f64", strip(float(2, 64, 3), [0.25_f64, 0.75].map(f64::to_le_bytes).concat()), grey(&[0.25, 0.75])),
        ("RGB, 8 bits", strip(fields(1, 2, 8, 2, 3), vec![255, 0, 51, 0, 102, 0]), vec![1.0, 0.0, 0.2, 0.0, 0.4, 0.0]),
        ("RGB, 16 bits", strip(fields(1, 1, 16, 2, 3), shorts(&[65535, 0, 9])), vec![1.0, 0.0, word(9)]),
        ("RGB, f32", strip(with(fields(1, 1, 32, 2, 3), FORMAT, &[3; 3]), floats(&[0.5, 0.0, 0.3])), vec![0.5, 0.0, 0.3]),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(read(&bytes).iter().copied().collect::<Vec<_>>(), want, "{name}");
    }
}

#[test]
fn both_byte_orders_strips_tiles_and_planes_give_the_same_picture() {
    let words: Vec<u16> = (0..15).map(|k| k * 4000).collect();
    let want = grey(&words.iter().map(|&value| f32::from(value) / 65535.0).collect::<Vec<_>>());
    let base = || with(fields(5, 3, 16, 1, 1), ROWS_PER_STRIP, &[2]);
    let split = |big: bool| {
        let bytes: Vec<u8> = words.iter().flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }).collect();
        vec![bytes[..20].to_vec(), bytes[20..].to_vec()]
    };
    for big in [false, true] {
        let bytes = tiff(big, &[Page { fields: base(), data: split(big) }]);
        assert_eq!(read(&bytes).iter().copied().collect::<Vec<_>>(), want, "big {big}");
    }
    // One tile of 16x16, of which the picture is the corner.
    let mut tile = vec![0_u16; 256];
    (0..15).for_each(|k| tile[k / 5 * 16 + k % 5] = words[k]);
    let of_tiles = with(with(fields(5, 3, 16, 1, 1), 322, &[16]), 323, &[16]);
    assert_eq!(read(&strip(of_tiles, shorts(&tile))).iter().copied().collect::<Vec<_>>(), want, "tile");
    let planes =
        Page { fields: with(fields(2, 1, 8, 2, 3), PLANAR, &[2]), data: vec![vec![255, 0], vec![51, 102], vec![0, 255]] };
    assert_eq!(read(&tiff(false, &[planes])).iter().copied().collect::<Vec<_>>(), [1.0, 0.2, 0.0, 0.0, 0.4, 1.0], "planes");
}

/// Codes of 9 bits, the table cleared before each value, so that no code is longer.
fn lzw(values: &[u8]) -> Vec<u8> {
    let codes = values.iter().flat_map(|&value| [256, u16::from(value)]).chain([257]);
    let bits: Vec<u8> = codes.flat_map(|code| (0..9).rev().map(move |bit| (code >> bit & 1) as u8)).collect();
    bits.chunks(8).map(|part| part.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << (7 - at))).collect()
}

#[test]
fn every_compression_and_predictor_gives_the_same_picture() {
    let values = [10_u8, 20, 30, 30, 30, 200];
    let want = grey(&values.map(|value| f32::from(value) / 255.0));
    let steps: Vec<u8> = [10, 10, 10, 30, 0, 170].into();
    let packed = [&[2_u8, 10, 20, 30, 0xFF, 30][..], &[0, 200]].concat();
    let of = |compression: u32| with(fields(3, 2, 8, 1, 1), COMPRESSION, &[compression]);
    for (name, bytes) in [
        ("deflate", strip(of(8), stored(&values))),
        ("old deflate", strip(of(32946), stored(&values))),
        ("LZW", strip(of(5), lzw(&values))),
        ("PackBits", strip(of(32773), packed)),
        ("deflate, differences", strip(with(of(8), PREDICTOR, &[2]), stored(&steps))),
    ] {
        assert_eq!(read(&bytes).iter().copied().collect::<Vec<_>>(), want, "{name}");
    }
}

#[test]
fn alpha_palettes_inks_and_further_channels_are_as_stated() {
    let rgba = |extra: &[u32], pixel: [u8; 4]| strip(with(fields(1, 1, 8, 2, 4), EXTRA, extra), pixel.to_vec());
    let near = |bytes: &[u8], want: [f32; 3], what: &str| {
        let found = read(bytes);
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{what}: {found}");
    };
    near(&rgba(&[2], [0, 255, 51, 51]), [0.8, 1.0, 0.84], "straight alpha");
    near(&rgba(&[1], [0, 51, 51, 51]), [0.8, 1.0, 1.0], "colours multiplied by alpha");
    near(&rgba(&[0], [0, 255, 51, 51]), [0.0, 1.0, 0.2], "a further channel");
    let grey_alpha = with(fields(1, 1, 8, 1, 2), EXTRA, &[2]);
    near(&strip(grey_alpha, vec![51, 204]), [0.36; 3], "grey with alpha");
    near(&strip(fields(1, 1, 8, 5, 4), vec![0, 51, 255, 51]), [0.8, 0.64, 0.0], "CMYK");
    let mut colours = vec![0_u32; 3 * 256];
    (colours[7], colours[256 + 7], colours[512 + 7]) = (65535, 13107, 0);
    near(&strip(with(fields(1, 1, 8, 3, 1), 320, &colours), vec![7]), [1.0, 0.2, 0.0], "palette");
    let colours = [[0, 65535], [0, 13107], [0, 26214]].concat();
    let two = with(fields(2, 1, 1, 3, 1), 320, &colours);
    let bytes = strip(two, vec![0b0100_0000]);
    assert_eq!(read(&bytes).iter().copied().collect::<Vec<_>>(), [0.0, 0.0, 0.0, 1.0, 0.2, 0.4], "palette of two");
}

#[test]
fn kinds_that_are_not_read_say_what_to_do() {
    let signed = with(fields(1, 1, 16, 1, 1), FORMAT, &[2]);
    assert!(refused(&strip(signed, vec![0; 2])).starts_with("has signed integers of 16 bits, which are not supported; save it"));
    assert!(refused(&strip(fields(2, 1, 12, 1, 1), vec![0; 3])).ends_with("; save it with 8 or 16 bits"));
    assert!(refused(&strip(fields(1, 1, 8, 8, 3), vec![0; 3])).starts_with("the TIFF data cannot be read: "));
    let jpeg = with(fields(8, 8, 8, 1, 1), COMPRESSION, &[7]);
    assert!(refused(&strip(jpeg, vec![0; 64])).starts_with("the TIFF data cannot be read: "));
    let cut = strip(fields(1, 1, 8, 1, 1), vec![0; 1]);
    assert!(refused(&cut[..9]).ends_with("the file ends too early"), "{}", refused(&cut[..9]));
    let nan = with(fields(2, 1, 32, 1, 1), FORMAT, &[3]);
    assert_eq!(refused(&strip(nan, floats(&[0.5, f32::NAN]))), "has the value NaN in row 0, column 1; values must be finite");
    let extra = with(with(fields(1, 1, 8, 2, 4), EXTRA, &[0]), PREDICTOR, &[2]);
    assert!(refused(&strip(extra, vec![1, 2, 3, 4])).contains("cannot pass over the last in a file with a predictor"));
}

#[test]
fn strips_and_tiles_that_are_left_out_are_no_pixels() {
    let of_strips = |offsets: &[u32], lengths: &[u32]| {
        let fields = with(with(with(fields(4, 4, 8, 1, 1), ROWS_PER_STRIP, &[2]), 273, offsets), 279, lengths);
        strip(fields, vec![51; 40])
    };
    assert_eq!(read(&of_strips(&[8, 16], &[8, 8])).iter().copied().collect::<Vec<_>>(), vec![0.2; 48]);
    for (offsets, lengths) in [([8, 0], [8, 0]), ([8, 16], [8, 0]), ([8, 0], [8, 8]), ([8, 0], [0, 0])] {
        let text = refused(&of_strips(&offsets, &lengths));
        assert_eq!(text, "the TIFF data are incomplete: strip 2 of 2 is missing", "{offsets:?} {lengths:?}");
    }
    assert!(refused(&of_strips(&[0, 0], &[0, 0])).ends_with(": strip 1 of 2 is missing"));
    let of_tile = |offset| with(with(with(fields(4, 4, 8, 1, 1), 322, &[16]), 323, &[16]), 324, &[offset]);
    assert_eq!(refused(&strip(of_tile(0), vec![51; 256])), "the TIFF data are incomplete: tile 1 of 1 is missing");
    // Some programs write the length of no strip.
    assert_eq!(read(&of_strips(&[8, 16], &[0, 0])).iter().copied().collect::<Vec<_>>(), vec![0.2; 48]);
    assert_eq!(read(&strip(with(fields(2, 1, 8, 1, 1), 279, &[0]), vec![51; 2]))[[0, 1, 0]], 0.2);
}

#[test]
fn truncated_and_damaged_files_never_panic() {
    let rgb: Vec<u8> = (0..240).map(|k| (k * 7 % 256) as u8).collect();
    let whole = strip(with(fields(10, 8, 8, 2, 3), ROWS_PER_STRIP, &[8]), rgb);
    damage(&whole, 8..whole.len() - 4);
}
