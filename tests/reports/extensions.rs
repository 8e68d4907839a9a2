//! "No images found": extensions in upper case, which cameras and Windows write.

use orthoscope::data::{encode_jpeg, read_image};

use crate::fixture::Scratch;
use crate::fixture::picture::{bmp, fields, strip};

/// Every picture of the category with an extension in upper case, in the format that it names.
fn upper(scratch: &Scratch) {
    let files: Vec<_> = crate::fixture::tree(&scratch.path("cloth")).into_iter().filter(|(_, bytes)| bytes.is_some()).collect();
    for (number, (path, bytes)) in files.into_iter().enumerate() {
        let path = std::path::Path::new("cloth").join(path);
        let image = read_image(&scratch.path(&path)).unwrap();
        let (height, width, _) = image.dim();
        let pixels: Vec<u8> = image.iter().map(|value| (value * 255.0).round() as u8).collect();
        let (extension, content) = match number % 4 {
            0 => ("PNG", bytes.unwrap()),
            1 => ("TIF", strip(fields(width as u32, height as u32, 8, 2, 3), pixels)),
            2 if !path.starts_with("cloth/ground_truth") => ("Jpeg", encode_jpeg(&image, 100).unwrap()),
            _ => {
                let rows = pixels.chunks(3 * width).rev().flat_map(|row| row.chunks(3).flat_map(|rgb| [rgb[2], rgb[1], rgb[0]]));
                ("BMP", bmp(width as i32, height as i32, 24, &[], &rows.collect::<Vec<_>>()))
            }
        };
        std::fs::remove_file(scratch.path(&path)).unwrap();
        scratch.write(path.with_extension(extension), content);
    }
}

#[test]
fn upper_case_extensions_are_images_and_masks_for_every_command() {
    let scratch = Scratch::new();
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out lower");
    upper(&scratch);
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new -v");
    assert!(ran.err.contains("5 images to train on, 1 held out") && !ran.err.contains("warning"), "{}", ran.err);
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out upper --maps maps");
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    let value = |out: &str, key: &str| scratch.json(format!("{out}/metrics.json"))[key].as_f64().unwrap();
    // One image in four is a JPEG now, which changes its pixels a little.
    for key in ["pixel_auroc", "au_pro", "image_auroc"] {
        assert!((value("upper", key) - value("lower", key)).abs() < 0.02, "{key}");
    }
    let ran = scratch.succeeds("detect --model new/model.safetensors --out found cloth/test");
    assert_eq!(ran.out.lines().count(), 8, "{}", ran.out);
    scratch.succeeds("data preview --data cloth --config c.toml --out SHEET.PNG");
    let ran = scratch.succeeds("evaluate --model new/model.safetensors --normal cloth/test/good --abnormal cloth/test/stain --masks cloth/ground_truth/stain --out free");
    assert!(ran.out.contains("pixel AUROC") && !ran.err.contains("warning"), "{}", ran.err);
    let found = scratch.succeeds("metrics --maps maps/cloth/test --data cloth --json").out;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["pixel_auroc"], scratch.json("upper/metrics.json")["pixel_auroc"]);
}

#[test]
fn rarer_extensions_of_the_formats_are_images_too() {
    let scratch = Scratch::new();
    let png = scratch.read("cloth/test/good/000.png");
    let image = read_image(&scratch.path("cloth/test/good/000.png")).unwrap();
    let jpeg = encode_jpeg(&image, 90).unwrap();
    for (name, bytes) in [("a.jfif", &jpeg), ("b.JPE", &jpeg), ("c.jif", &jpeg), ("d.apng", &png), ("e.Dib", &png)] {
        scratch.write(format!("in/{name}"), bytes);
    }
    let ran = scratch.succeeds("detect --model run/model.safetensors --out found in");
    assert_eq!(ran.out.lines().count(), 5, "{}", ran.out);
}
