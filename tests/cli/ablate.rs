//! `benches/ablate.py`, the driver of the ablations, on a plan of two variants.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fixture::{CONFIG, Ran, Scratch, told};

const PLAN: &str = r#"
base = "c.toml"
own = "own"
categories = ["cloth"]
seeds = [0]

[variants.plain]
[variants.even]
objective.lambda = 0.25

[scores.sum]
detection.score = "sum"
"#;

/// A folder with the plan `plan.toml`.
fn planned() -> Scratch {
    let scratch = Scratch::new();
    scratch
        .write("c.toml", CONFIG.replace("[data]\nsize = 32", "[detection]\nscore = \"max\"\n[data]\nsize = 64\nheld_out = 0.4"));
    std::fs::remove_dir_all(scratch.path("cloth")).unwrap();
    scratch.succeeds("data generate --out . --family cloth --size 64 --train 6 --good 2 --defects 1");
    std::fs::create_dir(scratch.path("own")).unwrap();
    scratch.write("plan.toml", PLAN);
    scratch
}

fn driven(scratch: &Scratch, arguments: &str) -> Ran {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ablate.py");
    let mut command = Command::new("python3");
    command.arg(driver).args(["plan.toml", "--data", ".", "--out", "runs", "--program", env!("CARGO_BIN_EXE_orthoscope")]);
    told(command.args(arguments.split_whitespace()).current_dir(scratch.path("")).env_remove("RUST_LOG").output().unwrap())
}

#[test]
fn every_variant_is_trained_and_judged_by_every_score_on_both_sets() {
    let scratch = planned();
    let ran = driven(&scratch, "--json record.json");
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    let record = scratch.json("record.json");
    let rows = record["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| (row["variant"].as_str().unwrap(), row["score"].as_str().unwrap())).collect();
    assert_eq!(names, [("plain", "own"), ("plain", "sum"), ("even", "own"), ("even", "sum")]);
    for row in rows {
        for images in ["validation", "test"] {
            assert!(row[images]["image_auroc"].is_f64() && row[images]["pixel_auroc"].is_f64(), "{row}");
            assert!(row["protocol"][images].as_str().unwrap().contains(" commit "), "{row}");
        }
    }
    assert_eq!(rows[0]["validation"]["image_auroc_max"], rows[1]["validation"]["image_auroc_max"], "the same weights");
    assert!(!scratch.path("runs/plain/cloth/seed-0/own/validation/test").exists(), "the images are gone");
    // Again: nothing is made, and the record is the same.
    let model = scratch.read("runs/even/cloth/seed-0/model.safetensors");
    assert_eq!(driven(&scratch, "--json again.json").code, 0);
    assert_eq!(scratch.json("again.json")["rows"], record["rows"]);
    assert!(scratch.read("runs/even/cloth/seed-0/model.safetensors") == model);
    // Rows of runs that this folder does not have stay in the record, unless their config has changed.
    std::fs::remove_dir_all(scratch.path("runs/even")).unwrap();
    assert_eq!(driven(&scratch, "--record-only --json record.json").code, 0);
    assert_eq!(scratch.json("record.json")["rows"], record["rows"]);
    scratch.write("plan.toml", PLAN.replace("0.25", "0.3"));
    assert_eq!(driven(&scratch, "--record-only --json record.json").code, 0);
    assert_eq!(scratch.json("record.json")["rows"].as_array().unwrap().len(), 2);
}

#[test]
fn changed_runs_are_left_out_and_a_broken_plan_is_named() {
    let scratch = planned();
    scratch.write("plan.toml", PLAN.replace("[variants.even]\nobjective.lambda = 0.25\n", "[variants.even]  # later\n"));
    assert_eq!(driven(&scratch, "").code, 0);
    let variants = |ran: &Ran| -> Vec<Value> {
        assert_eq!(ran.code, 1, "{} {}", ran.out, ran.err);
        scratch.json("record.json")["rows"].as_array().unwrap().iter().map(|row| row["variant"].clone()).collect()
    };
    scratch.write("plan.toml", PLAN);
    let before = scratch.read("runs/even/cloth/seed-0/overrides.toml");
    let ran = driven(&scratch, "--record-only --json record.json");
    assert_eq!(variants(&ran), ["plain", "plain"]);
    assert!(ran.out.contains("left out even, cloth, seed 0: ") && ran.out.contains("differs from the plan now"), "{}", ran.out);
    assert!(scratch.read("runs/even/cloth/seed-0/overrides.toml") == before, "recording writes nothing");
    for (text, words) in [("base = [", "plan.toml"), ("seeds = [0]", "base")] {
        scratch.write("plan.toml", text);
        let ran = driven(&scratch, "");
        assert!(ran.code == 1 && ran.err.lines().count() == 1 && ran.err.contains(words), "{}", ran.err);
    }
}

#[test]
fn a_variant_names_its_precision() {
    let scratch = planned();
    let rounded = PLAN.replace("[variants.even]\nobjective.lambda = 0.25\n", "[variants.even]\nprecision = \"bf16\"\n");
    scratch.write("plan.toml", &rounded);
    assert_eq!(driven(&scratch, "--json record.json").code, 0);
    let record = scratch.json("record.json");
    assert_eq!(record["variants"]["even"], "precision = \"bf16\"\n");
    let loss = |row: usize| record["rows"][row]["test"]["image_auroc_max"].as_f64().unwrap();
    let [plain, even] = ["plain", "even"].map(|variant| scratch.read(format!("runs/{variant}/cloth/seed-0/model.safetensors")));
    assert!(plain != even && loss(0).is_finite() && loss(2).is_finite(), "the weights have seen the rounding");
    // A folder that was trained in another precision is not taken for the variant.
    scratch.write("plan.toml", rounded.replace("bf16", "f32"));
    let ran = driven(&scratch, "--record-only --json record.json");
    assert!(ran.code == 1 && ran.out.contains("left out even, cloth, seed 0: "), "{} {}", ran.out, ran.err);
    scratch.write("plan.toml", rounded.replace("bf16", "f16"));
    let ran = driven(&scratch, "");
    assert!(ran.code == 1 && ran.err.contains("`variants.even.precision`") && ran.err.contains("f32 or bf16"), "{}", ran.err);
}
