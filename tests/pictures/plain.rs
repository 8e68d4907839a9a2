//! BMP, WebP and PNM, with exact values.

use image::{ImageBuffer, ImageFormat, Rgba};

use crate::fixture::picture::{bmp, chunk, vp8x, webp};
use crate::{damage, encoded, read, refused};

fn values(bytes: &[u8]) -> Vec<f32> {
    read(bytes).iter().copied().collect()
}

#[test]
fn bmp_has_rows_from_the_bottom_up_filled_to_four_bytes() {
    let blue_then_red = [255, 0, 0, 0, 0, 255, 9, 9];
    let dark_then_light = [51, 51, 51, 102, 102, 102, 9, 9];
    let rows = [blue_then_red, dark_then_light].concat();
    let upper = [[0.2; 3], [0.4; 3]].concat();
    let lower = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]].concat();
    assert_eq!(values(&bmp(2, 2, 24, &[], &rows)), [&upper[..], &lower].concat());
    assert_eq!(values(&bmp(2, -2, 24, &[], &rows)), [&lower[..], &upper].concat());
    let palette = [[0, 0, 0, 0], [0, 51, 255, 0]];
    assert_eq!(values(&bmp(3, 1, 8, &palette, &[1, 0, 1, 9])), [[1.0, 0.2, 0.0], [0.0; 3], [1.0, 0.2, 0.0]].concat());
    assert_eq!(values(&bmp(2, 1, 1, &palette, &[0b0100_0000, 9, 9, 9])), [[0.0; 3], [1.0, 0.2, 0.0]].concat());
    // The fourth byte of 32 bits without masks is no alpha.
    assert_eq!(values(&bmp(1, 1, 32, &[], &[255, 51, 0, 0])), [0.0, 0.2, 1.0]);
}

/// A BMP of 4 by 3 pixels with run-length codes of 8 or 4 bits.
fn in_runs(bits: u16, codes: &[u8]) -> Vec<u8> {
    let mut bytes = bmp(4, 3, bits, &[[0; 4], [51, 51, 51, 0]], codes);
    bytes[30] = if bits == 8 { 1 } else { 2 };
    bytes
}

#[test]
fn runs_that_leave_out_pixels_of_a_bmp_are_refused() {
    let light = [[0.2; 3]; 12].concat();
    let whole = [&[4, 1, 0, 0, 0, 4, 1, 1, 1, 1, 0, 0][..], &[3, 1, 1, 1]].concat();
    for end in [&[0, 0][..], &[0, 1], &[0, 0, 0, 1]] {
        assert_eq!(values(&in_runs(8, &[&whole[..], end].concat())), light, "{end:?}");
    }
    assert_eq!(values(&in_runs(4, &[4, 0x11, 0, 0, 0, 4, 0x11, 0x11, 0, 0, 1, 0x11, 0, 3, 0x11, 0x10, 0, 1])), light);
    let cut = "the BMP data are cut short: the coded data end before the last pixel";
    for codes in [&whole[..12], &whole[..14], &whole[..4], &[]] {
        assert_eq!(refused(&in_runs(8, &[codes, &[0, 1]].concat())), cut, "{codes:?}");
    }
    let left_out = "has run-length codes that leave out pixels; save it without compression";
    for codes in [&[3, 1, 0, 0][..], &[0, 2, 4, 0], &[4, 1, 0, 2, 0, 1]] {
        assert_eq!(refused(&in_runs(8, &[codes, &whole].concat())), left_out, "{codes:?}");
    }
    for length in 0..whole.len() {
        assert_eq!(refused(&in_runs(8, &whole[..length])), "the BMP data cannot be read: the file ends too early", "{length}");
    }
    damage(&in_runs(8, &whole), 2..54);
}

#[test]
fn pnm_is_white_where_its_header_says() {
    let word = |value: u16| value.to_be_bytes();
    let rgb = [&b"P6 1 1 255\n"[..], &[255, 51, 0]].concat();
    let deep = [&b"P5\n# a camera\n2 1\n1023\n"[..], &word(1023), &word(0)].concat();
    let bits = [&b"P4 3 1\n"[..], &[0b0100_0000]].concat();
    let pam = [&b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n"[..], &[0, 51]].concat();
    for (name, bytes, want) in [
        ("P6", rgb, vec![1.0, 0.2, 0.0]),
        ("P5", deep, [[1.0; 3], [0.0; 3]].concat()),
        ("P4", bits, [[1.0; 3], [0.0; 3], [1.0; 3]].concat()),
        ("P2", b"P2 2 1 4095\n4095 0\n".to_vec(), [[1.0; 3], [0.0; 3]].concat()),
        ("P3", b"P3 1 1 5\n5 1 0\n".to_vec(), vec![1.0, 0.2, 0.0]),
        ("P7", pam, vec![0.8; 3]),
    ] {
        assert_eq!(values(&bytes), want, "{name}");
    }
}

fn lossless() -> Vec<u8> {
    let pixel = |x: u32, y: u32| Rgba([(x * 51) as u8, (y * 51) as u8, 255, if x == 4 { 51 } else { 255 }]);
    encoded(ImageBuffer::from_fn(5, 3, pixel), ImageFormat::WebP)
}

#[test]
fn webp_has_alpha_over_white_and_its_first_frame() {
    let found = read(&lossless());
    for ((row, column, c), value) in found.indexed_iter() {
        let straight = [0.2 * column as f32, 0.2 * row as f32, 1.0][c];
        let want = if column == 4 { 0.2 * straight + 0.8 } else { straight };
        assert!((value - want).abs() < 1e-6, "{row} {column} {c}: {value}, want {want}");
    }
    // A frame: place, size, duration and flags (not blended with the one before), then its own picture.
    let grey = |level: u8| encoded(ImageBuffer::from_pixel(4, 2, Rgba([level, level, level, 255])), ImageFormat::WebP);
    let frame = |level: u8| {
        let head = [&[0; 6][..], &[3, 0, 0], &[1, 0, 0], &[10, 0, 0], &[2]].concat();
        chunk(b"ANMF", &[&head[..], &grey(level)[12..]].concat())
    };
    let moving = webp(&[vp8x(2, 4, 2), chunk(b"ANIM", &[0; 6]), frame(51), frame(204)]);
    let still = read(&moving);
    assert_eq!(still.dim(), (2, 4, 3));
    assert!(still.iter().all(|value| *value == 0.2), "{still}");
}

#[test]
fn truncated_and_damaged_files_never_panic() {
    let rows: Vec<u8> = (0..96).map(|k| (k * 11 % 256) as u8).collect();
    let whole = [
        bmp(4, 8, 24, &[], &rows),
        bmp(4, 8, 8, &[[1, 2, 3, 0]; 16], &rows[..32]),
        [&b"P6 4 8 255\n"[..], &rows].concat(),
        b"P2 2 2 4095\n1234 1 2 3333 ".to_vec(),
        lossless(),
    ];
    for whole in whole {
        damage(&whole, (2..whole.len() - 6).step_by(3));
    }
}
