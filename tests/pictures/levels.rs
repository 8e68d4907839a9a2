//! White levels: data of fewer bits than their files have.

use orthoscope::data::{Levels, read_image, read_image_with, read_with_levels};

use crate::fixture::picture::{fields, strip, with};
use crate::fixture::png::{header, png, stored};
use crate::saved;

fn words(values: &[u16], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

#[test]
fn twelve_bits_in_sixteen_are_as_bright_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let values = [0, 1365, 4095, 5000];
    let row = [&[0][..], &words(&values, u16::to_be_bytes)].concat();
    let of_png = png(&[(b"IHDR", header(4, 1, 16, 0)), (b"IDAT", stored(&row)), (b"IEND", vec![])]);
    let of_tiff = strip(fields(4, 1, 16, 1, 1), words(&values, u16::to_le_bytes));
    let of_pgm = [&b"P5 4 1 65535\n"[..], &words(&values, u16::to_be_bytes)].concat();
    for (name, bytes) in [("a.png", of_png), ("a.tif", of_tiff), ("a.pgm", of_pgm)] {
        let path = saved(folder.path(), name, &bytes);
        let (image, levels) = read_with_levels(&path, 4095.0).unwrap();
        let found: Vec<f32> = image.iter().copied().step_by(3).collect();
        assert_eq!(found, [0.0, 1365.0 / 4095.0, 1.0, 1.0], "{name}");
        assert_eq!(levels, Some(Levels { is_float: false, white: 65535.0, largest: 5000.0 }), "{name}");
        assert_eq!(read_image(&path).unwrap()[[0, 2, 0]], 4095.0 / 65535.0, "{name}");
    }
}

#[test]
fn the_white_of_a_file_that_names_it_counts_unless_another_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), "a.pgm", &[&b"P5 2 1 1023\n"[..], &words(&[1023, 341], u16::to_be_bytes)].concat());
    let levels = read_with_levels(&path, 0.0).unwrap().1;
    assert_eq!(levels, Some(Levels { is_float: false, white: 1023.0, largest: 1023.0 }));
    let at = |white_level: f64| read_image_with(&path, white_level).unwrap()[[0, 1, 0]];
    assert!((at(0.0) - 1.0 / 3.0).abs() < 1e-5 && (at(1023.0) - 1.0 / 3.0).abs() < 1e-5 && (at(682.0) - 0.5).abs() < 1e-5);
}

#[test]
fn eight_bits_have_no_level_and_floats_have_one() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = saved(folder.path(), "a.tif", &strip(fields(1, 1, 8, 1, 1), vec![51]));
    assert_eq!(read_with_levels(&bytes, 4095.0).unwrap(), (ndarray::arr3(&[[[0.2; 3]]]), None));
    let float = strip(with(fields(1, 1, 32, 1, 1), 339, &[3]), 4000_f32.to_le_bytes().to_vec());
    let (image, levels) = read_with_levels(&saved(folder.path(), "b.tif", &float), 8000.0).unwrap();
    assert_eq!((image[[0, 0, 0]], levels), (0.5, Some(Levels { is_float: true, white: 1.0, largest: 4000.0 })));
}
