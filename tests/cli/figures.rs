//! `figures`: which files are written, what is skipped and why, and errors.

use std::{fs, path::Path};

use crate::fixture::Scratch;

const MODEL: &str = "--model run/model.safetensors --data cloth";
const PANELS: [&str; 6] =
    ["corruption.png", "defects.png", "detection.png", "false_alarms.png", "misses.png", "reconstructions.png"];
const CHARTS: [&str; 6] = ["network_model_2.svg", "pro.svg", "roc.svg", "scores.svg", "training_loss.svg", "training_rate.svg"];

fn record(rows: &str) -> String {
    format!(r#"{{"date": "2026-01-01", "rows": [{rows}]}}"#)
}

fn row(variant: &str, value: f64) -> String {
    let quality = format!(r#"{{"image_auroc": {value}, "pixel_auroc": 0.9, "au_pro": 0.7}}"#);
    format!(
        r#"{{"variant": "{variant}", "score": "own", "category": "cloth", "seed": 0, "test": {quality}, "validation": {quality}}}"#
    )
}

#[test]
fn everything_that_has_its_input_is_drawn() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds(&format!("figures --out drawn {MODEL}"));
    let mut expected = [PANELS, CHARTS].concat();
    expected.extend(["figures.json", "index.html"]);
    expected.sort_unstable();
    assert_eq!(scratch.names("drawn"), expected);
    assert_eq!(ran.err, "skipped ablation: it needs --ablation\n");
    for file in PANELS.iter().chain(&CHARTS) {
        assert!(ran.out.contains(&format!("wrote drawn/{file}\n")), "{}", ran.out);
    }
    let list = scratch.json("drawn/figures.json");
    let figures = list["figures"].as_array().unwrap();
    assert_eq!(figures.len(), PANELS.len() + CHARTS.len());
    let defects = &figures[0];
    assert_eq!((defects["name"].as_str(), defects["file"].as_str()), (Some("defects"), Some("defects.png")));
    assert_eq!(defects["images"].as_array().unwrap().len(), 5, "one image of each kind of defect");
    assert!(defects["caption"].as_str().unwrap().contains("the image with the median image score is shown"));
    assert_eq!(list["skipped"], serde_json::json!([{"name": "ablation", "reason": "it needs --ablation"}]));
    assert!(list["protocol"].as_str().unwrap().contains("category cloth"));
    let page = String::from_utf8(scratch.read("drawn/index.html")).unwrap();
    assert!(PANELS.iter().chain(&CHARTS).all(|file| page.contains(&format!("src=\"{file}\""))) && !page.contains("http"));
}

#[test]
fn the_curves_are_those_of_the_metrics() {
    let scratch = Scratch::new();
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new");
    scratch.succeeds(&format!("figures --out drawn --only roc,pro {MODEL}"));
    let metrics = scratch.json("new/metrics.json");
    for (file, label, key) in [("roc", "pixel AUROC", "pixel_auroc"), ("pro", "AU-PRO", "au_pro")] {
        let svg = String::from_utf8(scratch.read(format!("drawn/{file}.svg"))).unwrap();
        let text = format!(">{label} {:.3}</text>", metrics[key].as_f64().unwrap());
        assert!(svg.contains(&text), "{text} is not in {file}.svg");
    }
}

#[test]
fn the_same_command_writes_the_same_bytes() {
    let scratch = Scratch::new();
    let read = |out: &str| {
        scratch.succeeds(&format!("figures --out {out} {MODEL} --pick first"));
        scratch.names(out).into_iter().map(|name| scratch.read(format!("{out}/{name}"))).collect::<Vec<_>>()
    };
    assert!(read("one") == read("two"));
    let list = scratch.json("one/figures.json");
    let images = list["figures"][0]["images"].as_array().unwrap();
    assert!(images.iter().all(|image| image.as_str().unwrap().ends_with("/000.png")), "{images:?}");
}

#[test]
fn networks_need_no_model_and_an_ablation_only_its_record() {
    let scratch = Scratch::new();
    scratch.write("ablation.json", record(&[row("base", 0.8), row("wide", 0.9)].join(",")));
    let ran = scratch.succeeds("figures --out drawn --only network,ablation --ablation ablation.json");
    assert!(ran.err.is_empty(), "{}", ran.err);
    let names = scratch.names("drawn");
    assert!(names.contains(&"network_model_1.svg".into()) && names.contains(&"ablation_pixel_auroc.svg".into()), "{names:?}");
    let svg = String::from_utf8(scratch.read("drawn/ablation_image_auroc.svg")).unwrap();
    assert!(svg.contains("0.900, 1 seed"));
}

#[test]
fn a_figure_that_was_asked_for_and_lacks_its_input_is_an_error() {
    let scratch = Scratch::new();
    std::fs::remove_file(scratch.path("run/log.jsonl")).unwrap();
    std::fs::remove_file(scratch.path("run/config.toml")).unwrap();
    for (arguments, words) in [
        (
            "--only roc",
            "the figure `roc` cannot be drawn: it needs --model and --data, or --model, --normal, --abnormal and --masks",
        ),
        ("--only network,ablation", "the figure `ablation` cannot be drawn: it needs --ablation"),
        ("--only corruption", "the figure `corruption` cannot be drawn: it needs --data or --normal"),
        (&format!("--only training {MODEL}"), "the figure `training` cannot be drawn: run/log.jsonl has no steps"),
        (&format!("--only corruption {MODEL}"), "there is no run/config.toml in the folder of the model; --config gives one"),
    ] {
        let sentence = scratch.refuses(&format!("figures --out drawn {arguments}"));
        assert!(sentence.contains(words), "{sentence}");
    }
    let ran = scratch.succeeds(&format!("figures --out drawn {MODEL}"));
    assert!(ran.err.contains("skipped training: ") && ran.err.contains("skipped corruption: "), "{}", ran.err);
}

#[test]
fn a_figure_that_is_skipped_now_leaves_no_picture_of_the_earlier_run() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("figures --out drawn --only network,training,scores {MODEL}"));
    scratch.write("drawn/training_mine.svg", "mine");
    // Those that are not asked for stay.
    scratch.succeeds("figures --out drawn --only network");
    let drawn = ["figures.json", "index.html", "network_model_1.svg", "network_model_2.svg"];
    let others = ["scores.svg", "training_loss.svg", "training_mine.svg", "training_rate.svg"];
    assert_eq!(scratch.names("drawn"), [drawn, others].concat());
    scratch.succeeds("figures --out drawn");
    assert_eq!(scratch.names("drawn"), [&drawn[..], &["training_mine.svg"]].concat());
}

#[test]
fn a_category_without_defects_has_no_figures_of_a_test() {
    let scratch = Scratch::new();
    std::fs::remove_dir_all(scratch.path("cloth/ground_truth")).unwrap();
    for kind in scratch.names("cloth/test").into_iter().filter(|kind| kind != "good") {
        std::fs::remove_dir_all(scratch.path(format!("cloth/test/{kind}"))).unwrap();
    }
    let ran = scratch.succeeds(&format!("figures --out drawn {MODEL}"));
    assert!(ran.err.contains("skipped roc: cloth: no defect among the 3 test images"), "{}", ran.err);
    std::fs::remove_dir_all(scratch.path("cloth/test")).unwrap();
    let ran = scratch.succeeds(&format!("figures --out drawn {MODEL}"));
    assert!(ran.err.contains("skipped misses: cloth has no folder test"), "{}", ran.err);
}

#[test]
fn without_ground_truth_the_figures_that_need_no_test_are_drawn() {
    let scratch = Scratch::new();
    std::fs::remove_dir_all(scratch.path("cloth/ground_truth")).unwrap();
    let ran = scratch.succeeds(&format!("figures --out drawn {MODEL}"));
    assert!(ran.err.contains("skipped pro: cloth: there is no ground truth"), "{}", ran.err);
    assert!(ran.out.contains("network") && ran.out.contains("corruption"), "{}", ran.out);
}

#[test]
fn bad_records_and_names_are_refused() {
    let scratch = Scratch::new();
    scratch.write("ablation.json", record(""));
    let sentence = scratch.refuses("figures --out drawn --ablation ablation.json");
    assert!(sentence.contains("ablation.json") && sentence.contains("`rows` is empty"), "{sentence}");
    let message = scratch.misused("figures --out drawn --only figure1");
    assert!(message.contains("there is no figure `figure1`; there are defects, "), "{message}");
}

/// So that the reader of records and `benches/ablate.py`, which writes them, cannot drift apart.
#[test]
fn every_committed_record_of_an_ablation_is_drawn() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("paper/ablations");
    let records = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let records: Vec<_> = records.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    assert!(!records.is_empty(), "no record in {}", folder.display());
    for record in records {
        let scratch = Scratch::new();
        scratch.succeeds(&format!("figures --out drawn --only ablation --ablation {}", record.display()));
        assert_eq!(scratch.names("drawn").iter().filter(|name| name.ends_with(".svg")).count(), 6, "{}", record.display());
    }
}
