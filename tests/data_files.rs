//! Image files and dataset folders: valid, unusual, damaged and incomplete.

mod fixture {
    pub mod picture;
    pub mod png;
}

mod pictures {
    mod bombs;
    mod levels;
    mod orientation;
    mod plain;
    mod tiff;
}

use std::io::Cursor;
use std::path::{Path, PathBuf};

use fixture::png::{header, png, stored};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgba};
use ndarray::array;
use orthoscope::data::{Category, Defect, Family, GenerateOptions, Image, Plane, generate};
use orthoscope::data::{list_images, read_image, read_mask, train_images, write_mask_png, write_png};

fn saved(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn reason(path: &Path) -> String {
    let text = read_image(path).unwrap_err().to_string();
    text.strip_prefix(&format!("{}: ", path.display())).expect("the error names its file").to_owned()
}

/// The image of a file with this content.
fn read(bytes: &[u8]) -> Image {
    let folder = tempfile::tempdir().unwrap();
    read_image(&saved(folder.path(), "a", bytes)).unwrap()
}

/// The reason why a file with this content is refused.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    reason(&saved(folder.path(), "a", bytes))
}

/// Cuts a file at each of these lengths, which must be refused, and flips bits of each of its bytes, which must not panic and
/// gives an image or an error. Every file has a name of its own, because systems write what replaces another file to the disk at
/// once.
fn damage(whole: &[u8], lengths: impl Iterator<Item = usize>) {
    let folder = tempfile::tempdir().unwrap();
    for length in lengths {
        reason(&saved(folder.path(), &format!("cut{length}"), &whole[..length]));
    }
    for (at, flip) in (0..whole.len()).flat_map(|at| [1, 0x55, 0xFF].map(|flip| (at, flip))) {
        let mut damaged = whole.to_vec();
        damaged[at] ^= flip;
        let path = saved(folder.path(), &format!("{at}-{flip}"), &damaged);
        match read_image(&path) {
            Ok(image) => assert!(image.iter().all(|v| (0.0..=1.0).contains(v)), "byte {at} flipped by {flip}"),
            Err(error) => assert!(error.to_string().starts_with(&format!("{}: ", path.display())), "{error}"),
        }
    }
}

fn ramp(height: usize, width: usize) -> Image {
    let number = |(row, column, c): (usize, usize, usize)| (row * width + column) * 3 + c;
    Image::from_shape_fn((height, width, 3), |at| (number(at) * 7 % 256) as f32 / 255.0)
}

#[test]
fn images_and_masks_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    for (height, width) in [(1, 1), (17, 23)] {
        let (image, path) = (ramp(height, width), folder.path().join("a.png"));
        write_png(&path, &image).unwrap();
        assert_eq!(read_image(&path).unwrap(), image);
    }
    let mask = array![[0.0, 1.0], [0.4, 0.6]];
    let path = folder.path().join("m.png");
    write_mask_png(&path, &mask).unwrap();
    assert_eq!(read_mask(&path).unwrap(), array![[0.0, 1.0], [0.0, 1.0]]);
    assert_eq!(read_image(&path).unwrap()[[1, 0, 0]], 102.0 / 255.0);
}

#[test]
fn values_outside_the_unit_interval_are_clamped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    write_png(&path, &array![[[-3.0, 0.5, 3.0], [f32::NAN, 0.1, 1.0]]]).unwrap();
    assert_eq!(read_image(&path).unwrap(), array![[[0_u8, 128, 255], [0, 26, 255]]].mapv(|v| f32::from(v) / 255.0));
}

#[test]
fn every_pixel_format_of_png_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let grey16 = ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![1_u16, 65535]).unwrap();
    let fade = ImageBuffer::<LumaA<u8>, _>::from_raw(3, 1, vec![51_u8, 255, 51, 0, 0, 51]).unwrap();
    let rgba16 = ImageBuffer::<Rgba<u16>, _>::from_raw(1, 1, vec![0_u16, 13107, 65535, 13107]).unwrap();
    let palette = png(&[
        (b"IHDR", header(2, 2, 8, 3)),
        (b"PLTE", vec![255, 0, 0, 0, 51, 0]),
        (b"IDAT", stored(&[0, 0, 1, 0, 1, 0])),
        (b"IEND", vec![]),
    ]);
    let bits = png(&[(b"IHDR", header(3, 1, 1, 0)), (b"IDAT", stored(&[0, 0b1010_0000])), (b"IEND", vec![])]);
    let (red, green) = ([1.0, 0.0, 0.0], [0.0, 0.2, 0.0]);
    let cases: [(&str, Vec<u8>, Vec<f32>); 5] = [
        ("grey16", encoded(grey16, ImageFormat::Png), [[1.0 / 65535.0; 3], [1.0; 3]].concat()),
        ("grey with alpha", encoded(fade, ImageFormat::Png), [[0.2; 3], [1.0; 3], [0.8; 3]].concat()),
        ("rgba16", encoded(rgba16, ImageFormat::Png), vec![0.8, 0.84, 1.0]),
        ("palette", palette, [red, green, green, red].concat()),
        ("one bit", bits, [[1.0; 3], [0.0; 3], [1.0; 3]].concat()),
    ];
    for (name, bytes, want) in cases {
        let image = read_image(&saved(folder.path(), name, &bytes)).unwrap();
        for (got, want) in image.iter().zip(&want) {
            assert!((got - want).abs() < 1e-6, "{name}: {image}");
        }
        assert_eq!(image.len(), want.len(), "{name}");
    }
}

#[test]
fn jpeg_is_read_under_any_file_name() {
    let folder = tempfile::tempdir().unwrap();
    let grey = ImageBuffer::from_pixel(19, 11, Luma([102_u8]));
    let image = read_image(&saved(folder.path(), "really.png", &encoded(grey, ImageFormat::Jpeg))).unwrap();
    assert_eq!(image.dim(), (11, 19, 3));
    assert!(image.iter().all(|v| (v - 0.4).abs() < 0.005));
}

#[test]
fn a_huge_header_is_rejected_before_decoding() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = png(&[(b"IHDR", header(100_000, 100_000, 16, 6)), (b"IDAT", stored(&[0])), (b"IEND", vec![])]);
    let text = reason(&saved(folder.path(), "a.png", &bytes));
    assert_eq!(text, "has 100000x100000 pixels, 10000000000 in all; the limit is 67108864");
    let none = png(&[(b"IHDR", header(0, 4, 8, 2)), (b"IDAT", stored(&[])), (b"IEND", vec![])]);
    read_image(&saved(folder.path(), "b.png", &none)).unwrap_err();
}

/// What a format is called, and names and first bytes of files of it.
type Foreign<'a> = (&'a str, &'a [(&'a str, &'a [u8])]);

#[test]
fn files_that_are_not_images_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(reason(&saved(folder.path(), "a.png", b"")), "is empty (0 bytes)");
    assert!(reason(&saved(folder.path(), "b.png", b"hello, world")).starts_with("is not an image"));
    let tiff = fixture::picture::strip(fixture::picture::fields(1, 1, 8, 1, 1), vec![9]);
    let dicom = [&[0; 128][..], b"DICM"].concat();
    let others: [Foreign<'_>; 15] = [
        ("a GIF", &[("c.png", b"GIF89a......")]),
        ("a JPEG 2000", &[("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n"), ("a.j2k", b"\xff\x4f\xff\x51\0\x2f")]),
        ("a JPEG XL", &[("a.jxl", b"\xff\x0a....")]),
        // A brand of both, which the brands behind it tell apart.
        (
            "a HEIC",
            &[
                ("a.jpg", b"\0\0\0\x18ftypheic\0\0\0\0"),
                ("b.heif", b"\0\0\0\x18ftypmif1\0\0\0\0"),
                ("c.heic", b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafheic"),
            ],
        ),
        ("an AVIF", &[("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0"), ("b.avif", b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif")]),
        // Of the last three the decoder would show a preview.
        (
            "a camera raw",
            &[
                ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\0"),
                ("a.cr2", b"II*\0\x10\0\0\0CR\x02\0"),
                ("a.NEF", &tiff),
                ("a.arw", &tiff),
                ("a.dng", &tiff),
            ],
        ),
        ("a Photoshop", &[("a.psd", b"8BPS\0\x01")]),
        ("a DICOM", &[("a.dcm", &dicom)]),
        ("an SVG", &[("a.svg", b"<?xml version='1.0'?>\n<svg width='3'/>")]),
        ("a TGA", &[("a.tga", &[0, 0, 2, 0])]),
        ("an OpenEXR", &[("a.exr", b"\x76\x2f\x31\x01")]),
        ("an ICO", &[("a.ico", &[0, 0, 1, 0])]),
        ("a DDS", &[("a.dds", b"DDS |\0\0\0")]),
        ("a QOI", &[("a.qoi", b"qoif\0\0\0\x01")]),
        ("a farbfeld", &[("a.ff", b"farbfeld\0\0\0\x01")]),
    ];
    for (what, files) in others {
        let wanted = format!("is {what} picture, which is not read; convert it to PNG or TIFF");
        for (name, bytes) in files {
            let path = saved(folder.path(), name, bytes);
            assert_eq!(reason(&path), wanted, "{name}");
            assert!(orthoscope::data::read_size(&path).unwrap_err().to_string().ends_with(&wanted), "{name}");
        }
    }
    assert_eq!(list_images(folder.path()).unwrap().len(), 24, "all but the drawing count as images");
    saved(folder.path(), "a.tif", &tiff);
    assert_eq!(read_image(&folder.path().join("a.tif")).unwrap().len(), 3);
    assert!(reason(&saved(folder.path(), "text.xml", b"<?xml version='1.0'?><annotation/>")).starts_with("is not an image"));
    assert_eq!(reason(&folder.path().join("d.png")), "no such file");
    assert_eq!(reason(folder.path()), "is a folder; a file is needed here");
}

#[test]
fn a_camera_raw_is_named_by_its_extension_where_a_preview_could_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let tiff = fixture::picture::strip(fixture::picture::fields(1, 1, 8, 1, 1), vec![9]);
    let extensions = [
        "3fr", "ARW", "cr2", "cr3", "dcr", "dng", "erf", "fff", "gpr", "iiq", "kdc", "mef", "mos", "nef", "nrw", "orf", "pef",
        "raf", "rw2", "rwl", "sr2", "srf", "srw",
    ];
    for extension in extensions {
        let path = saved(folder.path(), &format!("a.{extension}"), &tiff);
        assert_eq!(reason(&path), "is a camera raw picture, which is not read; convert it to PNG or TIFF", "{extension}");
    }
    assert_eq!(list_images(folder.path()).unwrap().len(), extensions.len(), "none is passed over");
}

#[test]
fn a_tiff_that_is_a_dicom_too_is_read() {
    let folder = tempfile::tempdir().unwrap();
    // A DICOM file begins with 128 bytes that mean nothing to it, where another format has room; scanners put a TIFF there.
    let pixels = [&[51; 120][..], b"DICM", &[51; 4]].concat();
    let both = fixture::picture::strip(fixture::picture::fields(16, 8, 8, 1, 1), pixels);
    assert_eq!(&both[128..132], b"DICM");
    assert_eq!(read_image(&saved(folder.path(), "a.tif", &both)).unwrap()[[0, 0, 0]], 0.2);
}

#[test]
fn truncated_and_damaged_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let picture = ImageBuffer::from_fn(40, 30, |x, y| image::Rgb([(x * 6) as u8, (y * 8) as u8, (x * y) as u8]));
    for (name, format) in [("a.png", ImageFormat::Png), ("a.jpg", ImageFormat::Jpeg)] {
        let whole = encoded(picture.clone(), format);
        for length in (0..whole.len() - 20).step_by(17) {
            let text = read_image(&saved(folder.path(), name, &whole[..length])).unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
        for at in (0..whole.len()).step_by(13) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            if let Ok(image) = read_image(&saved(folder.path(), name, &damaged)) {
                assert!(image.iter().all(|v| (0.0..=1.0).contains(v)));
            }
        }
    }
}

/// A category of two training images and one test image each of `good` and `hole`.
fn category(root: &Path) {
    let picture = encoded(ImageBuffer::from_pixel(4, 3, Luma([9_u8])), ImageFormat::Png);
    for name in ["train/good/b.PNG", "train/good/a.png", "test/good/000.png", "test/hole/000.png"] {
        saved(root, name, &picture);
    }
    let mask = encoded(ImageBuffer::from_fn(4, 3, |x, _| Luma([if x == 2 { 255_u8 } else { 0 }])), ImageFormat::Png);
    saved(root, "ground_truth/hole/000_mask.png", &mask);
    saved(root, "train/good/.DS_Store", b"x");
    saved(root, "train/good/notes.txt", b"x");
    saved(root, "license.txt", b"x");
}

#[test]
fn a_category_is_listed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("part");
    category(&root);
    let found = Category::open(&root).unwrap();
    assert_eq!(found.name, "part");
    assert_eq!(found.train, [root.join("train/good/a.png"), root.join("train/good/b.PNG")]);
    assert_eq!(found.test.iter().map(|t| t.defect.as_str()).collect::<Vec<_>>(), ["good", "hole"]);
    assert_eq!(found.test[1].masks, [root.join("ground_truth/hole/000_mask.png")]);
    assert!(found.test[0].is_good() && !found.test[1].is_good());
    let (image, mask) = found.test[1].read(0.0).unwrap();
    assert_eq!(image.dim(), (3, 4, 3));
    assert_eq!(mask, array![[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
    assert_eq!(found.test[0].read(0.0).unwrap().1, Plane::zeros((3, 4)));
}

#[test]
fn masks_may_lack_the_suffix_and_have_another_extension() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    let truth = folder.path().join("ground_truth/hole");
    std::fs::rename(truth.join("000_mask.png"), truth.join("000.JPG")).unwrap();
    assert_eq!(Category::open(folder.path()).unwrap().test[1].masks, [truth.join("000.JPG")]);
}

#[test]
fn several_masks_of_an_image_are_united() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    let truth = folder.path().join("ground_truth/hole");
    let column = |x: usize| Plane::from_shape_fn((3, 4), |(_, column)| f32::from(column == x));
    write_mask_png(&truth.join("000_mask_1.png"), &column(0)).unwrap();
    write_mask_png(&truth.join("000_mask_10.png"), &column(3)).unwrap();
    let test = Category::open(folder.path()).unwrap().test.remove(1);
    assert_eq!(test.masks.len(), 3);
    assert_eq!(test.read(0.0).unwrap().1.row(1), array![1.0, 0.0, 1.0, 1.0]);
    // Numbered masks alone are enough; another ending belongs to no image.
    std::fs::remove_file(truth.join("000_mask.png")).unwrap();
    assert_eq!(Category::open(folder.path()).unwrap().test[1].read(0.0).unwrap().1.row(1), array![1.0, 0.0, 0.0, 1.0]);
    write_mask_png(&truth.join("000_mask_1b.png"), &column(2)).unwrap();
    let error = Category::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("000_mask_1b.png: this mask has no image in test/hole; add that, or move the mask"), "{error}");
}

#[test]
fn an_incomplete_category_is_opened_on_request_only() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    let whole = Category::open(folder.path()).unwrap();
    assert_eq!(Category::open_incomplete(folder.path()).unwrap(), whole);
    std::fs::remove_dir_all(folder.path().join("ground_truth")).unwrap();
    let found = Category::open_incomplete(folder.path()).unwrap().test;
    assert!(found[0].is_good() && !found[1].is_good() && found[1].masks.is_empty());
    std::fs::remove_dir_all(folder.path().join("test")).unwrap();
    let found = Category::open_incomplete(folder.path()).unwrap();
    assert!(found.test.is_empty() && found.train == whole.train);
    // A single missing mask is an error in both.
    category(folder.path());
    std::fs::remove_file(folder.path().join("ground_truth/hole/000_mask.png")).unwrap();
    assert!(Category::open_incomplete(folder.path()).unwrap_err().to_string().contains("this defect image has no mask"));
}

/// Damages a complete category with `damage` and returns the error of opening it.
fn broken(damage: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    damage(folder.path());
    Category::open(folder.path()).unwrap_err().to_string()
}

#[test]
fn errors_name_missing_parts() {
    let remove = |name: &'static str| move |root: &Path| std::fs::remove_dir_all(root.join(name)).unwrap();
    assert!(broken(remove("")).contains("there is no such folder"));
    assert!(broken(remove("test")).contains("contains no image (PNG, JPEG, TIFF, BMP, WebP and PNM) in a folder good or DEFECT"));
    assert!(broken(remove("ground_truth")).contains("000.png: this defect image has no mask"));
    assert!(broken(remove("test/hole")).contains("these masks have no images"));
    // For a test set it is enough that there is one.
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    let refused = || {
        assert!(Category::open(folder.path()).unwrap().train.is_empty());
        train_images(folder.path()).unwrap_err().to_string()
    };
    for name in ["a.png", "b.PNG"] {
        std::fs::remove_file(folder.path().join("train/good").join(name)).unwrap();
    }
    assert!(refused().contains("contains no image"), "{}", refused());
    std::fs::remove_dir_all(folder.path().join("train/good")).unwrap();
    assert!(refused().contains("has no folder train/good"), "{}", refused());
}

#[test]
fn errors_name_stray_files() {
    let add = |name: &'static str| move |root: &Path| drop(saved(root, name, b"x"));
    assert!(broken(add("ground_truth/hole/001_mask.png")).contains("001_mask.png: this mask has no image in test/hole"));
    assert!(broken(add("test/hole/001.png")).contains("001.png: this defect image has no mask"));
    let same = broken(add("test/hole/000.jpeg"));
    assert!(same.contains("hole/000.jpeg or of ") && same.contains("; put the whole name of its image into its own"), "{same}");
}

#[test]
fn an_image_beside_the_folders_of_kinds_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    saved(folder.path(), "test/000.png", b"x");
    let found = Category::open(folder.path()).unwrap();
    assert_eq!(found.skipped.len(), 1);
    assert_eq!(found.skipped[0].to_string(), "test/000.png: this image is not in a folder good or DEFECT");
    assert_eq!(found.test.len(), 2);
}

#[test]
fn masks_of_the_wrong_size_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    let mask = folder.path().join("ground_truth/hole/000_mask.png");
    let test = Category::open(folder.path()).unwrap().test;
    write_mask_png(&mask, &Plane::ones((4, 3))).unwrap();
    let error = test[1].read(0.0).unwrap_err().to_string();
    assert!(error.ends_with("000_mask.png: the mask has 4x3 pixels (height x width), its image 3x4 pixels (height x width); one of them is turned, perhaps by its EXIF data"), "{error}");
    let dark =
        |from: usize, value: fn(usize) -> f32| Plane::from_shape_fn((3, 4), |(row, _)| if row < from { 0.0 } else { value(row) });
    // Nothing tells which pixels are meant: all are alike, or there are several values.
    for unclear in [dark(0, |_| 1.0 / 255.0), dark(1, |row| row as f32 / 255.0)] {
        write_mask_png(&mask, &unclear).unwrap();
        let error = test[1].read(0.0).unwrap_err().to_string();
        assert!(error.ends_with("; anomalous pixels must exceed 127, or all have one value on black"), "{error}");
    }
    write_mask_png(&mask, &dark(1, |_| 1.0 / 255.0)).unwrap();
    assert_eq!(test[1].read(0.0).unwrap().1.sum(), 8.0);
    write_mask_png(&mask, &Plane::zeros((3, 4))).unwrap();
    assert_eq!(test[1].read(0.0).unwrap().1, Plane::zeros((3, 4)));
}

#[test]
fn a_category_without_training_images_can_be_used_for_testing() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    std::fs::remove_dir_all(folder.path().join("train")).unwrap();
    let found = Category::open(folder.path()).unwrap();
    assert_eq!((found.train.len(), found.test.len()), (0, 2));
}

#[test]
fn a_category_without_test_images_can_be_used_for_training() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    std::fs::remove_dir_all(folder.path().join("test")).unwrap();
    assert_eq!(train_images(folder.path()).unwrap().images.len(), 2);
}

#[test]
fn images_to_inspect_are_one_file_or_a_whole_folder() {
    let folder = tempfile::tempdir().unwrap();
    category(folder.path());
    let found = list_images(folder.path()).unwrap();
    assert_eq!(found.len(), 5);
    assert!(found.is_sorted());
    assert_eq!(list_images(&found[2]).unwrap(), [found[2].clone()]);
    assert!(list_images(&folder.path().join("none")).unwrap_err().to_string().contains("there is no such file or folder"));
    std::fs::create_dir(folder.path().join("bare")).unwrap();
    assert!(list_images(&folder.path().join("bare")).unwrap_err().to_string().contains("contains no image"));
}

const GENERATED: GenerateOptions =
    GenerateOptions { family: Family::Grid, size: 32, train: 2, good: 1, defects_per_kind: 2, seed: 11 };

/// Every file below `root` by its relative path, with its bytes.
fn contents(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = list_images(root).unwrap();
    files.into_iter().map(|path| (path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn a_generated_category_opens_and_equals_the_one_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let root = generate(&folder.path().join("new/deep"), &GENERATED).unwrap();
    let found = Category::open(&root).unwrap();
    assert_eq!((found.name.as_str(), found.train.len(), found.test.len()), ("grid", 2, 1 + 4 * 2));
    assert_eq!(read_image(&found.train[1]).unwrap(), GENERATED.train_image(1).unwrap());
    let bend = found.test.iter().filter(|test| test.defect == "bend").nth(1).unwrap();
    let (image, mask) = bend.read(0.0).unwrap();
    let drawn = GENERATED.defect_image(Defect::Bend, 1).unwrap();
    assert_eq!((image, mask), (drawn.image, drawn.mask));
    assert_eq!(std::fs::read_dir(root.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn generated_bytes_depend_on_the_seed_but_not_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str, seed: u64, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out = folder.path().join(name);
        contents(&pool.install(|| generate(&out, &GenerateOptions { seed, ..GENERATED })).unwrap())
    };
    let first = made("a", 11, 1);
    assert_eq!(first, made("b", 11, 3));
    for ((path, ours), (other_path, theirs)) in first.iter().zip(made("c", 12, 3)) {
        assert_eq!(*path, other_path);
        assert_ne!(*ours, theirs, "{}", path.display());
    }
    let distinct: std::collections::BTreeSet<_> = first.iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(distinct.len(), first.len(), "no two files are equal");
}

#[test]
fn generating_never_overwrites_existing_files() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), "grid/mine.txt", b"x");
    let error = generate(folder.path(), &GENERATED).unwrap_err().to_string();
    assert!(error.ends_with("exists and is not empty; choose another folder or remove it first"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("grid/mine.txt")).unwrap(), b"x");
    saved(folder.path(), "file", b"x");
    assert!(
        generate(&folder.path().join("file"), &GENERATED)
            .unwrap_err()
            .to_string()
            .contains("is a file; the output needs a folder")
    );
    std::fs::create_dir(folder.path().join("wood")).unwrap();
    generate(folder.path(), &GenerateOptions { family: Family::Wood, ..GENERATED }).unwrap();
    for bad in [GenerateOptions { size: 31, ..GENERATED }, GenerateOptions { train: 0, ..GENERATED }] {
        assert!(generate(&folder.path().join("none"), &bad).is_err());
    }
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_png_with_a_wrong_checksum_of_its_pixels_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<u8> = (0..9_u8).flat_map(|row| [0, row, row, row]).collect();
    let made = |data: Vec<u8>| png(&[(b"IHDR", header(1, 9, 8, 2)), (b"IDAT", data), (b"IEND", vec![])]);
    let mut data = stored(&rows);
    assert_eq!(read_image(&saved(folder.path(), "good.png", &made(data.clone()))).unwrap().dim(), (9, 1, 3));
    *data.last_mut().unwrap() ^= 1;
    let text = reason(&saved(folder.path(), "bad.png", &made(data)));
    assert!(text.starts_with("the PNG data cannot be read: ") && !text.contains("ChunkType"), "{text}");
}
