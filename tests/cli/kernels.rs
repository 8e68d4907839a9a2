//! `kernels --diff`: two records compared, without a compiler.

use serde_json::{Value, json};

use crate::fixture::Scratch;

/// A kernel as `kernels --json` describes it.
fn kernel(name: &str, registers: u32, occupancy: f64, limiter: &str) -> Value {
    json!({
        "name": name, "arch": "sm_90a", "file": "a.cu", "threads": 256, "registers": registers, "shared_bytes": 1024, "spill_stores": 0,
        "spill_loads": 0, "stack": 0, "occupancy": occupancy, "resident_blocks": 4, "limiter": limiter, "code_bytes": 4096,
        "flops": "2 len", "bytes": "8 len",
    })
}

fn record(nvrtc: &str, kernels: &[Value]) -> String {
    json!({ "schema": 1, "version": "0.1.0 commit 123456789abc", "nvrtc": nvrtc, "kernels": kernels }).to_string()
}

/// Records `a.json` and `b.json`: of three kernels one differs, and each side has one of its own.
fn written() -> Scratch {
    let scratch = Scratch::new();
    let long = "a_kernel_with_a_name_as_long_as_the_longest";
    let [add, old] = [kernel("add", 32, 1.0, "threads"), kernel("old", 32, 1.0, "threads")];
    scratch.write("a.json", record("13.0", &[add.clone(), kernel(long, 64, 0.5, "registers"), old]));
    let mut worse = kernel(long, 168, 0.1875, "registers");
    worse["spill_loads"] = 64.into();
    worse["code_bytes"] = 3072.into();
    scratch.write("b.json", record("13.0", &[kernel("new", 40, 1.0, "threads"), add, worse]));
    scratch
}

#[test]
fn only_what_changed_is_listed() {
    let scratch = written();
    let ran = scratch.succeeds("kernels --diff a.json b.json");
    let rows: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        "A: orthoscope 0.1.0 commit 123456789abc, NVRTC 13.0, 3 kernels for sm_90a",
        "kernel property A B B-A",
        "a_kernel_with_a_name_as_long_as_the_longest registers 64 168 +104",
        "spilled bytes 0 64 +64",
        "code bytes 4096 3072 -1024",
        "occupancy 0.50 0.19 -0.31",
        "old only in A",
        "new only in B",
        "1 kernel differs, 1 only in A, 1 only in B, 1 equal",
    ] {
        assert!(rows.contains(&row.split(' ').collect()), "{row}: {}", ran.out);
    }
    assert!(!ran.out.contains("add") && !ran.out.contains("limited by") && ran.err.is_empty(), "{} {}", ran.out, ran.err);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    let same = scratch.succeeds("kernels --diff a.json a.json").out;
    assert!(same.ends_with("\n\n0 kernels differ, 0 only in A, 0 only in B, 3 equal\n") && !same.contains("property"), "{same}");
}

#[test]
fn what_got_worse_is_red_and_what_got_better_is_green() {
    let scratch = written();
    let show = |files: &str, variables: &[(&str, &str)]| scratch.run_with(&format!("kernels --diff {files}"), variables).out;
    let worse = show("a.json b.json", &[("CLICOLOR_FORCE", "1")]);
    assert!(worse.contains("\u{1b}[31m\u{1b}[1m-0.31") && !worse.contains("\u{1b}[32m"), "{worse}");
    let better = show("b.json a.json", &[("CLICOLOR_FORCE", "1")]);
    assert!(better.contains("\u{1b}[32m+0.31") && !better.contains("\u{1b}[31m"), "{better}");
    assert!(!show("a.json b.json", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}

#[test]
fn another_compiler_is_named_in_a_warning() {
    let scratch = written();
    scratch.write("c.json", record("12.9", &[kernel("add", 32, 1.0, "threads")]));
    let ran = scratch.succeeds("kernels --diff a.json c.json");
    assert_eq!(ran.err, "warning: A is compiled by NVRTC 13.0 and B by 12.9: what differs may be due to the compiler\n");
}

/// Text of a record cannot steer the terminal, in tables, warnings and errors alike.
#[test]
fn control_characters_of_a_record_are_not_printed() {
    let scratch = Scratch::new();
    let steer = "\u{1b}[2J";
    let add = kernel(&format!("add{steer}"), 32, 1.0, "threads");
    let written = record("13.0", std::slice::from_ref(&add)).replace("0.1.0", "0.1.0\\u001b[2J");
    scratch.write("a.json", &written);
    scratch.write("b.json", written.replace(":32,", ":33,").replace("13.0", "13.1\\u001b[2J"));
    let ran = scratch.succeeds("kernels --diff a.json b.json");
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
    for shown in ["0.1.0\\u{1b}[2J commit", "NVRTC 13.1\\u{1b}[2J, ", "\nadd\\u{1b}[2J "] {
        assert!(ran.out.contains(shown), "{:?}", ran.out);
    }
    assert!(ran.err.contains("13.1\\u{1b}[2J") && !ran.err.contains('\u{1b}'), "{:?}", ran.err);
    scratch.write("c.json", written.replace("sm_90a", "sm_90a\\u001b[2J"));
    let error = scratch.refuses("kernels --diff a.json c.json");
    assert!(error.ends_with("B for sm_90a\\u{1b}[2J"), "{error:?}");
}

#[test]
fn what_cannot_be_compared_is_refused_in_a_sentence() {
    let scratch = written();
    let mut other = kernel("add", 32, 1.0, "threads");
    other["arch"] = "sm_80".into();
    scratch.write("sm_80.json", record("13.0", std::slice::from_ref(&other)));
    other["arch"] = "sm_70".into();
    scratch.write("sm_70.json", record("13.0", &[other]));
    scratch.write("array.json", json!([kernel("add", 32, 1.0, "threads")]).to_string());
    scratch.write("later.json", record("13.0", &[]).replace("\"schema\":1", "\"schema\":7"));
    scratch.write("text.json", "registers: 3");
    for (files, sentence) in [
        ("a.json sm_80.json", "these cannot be compared: A is compiled for sm_90a, B for sm_80"),
        ("array.json a.json", "array.json: is a record of an older kernels --json without a schema; this program reads schema 1"),
        ("a.json later.json", "later.json: has schema 7 of kernels --json; this program reads schema 1"),
        ("text.json", "text.json: is not a record of kernels --json"),
        ("none.json", "none.json: no such file"),
    ] {
        assert_eq!(scratch.refuses(&format!("kernels --diff {files}")), sentence);
    }
    let unknown = scratch.refuses("kernels --diff sm_70.json");
    assert!(unknown.starts_with("sm_70.json: there is no architecture `sm_70`"), "{unknown}");
    for option in ["--arch sm_80", "--json", "--out new"] {
        let message = scratch.misused(&format!("kernels --diff a.json b.json {option}"));
        assert!(message.contains("cannot be used with"), "{option}: {message}");
    }
}
