//! `profile`: what it prints, what it writes, what it refuses.

use serde_json::Value;

use crate::fixture::Scratch;

/// The smallest network, a few steps.
const SMALL: &str = "profile --width 2 --size 16 --batch 2 --steps 3 --warmup 1 --device cpu";

#[test]
fn the_table_has_every_operation_and_whole_steps_are_told() {
    let scratch = Scratch::new();
    let out = scratch.succeeds(&format!("{SMALL} --rows 1000")).out;
    for words in ["conv2d", "e1.0", "weight grad", "sdc.3", "ccm1", "adam", "% of peak"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(out.contains("images/s") && out.contains("changes no bit") && out.contains("peaks measured on"), "{out}");
    assert!(out.contains("takes 10 steps or more to tell"), "three steps cannot: {out}");
    let few = scratch.succeeds(&format!("{SMALL} --rows 2")).out;
    assert!(few.contains(" others") && few.lines().count() < 14, "{few}");
}

#[test]
fn files_hold_the_same_rows() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --phase train --model 1 --json a.json --csv a.csv --roofline a.svg --trace a.trace.json"));
    let profile = scratch.json("a.json");
    for key in ["images_per_second", "step_ms", "rows", "overhead_percent", "same_bits", "peaks", "settings", "device"] {
        assert!(!profile[key].is_null(), "{key}");
    }
    let rows = profile["rows"].as_array().unwrap();
    let table = String::from_utf8(scratch.read("a.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + rows.len());
    assert!(table.starts_with("operation,layer,phase,calls,median ms"), "{table}");
    assert!(scratch.read("a.svg").starts_with(b"<svg "));
    let events = scratch.json("a.trace.json");
    let events = events["traceEvents"].as_array().unwrap();
    let on =
        |track: u64| events.iter().filter(|event| event["ph"] == "X" && event["tid"] == track && event["cat"] != "step").count();
    let calls: u64 = rows.iter().map(|row| row["launches"].as_u64().unwrap()).sum();
    assert_eq!((on(1) as u64, on(2) as u64), (3 * calls, 3 * calls));
}

#[test]
fn json_alone_on_standard_output() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds(&format!("{SMALL} --phase infer --json -"));
    let profile: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(profile["settings"]["task"], "infer");
    assert!(profile["rows"].as_array().unwrap().iter().all(|row| row["phase"] != "optimiser"));
}

#[test]
fn two_results_are_compared_only_if_they_are_of_the_same_work() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    scratch.succeeds(&format!("{SMALL} --json b.json"));
    scratch.succeeds("profile --width 4 --size 16 --batch 1 --steps 2 --warmup 0 --device cpu --json c.json");
    let table = scratch.succeeds("profile --diff a.json b.json").out;
    assert!(table.contains("whole step") && table.contains("B / A") && table.contains("noise"), "{table}");
    let refused = scratch.run("profile --diff a.json c.json");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("width is 2 and 4; batch is 2 and 1"), "{}", refused.err);
    scratch.write("d.json", "{}");
    assert!(scratch.run("profile --diff a.json d.json").err.contains("d.json: is no result of profile"));
    assert!(scratch.run("profile --diff a.json none.json").err.contains("none.json"));
}

#[test]
fn places_that_cannot_be_written_are_refused_before_anything_is_measured() {
    let scratch = Scratch::new();
    scratch.write("folder/file", "");
    for option in ["--trace", "--json", "--csv", "--roofline"] {
        for path in ["folder", "none/here.json", "folder/file/deeper"] {
            let ran = scratch.run(&format!("{SMALL} {option} {path}"));
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{option} {path}: {}", ran.err);
            assert!(ran.err.contains(path), "{}", ran.err);
        }
    }
}

#[test]
fn wrong_usage_is_named() {
    let scratch = Scratch::new();
    for (options, reason) in [
        ("--phase sleep", "a phase is train or infer"),
        ("--threads 0", "0 is not in 1..=1024"),
        ("--diff a.json", "2 values required"),
        ("--diff a.json b.json --trace t.json", "cannot be used with"),
    ] {
        let message = scratch.misused(&format!("profile {options}"));
        assert!(message.contains(reason), "{options}: {message}");
    }
    let settings = |width: u8, size: u8, steps: u8, model: u8| {
        format!("profile --device cpu --batch 1 --width {width} --size {size} --steps {steps} --model {model}")
    };
    for (command, reason) in [
        (settings(2, 16, 1, 3), "3"),
        (settings(2, 16, 0, 2), "steps must be at least 1"),
        (settings(2, 20, 1, 2), "20"),
        (settings(0, 16, 1, 2), "0"),
    ] {
        let ran = scratch.run(&command);
        assert!(ran.code == 1 && ran.err.contains(reason), "{command}: {}", ran.err);
    }
}

#[cfg(feature = "emulator")]
#[test]
fn kernels_are_timed_on_the_emulator_too() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("profile --width 2 --size 8 --batch 1 --steps 1 --warmup 0 --device emulator --json -");
    let profile: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(profile["same_bits"], true);
    assert!(profile["rows"].as_array().unwrap().iter().any(|row| row["op"] == "corruption" && row["phase"] == "data"));
}
