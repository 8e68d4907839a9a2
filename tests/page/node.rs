//! The arithmetic of the page, run by Node.js, beside that of the program.

use std::path::Path;
use std::process::Command;

use orthoscope::detect::Confusion;
use serde_json::{Value, json};

use super::sample::{Run, sample};
use super::tool::tool;

fn counted(node: &str, run: &Run) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = sample().out().join(&run.category).join("seed-0/gallery/gallery.js");
    let paths = [root.join("tests/page/count.js"), root.join("src/report/reproduction/counting.js"), script];
    let ran = Command::new(node).args(paths).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn confusions(value: &Value) -> Vec<Confusion> {
    serde_json::from_value(value.clone()).unwrap()
}

fn f1(counts: &Confusion) -> f64 {
    let found = 2.0 * counts.true_positives as f64;
    found / (found + (counts.false_positives + counts.false_negatives) as f64)
}

#[test]
fn the_page_counts_as_the_program_does_at_every_threshold() {
    let Some(node) = tool(&["node", "nodejs"], "ORTHOSCOPE_REQUIRE_NODE", "the arithmetic of the page") else { return };
    for run in &sample().runs {
        let found = counted(node, run);
        let stops = run.stops();
        assert_eq!(serde_json::from_value::<Vec<f64>>(found["stops"].clone()).unwrap(), stops);
        let images: Vec<Confusion> = stops.iter().map(|&threshold| run.images_at(threshold)).collect();
        assert_eq!(confusions(&found["images"]), images);
        let thresholds: Vec<f64> = serde_json::from_value(sample().gallery(run)["thresholds"].clone()).unwrap();
        let pixels: Vec<Confusion> = thresholds.iter().map(|&threshold| run.pixels_at(threshold)).collect();
        assert_eq!(confusions(&found["pixels"]), pixels);
        for (counts, best) in [(&images, &found["best"][0]), (&pixels, &found["best"][1])] {
            let highest = counts.iter().map(f1).fold(0.0, f64::max);
            let last = counts.iter().rposition(|counts| f1(counts) == highest).unwrap();
            assert_eq!(best.as_u64(), Some(last as u64));
        }
        for (counts, rates) in pixels.iter().zip(found["rates"].as_array().unwrap()) {
            let (found, called) = (counts.true_positives as f64, (counts.true_positives + counts.false_positives) as f64);
            // JSON has no NaN: 0 / 0 is null.
            assert_eq!(rates[0].as_f64(), Some(found / called).filter(|value| !value.is_nan()));
            assert_eq!(rates[1].as_f64(), Some(found / (counts.true_positives + counts.false_negatives) as f64));
            assert_eq!(rates[2].as_f64(), Some(f1(counts)));
        }
        assert_eq!(found["harmless"], json!([null, null, null, null]), "without anything anomalous no rate is defined");
        assert_eq!(found["order"], serde_json::to_value(worst_first(run)).unwrap());
    }
}

/// Misses from the lowest score on, false alarms from the highest, then found anomalies and passed images in the same order.
fn worst_first(run: &Run) -> Vec<&str> {
    let mut groups: [Vec<&super::sample::Examined>; 4] = Default::default();
    for image in &run.images {
        let place = match (image.anomalous, image.score > run.image_threshold) {
            (true, false) => 0,
            (false, true) => 1,
            (true, true) => 2,
            (false, false) => 3,
        };
        groups[place].push(image);
    }
    for (place, group) in groups.iter_mut().enumerate() {
        group.sort_by(|a, b| if place % 2 == 0 { a.score.total_cmp(&b.score) } else { b.score.total_cmp(&a.score) });
    }
    groups.into_iter().flatten().map(|image| image.name.as_str()).collect()
}
