use std::path::Path;

use orthoscope::backend::Cpu;
use orthoscope::backend::cuda::compiler::Arch;
use orthoscope::profile::predict::{Calibration, Hardware, Prediction, compare_predictions, unequal_knowledge};
use orthoscope::profile::{KernelRecord, Profile, compare, compare_kernels, doubt, foreign, trace};
use orthoscope::report::figures::{Ablation, Inputs, Name, draw};
use orthoscope::report::prediction::By;
use orthoscope::report::roofline::roofline;
use orthoscope::report::{kernels, prediction, profile};
use serde_json::{Value, json};

use super::{Loader, Read, Verdict, ensure, must, of_file, refused, screen};
use crate::fuzz::campaign::run;

/// A record of this repository.
const RECORD: &str = include_str!("../../../paper/results/profile/infer_model2_w32_128px_batch4.json");

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap()
}

/// The first rows of the record, and the same with a kernel, as on a GPU.
fn records() -> Vec<Vec<u8>> {
    let mut record: Value = serde_json::from_str(RECORD).unwrap();
    let rows = record["rows"].as_array().unwrap()[..3].to_vec();
    let mut kernel = rows[0].clone();
    let launch = json!({ "kernel": "conv2d_tiled", "grid": [4, 2, 1], "block": [256, 1, 1], "dynamic_shared": 2048, "static_shared": 64, "registers": 80 });
    kernel.as_object_mut().unwrap().extend(launch.as_object().unwrap().clone());
    record["rows"] = rows.into();
    let plain = record.clone();
    record["device"] = "cuda (NVIDIA H100)".into();
    record["kernels"] = json!([kernel]);
    record["notes"] = json!(["a sentence"]);
    vec![pretty(&plain), pretty(&record)]
}

/// Everything that the program draws of a record. It may fail in one sentence, and must not panic.
fn draw_record(record: &Profile, other: &Profile) -> Result<(), String> {
    for rows in [1, 25] {
        drop(profile::table(record, rows, screen()));
        drop(profile::kernel_table(record, rows, screen()));
    }
    drop(profile::sentences(record, screen()));
    must("the table", profile::csv(record))?;
    must("the table of kernels", profile::kernel_csv(record))?;
    drop(roofline(record));
    drop(trace(record, &[], None));
    drop((foreign(record), doubt([record, other])));
    let sides = [[record.clone()], [other.clone()]];
    for [a, b] in [[0, 1], [1, 0], [0, 0]] {
        if let Ok(rows) = compare(&sides[a], &sides[b]) {
            drop(profile::comparison([&sides[a], &sides[b]], &rows, 25, screen()));
        }
    }
    Ok(())
}

/// Written and read again, as JSON, because numbers that are equal may be written in several ways.
fn check_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> Result<(), String> {
    let text = must("writing", serde_json::to_string(value))?;
    let again: T = must("reading", serde_json::from_str(&text))?;
    ensure(must("writing", serde_json::to_string(&again))? == text, "not the same when it is written and read again")
}

#[test]
fn profile_record() {
    let corpus = records();
    let other: Profile = serde_json::from_slice(&corpus[0]).unwrap();
    run(&Loader {
        name: "profile_record",
        file: "p.json",
        corpus,
        memory: of_file,
        check: Box::new(move |path| match Profile::read(path) {
            Err(error) => refused(&error),
            Ok(record) => {
                check_json(&record)?;
                draw_record(&record, &other).map(|()| Read::Accepted)
            }
        }),
    });
}

/// Found by the fuzzer: sums over the rows of a record overflowed.
#[test]
fn absurd_counts_of_a_record_are_drawn() {
    let mut record: Profile = serde_json::from_slice(&records()[1]).unwrap();
    for row in record.rows.iter_mut().chain(record.kernels.iter_mut().map(|kernel| &mut kernel.row)) {
        row.measure.launches = usize::MAX;
        row.measure.work.flops = u64::MAX;
    }
    record.kernels.push(record.kernels[0].clone());
    draw_record(&record, &record).unwrap();
    // With one row in the table, the others are summed up.
    drop((profile::table(&record, 1, screen()), profile::kernel_table(&record, 1, screen())));
}

fn predictions() -> Vec<Vec<u8>> {
    let hardware = Hardware::of(Arch::named("sm_90a").unwrap()).unwrap();
    let times = json!({ "dram": 0.25, "l2": 0.125, "shared": 0.0, "issue": 0.01, "matrix": 0.0, "fma": 0.2, "latency": 0.003, "launch": 0.001 });
    let counts = json!({ "sectors": 64, "ideal_sectors": 32, "copied_sectors": 0, "stored_sectors": 8, "requests": 4, "wavefronts": 9,
        "least_wavefronts": 8, "matrix_products": 2 });
    let row = |kernel: &str, layer: &str, counts: Value| {
        json!({ "kernel": kernel, "op": "conv2d", "layer": layer, "phase": "forward", "launches": 2, "predicted_ms": 0.5, "bound": "dram",
            "share_of_bound": 0.5, "floor_ms": 0.25, "dram_bytes": 4096.0, "flops": 8192, "times_ms": times, "counts": counts })
    };
    let kernel = json!({ "kernel": "conv2d_tiled", "file": "conv2d.cu", "threads": 256, "code_bytes": 4096, "registers": 64, "shared_bytes": 1024,
        "spills": 0, "stack": 0, "occupancy": 0.5, "resident_blocks": 4, "limiter": "registers", "code": null });
    let settings =
        json!({ "task": "infer", "model": 2, "width": 8, "size": 32, "batch": 4, "steps": 20, "warmup": 3, "seed": 0 });
    let rows = [row("conv2d_tiled", "e1.0", counts.clone()), row("conv2d_tiled", "e2.0", counts), row("(copy)", "", Value::Null)];
    let whole = json!({ "predicted_ms": 1.5, "floor_ms": 0.75, "images_per_second": 2666.0, "dram_bytes": 12288.0, "flops": 24576, "launches": 6,
        "memory_bytes": 65536, "version": "0.1.0 commit 123456789abc", "arch": "sm_90a", "precision": "f32", "settings": settings,
        "hardware": hardware, "calibration": null, "compiler": "13.0", "disassembler": null, "left_out": ["a clause"], "notes": [],
        "rows": rows, "kernels": [kernel] });
    vec![pretty(&whole)]
}

fn draw_prediction(own: &Prediction, other: &Prediction) -> Result<(), String> {
    for by in [By::Kernel, By::Layer, By::Phase, By::Row] {
        drop((prediction::table(own, by, 1, screen()), prediction::table(own, by, 25, screen())));
    }
    drop(prediction::kernels(own, 25, screen()));
    drop(prediction::sentences(own, screen()));
    must("the table", prediction::csv(own))?;
    for sides in [[own, other], [other, own]] {
        drop(unequal_knowledge(sides[0], sides[1]));
        if let Ok(changes) = compare_predictions(sides[0], sides[1]) {
            drop(prediction::comparison(sides, &changes, 25, screen()));
        }
    }
    Ok(())
}

#[test]
fn prediction_record() {
    let corpus = predictions();
    let other: Prediction = serde_json::from_slice(&corpus[0]).unwrap();
    run(&Loader {
        name: "prediction_record",
        file: "p.json",
        corpus,
        memory: of_file,
        check: Box::new(move |path| match Prediction::read(path) {
            Err(error) => refused(&error),
            Ok(None) => Ok(Read::Ignored),
            Ok(Some(own)) => {
                check_json(&own)?;
                draw_prediction(&own, &other).map(|()| Read::Accepted)
            }
        }),
    });
}

fn listings() -> Vec<Vec<u8>> {
    let kernel = |name: &str, arch: &str, limiter: &str| {
        json!({ "name": name, "arch": arch, "file": "a.cu", "threads": 256, "registers": 64, "shared_bytes": 1024, "spill_stores": 0,
            "spill_loads": 4, "stack": 0, "occupancy": 0.5, "resident_blocks": 4, "limiter": limiter, "code_bytes": 4096, "flops": "2 len",
            "bytes": "8 len" })
    };
    let kernels = [kernel("add", "sm_80", "threads"), kernel("pool", "sm_80", "shared"), kernel("add", "sm_90a", "registers")];
    vec![pretty(&json!({ "schema": 1, "version": "0.1.0 commit 123456789abc", "nvrtc": "13.0", "kernels": kernels }))]
}

/// Found on the way: their sum overflowed.
#[test]
fn absurd_spills_of_a_kernel_are_drawn() {
    let mut record: KernelRecord = serde_json::from_slice(&listings()[0]).unwrap();
    record.kernels[0].spill_stores = u32::MAX;
    drop(kernels::table(&record, screen()));
}

#[test]
fn kernel_record() {
    let corpus = listings();
    let other: KernelRecord = serde_json::from_slice(&corpus[0]).unwrap();
    run(&Loader {
        name: "kernel_record",
        file: "k.json",
        corpus,
        memory: of_file,
        check: Box::new(move |path| match KernelRecord::read(path) {
            Err(error) => refused(&error),
            Ok(record) => {
                check_json(&record)?;
                drop(kernels::table(&record, screen()));
                for sides in [[&record, &other], [&other, &record]] {
                    if let Ok(found) = compare_kernels(sides[0], sides[1]) {
                        drop(kernels::comparison(sides, &found, screen()));
                    }
                }
                drop(record.known_archs());
                Ok(Read::Accepted)
            }
        }),
    });
}

#[test]
fn measured_peaks() {
    let whole = json!({ "device": "NVIDIA H100 80GB HBM3", "date": "2026-11-26", "version": "0.1.0", "multiprocessors": 132, "dram_gb_s": 3100.0,
        "l2_gb_s": 5500.0, "ffma_tflop_s": 60.0, "mma_bf16_tflop_s": 620.0, "launch_us": 2.0, "graph_launch_us": 1.0, "clock_mhz": 1755.0 });
    let arch = Arch::named("sm_90a").unwrap();
    let assumed = Hardware::of(arch).unwrap();
    run(&Loader {
        name: "measured_peaks",
        file: "peaks.json",
        corpus: vec![pretty(&whole), pretty(&json!({ "device": "a", "date": "2026-11-26" }))],
        memory: of_file,
        check: Box::new(move |path| match Calibration::read(path) {
            Err(error) => refused(&error),
            Ok((own, _)) => {
                check_json(&own)?;
                if let Ok((hardware, _)) = own.apply(arch, &assumed, "0.1.0") {
                    check_json(&hardware)?;
                }
                Ok(Read::Accepted)
            }
        }),
    });
}

fn ablations() -> Vec<Vec<u8>> {
    let quality = |value: f64| json!({ "image_auroc": value, "pixel_auroc": 0.9, "au_pro": 0.7 });
    let row = |variant: &str, category: &str, seed: u64| json!({ "variant": variant, "score": "own", "category": category, "seed": seed, "test": quality(0.8), "validation": quality(0.75) });
    let rows = [row("base", "cloth", 0), row("base", "cloth", 1), row("wide", "cloth", 0), row("wide", "wood", 0)];
    vec![pretty(&json!({ "date": "2026-01-01", "rows": rows }))]
}

fn check_ablation(path: &Path) -> Verdict {
    let ablation = match Ablation::read(path) {
        Ok(ablation) => ablation,
        Err(error) => return refused(&error),
    };
    let inputs = Inputs::<Cpu> {
        networks: Vec::new(),
        test: Err(String::new()),
        training_set: Err(String::new()),
        log: Err(String::new()),
        ablation: Ok(ablation),
    };
    let drawings = must("drawing", draw(Name::Ablation, &inputs))?;
    ensure(drawings.is_ok(), "no figure of the ablation")?;
    Ok(Read::Accepted)
}

#[test]
fn ablation() {
    run(&Loader { name: "ablation", file: "a.json", corpus: ablations(), memory: of_file, check: Box::new(check_ablation) });
}
