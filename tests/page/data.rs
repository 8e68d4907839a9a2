//! The files, without a browser.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::{Array2, Axis, s};
use orthoscope::backend::Cpu;
use orthoscope::data::{Category, Family, GenerateOptions, generate, read_image, write_bytes, write_png};
use orthoscope::detect::{Detector, Settings, Thresholds};
use orthoscope::model::Parameters;
use orthoscope::report::reproduction::gallery::record;
use orthoscope::run::Config;
use orthoscope::run::reproduction::PAGE_FILE;
use serde_json::{Value, json};

use super::sample::{Examined, sample, write_page};

/// A map as its description says: base64 of a zlib stream of second differences.
fn map(entry: &Value, key: &str) -> Array2<u8> {
    let side = |key: &str| entry[key].as_u64().unwrap() as usize;
    let packed = STANDARD.decode(entry[key].as_str().unwrap()).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(packed.as_slice()), &mut bytes).unwrap();
    let mut map = Array2::from_shape_vec((side("height"), side("width")), bytes).unwrap();
    for axis in 0..2 {
        map.accumulate_axis_inplace(Axis(axis), |&before, value| *value = value.wrapping_add(before));
    }
    map
}

fn thresholds(gallery: &Value) -> Vec<f64> {
    gallery["thresholds"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn the_script_of_a_run_holds_the_results_of_every_image() {
    let sample = sample();
    for run in &sample.runs {
        let gallery = sample.gallery(run);
        let (thresholds, entries) = (thresholds(&gallery), gallery["images"].as_array().unwrap());
        assert_eq!(entries.len(), run.images.len());
        assert_eq!(gallery["colours"].as_array().unwrap().len(), thresholds.len() + 1);
        for (entry, image) in entries.iter().zip(&run.images) {
            let Examined { name, kind, anomalous, score, .. } = image;
            let found = [&entry["name"], &entry["kind"], &entry["anomalous"], &entry["score"]];
            assert_eq!(found, [&json!(name), &json!(kind), &json!(anomalous), &json!(score)]);
            assert_eq!(map(entry, "truth"), image.truth.mapv(u8::from), "{name}");
            let level = |value: f32| thresholds.iter().filter(|&&threshold| f64::from(value) > threshold).count() as u8;
            assert_eq!(map(entry, "levels"), image.heatmap.mapv(level), "{name}");
            for picture in ["input", "reconstruction"] {
                let jpeg = STANDARD.decode(entry[picture].as_str().unwrap()).unwrap();
                assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "{name}");
            }
        }
    }
}

#[test]
fn the_counts_at_the_thresholds_of_the_model_are_those_of_the_program() {
    let sample = sample();
    for run in &sample.runs {
        let gallery = sample.gallery(run);
        assert_eq!(gallery["image_threshold"]["value"], run.image_threshold);
        assert_eq!(gallery["pixel_threshold"]["value"], run.pixel_threshold);
        assert!(thresholds(&gallery).contains(&run.pixel_threshold));
        assert_eq!(run.counts.images, Some(run.images_at(run.image_threshold)));
        assert_eq!(run.counts.pixels, Some(run.pixels_at(run.pixel_threshold)));
        assert_eq!(gallery["counts"], serde_json::to_value(run.counts).unwrap());
        let pixels = run.counts.pixels.unwrap();
        assert!(pixels.true_positives > 0 && pixels.false_negatives > 0, "this sample tests nothing: {pixels:?}");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_has_the_same_bytes_again() {
    let sample = sample();
    let text = |folder: &std::path::Path| std::fs::read_to_string(folder.join(PAGE_FILE)).unwrap();
    let page = text(&sample.out());
    // The only sources are the scripts of the runs, which the page takes from its own list.
    for outside in ["http:", "https:", "//cdn", "@import", "<link", " src=", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("/seed-0/gallery/gallery.js\" data-hash=\"#gallery/").count(), 2);
    assert!(page.contains("one &lt;note&gt;") && page.contains("heatmap of &lt;chroma&gt; (not in the paper): all runs"));
    let again = tempfile::tempdir().unwrap();
    write_page(&sample.report(), again.path());
    assert!(!text(again.path()).contains("gallery.js"), "without galleries none is offered");
    for run in &sample.runs {
        let folder = again.path().join(&run.category).join("seed-0/gallery");
        std::fs::create_dir_all(&folder).unwrap();
        write_bytes(&folder.join("gallery.js"), sample.script(run).as_bytes()).unwrap();
    }
    write_page(&sample.report(), again.path());
    assert_eq!(text(again.path()), page);
}

/// Defect images without ground truth: images can be judged, pixels cannot.
#[test]
fn without_masks_pixels_are_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let options = GenerateOptions { family: Family::Cloth, size: 48, train: 2, good: 1, defects_per_kind: 1, seed: 3 };
    let root = generate(folder.path(), &options).unwrap();
    std::fs::remove_dir_all(root.join("ground_truth")).unwrap();
    // An image that is twice as wide as high.
    let good = root.join("test/good/000.png");
    write_png(&good, &read_image(&good).unwrap().slice_move(s![..24, .., ..])).unwrap();
    let backend = Cpu::default();
    let parameters = Parameters::initialise(&backend, &Config::parse("model.width = 2").unwrap().architecture(), 0).unwrap();
    let mut detector = Detector::new(&backend, parameters, Settings::default());
    let category = Category::open_incomplete(&root).unwrap();
    let counts = record(&detector, &category, folder.path()).unwrap();
    assert_eq!((counts.images, counts.pixels), (None, None), "weights that were never calibrated have no threshold");
    detector.settings_mut().thresholds = Some(Thresholds { image: 0.0, image_interval: None, pixel: 0.0, calibration: None });
    let counts = record(&detector, &category, folder.path()).unwrap();
    assert_eq!(counts.images.map(|counts| (counts.true_positives, counts.false_positives)), Some((5, 1)));
    assert_eq!(counts.pixels, None);
    let script = std::fs::read_to_string(folder.path().join("gallery/gallery.js")).unwrap();
    assert!(script.contains("\"has_masks\":false") && script.contains("\"pixels\":null"));
    assert_eq!((script.matches("\"original\":[24,48]").count(), script.matches("\"original\":[48,48]").count()), (1, 5));
}
