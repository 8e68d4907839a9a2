//! `profile --predict`: what it prints, its record, comparisons, and what it refuses. Nothing here needs a GPU, NVRTC or a
//! disassembler.

use serde_json::{Value, json};

use crate::fixture::Scratch;

/// The smallest network.
const SMALL: &str = "profile --predict sm_90a --width 2 --size 16 --batch 2";

/// No compiler and no disassembler, as far as they can be hidden, and no kernels compiled earlier.
const BARE: [(&str, &str); 8] = [
    ("ORTHOSCOPE_NVRTC_DIR", ""),
    ("ORTHOSCOPE_NVDISASM_DIR", ""),
    ("ORTHOSCOPE_CACHE_DIR", "empty"),
    ("PATH", ""),
    ("VIRTUAL_ENV", ""),
    ("CONDA_PREFIX", ""),
    ("CUDA_HOME", ""),
    ("CUDA_PATH", ""),
];

fn bare(scratch: &Scratch, command: &str) -> crate::fixture::Ran {
    let ran = scratch.run_with(command, &BARE);
    assert_eq!(ran.code, 0, "{command}: {}", ran.err);
    ran
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_record_has_rows_by_kernel_layer_and_phase() {
    let scratch = Scratch::new();
    bare(&scratch, &format!("{SMALL} --json a.json --csv a.csv"));
    let record = scratch.json("a.json");
    let rows = record["rows"].as_array().unwrap();
    let sum = |key: &str| rows.iter().map(|row| row[key].as_f64().unwrap()).sum::<f64>();
    for key in ["predicted_ms", "dram_bytes", "floor_ms", "launches", "flops"] {
        let total = record[key].as_f64().unwrap();
        assert!(total > 0.0 && (sum(key) / total - 1.0).abs() < 1e-9, "{key}: {total}");
    }
    for row in rows {
        let (bound, share) = (row["bound"].as_str().unwrap(), row["share_of_bound"].as_f64().unwrap());
        assert!(["dram", "l2", "shared", "issue", "matrix", "fma", "latency", "launch"].contains(&bound), "{row}");
        assert!(share > 0.0 && share <= 1.0 && row["predicted_ms"].as_f64() >= row["floor_ms"].as_f64(), "{row}");
    }
    let has = |kernel: &str, layer: &str, phase: &str| {
        rows.iter().any(|row| row["kernel"] == kernel && row["layer"] == layer && row["phase"] == phase)
    };
    for (kernel, layer, phase) in [
        ("adam", "", "optimiser"),
        ("ccm_mix", "ccm1", "forward"),
        ("conv2d_few_outputs_input_grad", "e1.1", "input_gradient"),
        ("sum_splits", "e1.1", "weight_gradient"),
        ("(copy)", "e1.0", "input_gradient"),
    ] {
        assert!(has(kernel, layer, phase), "{kernel} {layer} {phase}");
    }
    let table = String::from_utf8(scratch.read("a.csv")).unwrap();
    assert!(table.starts_with("kernel,operation,layer,phase,launches,predicted ms,bound,share of bound,"), "{table}");
    assert_eq!(table.lines().count(), 1 + rows.len());
    let printed: Value = serde_json::from_str(&bare(&scratch, &format!("{SMALL} --json -")).out).unwrap();
    assert_eq!(printed["predicted_ms"], record["predicted_ms"], "predictions are exact");
}

/// Some blocks of each launch run on the emulator, if the program has it.
#[test]
fn accesses_are_counted_where_the_emulator_is_compiled_in() {
    let scratch = Scratch::new();
    let command = "profile --predict sm_90a --precision bf16 --width 8 --size 16 --batch 2";
    let out = flat(&bare(&scratch, &format!("{command} --json a.json --csv a.csv")).out);
    let record = scratch.json("a.json");
    let rows = record["rows"].as_array().unwrap();
    let counted: Vec<&Value> = rows.iter().filter(|row| !row["counts"].is_null()).collect();
    let heading = String::from_utf8(scratch.read("a.csv")).unwrap().lines().next().unwrap().to_owned();
    assert!(heading.ends_with(",sectors,ideal sectors,wavefronts,least wavefronts,matrix products"), "{heading}");
    if !cfg!(feature = "emulator") {
        assert!(counted.is_empty() && out.contains("because the program was built without `--features emulator`"), "{out}");
        return;
    }
    let without: Vec<_> = rows.iter().filter(|row| row["counts"].is_null()).map(|row| row["kernel"].as_str().unwrap()).collect();
    assert!(without.iter().all(|kernel| kernel.starts_with('(')), "{without:?} were not counted: {out}");
    assert!(out.contains("counted on the emulator") && !out.contains("because of an error"), "{out}");
    let number = |row: &Value, key: &str| row["counts"][key].as_u64().unwrap();
    for row in &counted {
        assert!(number(row, "sectors") >= number(row, "ideal_sectors") && number(row, "requests") > 0, "{row}");
        assert!(number(row, "wavefronts") >= number(row, "least_wavefronts"), "{row}");
    }
    let products = |kernel: &str| {
        counted.iter().filter(|row| row["kernel"] == kernel).map(|row| number(row, "matrix_products")).sum::<u64>()
    };
    assert!(products("conv3x3_bf16") > 0 && products("adam") == 0);
    let again = bare(&scratch, &format!("{command} --json -")).out;
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["rows"], record["rows"], "counts are exact");
}

#[test]
fn the_table_fits_and_says_what_is_assumed_and_left_out() {
    let scratch = Scratch::new();
    for by in ["kernel", "layer", "phase", "row"] {
        let out = bare(&scratch, &format!("{SMALL} --by {by} --precision bf16")).out;
        assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
        let words = flat(&out);
        for part in
            ["predicted, not measured: a training step of Model II w=2 in bf16", "assumed: 132 multiprocessors", "left out: "]
        {
            assert!(words.contains(part), "{part}: {out}");
        }
        // Without a disassembler this is said; one on the path of this machine cannot be hidden.
        let of_code =
            if cfg!(feature = "emulator") { "issue slots and latency" } else { "issue slots, shared memory, L2 and latency" };
        let hidden = format!("instruction mix, hot loops, {of_code}, because no nvdisasm was found");
        let nothing = format!("code, registers, occupancy, {of_code}, because there is no NVRTC");
        assert!(words.contains(&hidden) || words.contains(&nothing) || words.contains("disassembled by /usr/local"), "{out}");
    }
    let inferred = flat(&bare(&scratch, &format!("{SMALL} --phase infer --by phase")).out);
    assert!(inferred.contains("inference of Model II") && !inferred.contains("optimiser"), "{inferred}");
    bare(&scratch, &format!("{SMALL} --json a.json"));
    let shown = bare(&scratch, "profile --from a.json --by layer --csv b.csv").out;
    assert!(shown.contains("e1.1") && shown.contains("predicted, not measured"), "{shown}");
    let sentence = scratch.refuses("profile --from a.json --roofline a.svg");
    assert_eq!(sentence, "a.json is a prediction, which has --csv only");
}

#[test]
fn more_work_takes_longer() {
    let scratch = Scratch::new();
    let ms = |options: &str| {
        let out = bare(&scratch, &format!("profile --predict sm_90a --size 64 --width 8 {options} --json -")).out;
        serde_json::from_str::<Value>(&out).unwrap()["predicted_ms"].as_f64().unwrap()
    };
    let (small, large, inference) = (ms("--batch 8"), ms("--batch 64"), ms("--batch 8 --phase infer"));
    assert!(small < large && inference < small, "{inference} {small} {large}");
}

#[test]
fn two_predictions_are_compared_and_other_work_is_refused() {
    let scratch = Scratch::new();
    bare(&scratch, &format!("{SMALL} --json a.json"));
    bare(&scratch, &format!("{SMALL} --precision bf16 --json b.json"));
    bare(&scratch, "profile --predict sm_90a --width 4 --size 16 --batch 2 --json c.json");
    let out = scratch.succeeds("profile --diff a.json b.json").out;
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    for part in ["whole step", "conv3x3_bf16", "A: orthoscope ", "B: orthoscope "] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(scratch.refuses("profile --diff a.json c.json"), "these cannot be compared: width is 2 and 4");
    scratch.succeeds("profile --width 2 --size 16 --batch 2 --steps 2 --warmup 0 --device cpu --json m.json");
    for (sides, predicted, measured) in [("a.json m.json", "a.json", "m.json"), ("m.json a.json", "a.json", "m.json")] {
        let sentence = scratch.refuses(&format!("profile --diff {sides}"));
        assert_eq!(sentence, format!("{predicted} is predicted and {measured} measured: these cannot be compared"));
    }
    let sentence = scratch.refuses("profile --diff a.json,b.json b.json");
    assert!(sentence.starts_with("a side of a comparison has one prediction"), "{sentence}");
    scratch.write("d.json", json!({ "predicted_ms": 1.0 }).to_string());
    assert!(scratch.refuses("profile --from d.json").starts_with("d.json: is a damaged prediction, or of another version"));
}

#[test]
fn unknown_architectures_are_refused_with_the_nearest() {
    let scratch = Scratch::new();
    let message = scratch.misused("profile --predict SM90A");
    assert!(message.contains("there is no architecture `SM90A`; did you mean sm_90a? known are sm_80, "), "{message}");
    for (options, reason) in [
        ("--predict sm_90a --steps 3", "cannot be used with"),
        ("--predict sm_90a --device cpu", "cannot be used with"),
        ("--predict sm_90a --trace t.json", "cannot be used with"),
        ("--predict sm_90a --roofline r.svg", "cannot be used with"),
        ("--predict sm_90a --diff a.json b.json", "cannot be used with"),
        ("--peaks p.json", "--predict"),
        ("--predict sm_90a --by colour", "must be kernel, layer, phase or row"),
    ] {
        let message = scratch.misused(&format!("profile {options}"));
        assert!(message.contains(reason), "{options}: {message}");
    }
}

#[test]
fn measured_peaks_are_used_checked_and_named() {
    let scratch = Scratch::new();
    let peaks = |device: &str, more: Value| {
        let mut peaks = json!({ "device": device, "date": "2026-11-26", "dram_gb_s": 1500.0 });
        peaks.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        peaks.to_string()
    };
    scratch.write("p.json", peaks("NVIDIA H100 80GB HBM3", json!({})));
    let wide = "profile --predict sm_90a --size 64 --width 16 --batch 32";
    let ms = |options: &str| {
        let out = bare(&scratch, &format!("{wide} {options} --json -")).out;
        serde_json::from_str::<Value>(&out).unwrap()["predicted_ms"].as_f64().unwrap()
    };
    assert!(ms("--peaks p.json") > ms(""), "half of the bandwidth takes longer");
    let out = flat(&bare(&scratch, &format!("{SMALL} --peaks p.json")).out);
    assert!(out.contains("measured on NVIDIA H100 80GB HBM3 on 2026-11-26: dram_gb_s; others are assumed"), "{out}");
    scratch.write("old.json", peaks("NVIDIA H100 80GB HBM3", json!({ "version": "0.0.1", "sms": 132 })));
    let old = scratch.run_with(&format!("{SMALL} --peaks old.json"), &BARE);
    assert!(flat(&old.out).contains("note: the peaks were measured by orthoscope 0.0.1, this is "), "{}", old.out);
    assert_eq!(old.err, "warning: old.json has an unknown field sms\n");
    for (name, text, reason) in [
        ("other.json", peaks("NVIDIA A100-SXM4-80GB", json!({})), "which has compute capability 8.0; sm_90a has 9.0"),
        ("unit.json", peaks("NVIDIA H100", json!({ "l2_gb_s": 5.5 })), "the measured rate of L2 is more than 10 times away"),
        ("negative.json", peaks("NVIDIA H100", json!({ "launch_us": -1 })), "launch_us must be positive, got -1"),
        ("date.json", peaks("NVIDIA H100", json!({ "date": "today" })), "its date must be a day such as"),
        ("text.json", "nothing".to_owned(), "is not a file of measured peaks"),
    ] {
        scratch.write(name, text);
        let sentence = scratch.refuses(&format!("{SMALL} --peaks {name}"));
        assert!(sentence.starts_with(&format!("{name}: ")) && sentence.contains(reason), "{sentence}");
    }
    assert_eq!(scratch.refuses(&format!("{SMALL} --peaks none.json")), "none.json: no such file");
}

#[test]
fn compiled_kernels_of_another_version_are_refused() {
    let scratch = Scratch::new();
    let entry = json!({ "arch": "sm_90a", "file": "conv2d.cu", "nvrtc": "13.0", "sources": "0", "cubin": "0", "kernels": [] });
    scratch.write("kernels/kernels.json", json!({ "images": [entry] }).to_string());
    let ran = scratch.run_with(SMALL, &[&BARE[..], &[("ORTHOSCOPE_KERNELS_DIR", "kernels")]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("conv2d.cubin: was compiled from other sources than this program has"), "{}", ran.err);
}
