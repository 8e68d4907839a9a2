//! The file in onnxruntime against `detect`, by `tests/crosscheck/onnx_parity.py`.

use std::process::Command;

use orthoscope::data::encode_png;
use serde_json::Value;

use super::models::{Case, cases, pictures};
use crate::fixture::python::python;
use crate::fixture::{Scratch, told};

/// Largest difference of scores and maps, relative to the score and to the largest value of the map.
const LIMIT: f64 = 1e-5;

/// The same with SSIM. It divides the difference of two moments, each rounded by 6e-8 in f32, by 9e-4 and the variances, on both
/// sides.
const LIMIT_OF_SSIM: f64 = 5e-5;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crosscheck/onnx_parity.py");

/// What the script says of each case: the ONNX file, the output folder of `detect`, the folder of images.
fn compared(mut python: Command, scratch: &Scratch, names: &[String]) -> Value {
    let mut command = assert_cmd::Command::from_std({
        python.current_dir(scratch.path("")).arg(SCRIPT).arg("--json");
        for name in names {
            python.arg("--case").args([format!("{name}.onnx"), format!("{name}-found"), images_of(name).to_owned()]);
        }
        python
    });
    let ran = told(command.output().unwrap());
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// The trained model sees the generated category, others see `pictures`.
fn images_of(name: &str) -> &str {
    if name == "trained" { "cloth/test" } else { "pictures" }
}

#[test]
fn onnxruntime_agrees_with_detect_in_every_way_of_detecting() {
    let Some(python) = python("numpy, onnxruntime, PIL", "onnxruntime_agrees_with_detect_in_every_way_of_detecting") else {
        return;
    };
    let (scratch, pictures) = (Scratch::new(), pictures());
    for (number, picture) in pictures.iter().enumerate() {
        scratch.write(format!("pictures/{number}.png"), encode_png(picture).unwrap());
    }
    for case in cases() {
        scratch.write(format!("{}.safetensors", case.name), case.weights(&pictures).encode().unwrap());
    }
    std::fs::copy(scratch.path("run/model.safetensors"), scratch.path("trained.safetensors")).unwrap();
    let names: Vec<String> = cases().iter().map(|case| case.name.to_owned()).chain(["trained".to_owned()]).collect();
    for name in &names {
        scratch.succeeds(&format!("model export --model {name}.safetensors --onnx {name}.onnx"));
        scratch.succeeds(&format!("detect --model {name}.safetensors --out {name}-found {}", images_of(name)));
    }
    let report = compared(python, &scratch, &names);
    assert_eq!(report.as_array().unwrap().len(), names.len());
    for (name, found) in names.iter().zip(report.as_array().unwrap()) {
        let limit = if name == "similarity" { LIMIT_OF_SSIM } else { LIMIT };
        let wanted = if name == "trained" { 8 } else { pictures.len() };
        assert_eq!(found["images"], wanted, "{name}: {found}");
        // Masks may differ only where the map is as near to the pixel threshold as that.
        for key in ["score", "map", "mask"] {
            let worst = found[key].as_f64().unwrap();
            assert!(worst <= limit, "{name}: {key} differs by {worst:e}: {found}");
        }
        // Files of pixels have 8 bits.
        assert!(found["reconstruction"].as_f64().unwrap() <= 0.5 / 255.0 + LIMIT, "{name}: {found}");
        assert_eq!(found["verdicts"], 0, "{name}: {found}");
    }
    // Thresholds lie between two scores near the median, but for relative ones, which are lower for the images that set them.
    let both = |found: &Value| (1..pictures.len() as u64).contains(&found["anomalous"].as_u64().unwrap());
    let divided = |(case, found): (&Case, &Value)| case.detection.relative_score || both(found);
    assert!(cases().iter().zip(report.as_array().unwrap()).all(divided), "{report}");
}
