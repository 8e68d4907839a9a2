//! Small files of every format that claim much: they are refused, and cost little.

use crate::fixture::picture::{bmp, chunk, fields, strip, vp8x, webp, with};
use crate::refused;

#[test]
fn more_pixels_than_the_limit_are_refused_from_the_header() {
    for (name, bytes) in [
        ("TIFF", strip(fields(60_000, 60_000, 16, 2, 3), vec![0; 8])),
        ("BMP", bmp(60_000, 60_000, 24, &[], &[0; 8])),
        ("PNM", b"P5 60000 60000 65535\n1234".to_vec()),
        ("PAM", b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n12".to_vec()),
    ] {
        assert_eq!(refused(&bytes), "has 60000x60000 pixels, 3600000000 in all; the limit is 67108864", "{name}");
    }
    let canvas = webp(&[vp8x(0, 1 << 14, 1 << 14), chunk(b"VP8 ", &[0; 12])]);
    assert_eq!(refused(&canvas), "has 16384x16384 pixels, 268435456 in all; the limit is 67108864");
    refused(b"P5 99999999999999999999 1 255\n1");
    refused(&bmp(i32::MAX, i32::MIN, 24, &[], &[0; 8]));
    refused(&bmp(0, 8, 24, &[], &[0; 8]));
}

#[test]
fn a_header_without_its_pixels_takes_no_memory_for_them() {
    let short = |bytes: &[u8], samples: u64| {
        let wanted = format!("data are cut short: {} bytes cannot hold {samples} bytes of samples", bytes.len());
        let found = refused(bytes);
        assert!(found.ends_with(&wanted), "{found}");
    };
    short(&strip(fields(8192, 8192, 16, 2, 3), vec![0; 8]), 6 << 26);
    short(&bmp(8192, 8192, 8, &[[0; 4]], &[0; 8]), 3 << 26);
    short(b"P6 8192 8192 255\n12345678", 3 << 26);
}

#[test]
fn more_bytes_of_samples_than_the_limit_are_refused() {
    let deflated = with(with(fields(8192, 8192, 64, 2, 3), 339, &[3; 3]), 259, &[8]);
    let found = refused(&strip(deflated, vec![0; 8]));
    assert!(found.contains("has 8192x8192 pixels with 1610612736 bytes of samples, the limit is 1073741824"), "{found}");
}

/// A TIFF with another number of values of a field, which then lie anywhere.
fn with_count(bytes: Vec<u8>, tag: u16, count: u32) -> Vec<u8> {
    let entry = [tag.to_le_bytes(), 4_u16.to_le_bytes()].concat();
    let at = bytes.windows(4).rposition(|window| window == entry).unwrap();
    [&bytes[..at + 4], &count.to_le_bytes(), &bytes[at + 8..]].concat()
}

#[test]
fn absurd_tables_of_a_tiff_are_refused() {
    let plain = || fields(4, 4, 8, 1, 1);
    for tag in [273, 279] {
        for count in [1 << 20, u32::MAX] {
            refused(&with_count(strip(plain(), vec![7; 16]), tag, count));
        }
    }
    refused(&strip(with(plain(), 279, &[u32::MAX]), vec![7; 16]));
    refused(&strip(with(plain(), 277, &[65535]), vec![7; 16]));
    refused(&strip(with(plain(), 278, &[0]), vec![7; 16]));
    // Any number of rows of one strip is usual.
    crate::read(&strip(with(plain(), 278, &[u32::MAX]), vec![7; 16]));
    let tiles = |width, height| with(with(with(plain(), 259, &[8]), 322, &[width]), 323, &[height]);
    let found = refused(&strip(tiles(1 << 31, 16), vec![0; 16]));
    assert_eq!(found, "has tiles of 2147483648 pixels in width, which is more than the picture can need");
    refused(&strip(tiles(16, u32::MAX), vec![0; 16]));
}

#[test]
fn a_webp_with_another_picture_than_its_canvas_is_refused() {
    // A key frame of 16383x16383 pixels, in a canvas of 4x4.
    let side = 16383_u16.to_le_bytes();
    let frame = [&[0x10, 0, 0, 0x9D, 0x01, 0x2A][..], &side, &side, &[0; 40]].concat();
    refused(&webp(&[vp8x(0, 4, 4), chunk(b"VP8 ", &frame)]));
    refused(&webp(&[vp8x(0, 4, 4), chunk(b"VP8L", &[0x2F, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0])]));
    refused(&webp(&[vp8x(2, 4, 4), chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &[0xFF; 40])]));
}
