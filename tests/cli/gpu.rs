//! `benches/gpu.py`: what it records on a machine with a GPU, rehearsed with programs that fail on purpose.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::fixture::{Ran, Scratch, told};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `gpu.py rehearse` of a checkout, with all planted failures or one.
fn rehearsed(root: &Path, fault: Option<&str>) -> Ran {
    let mut command = Command::new("python3");
    command.arg(root.join("benches/gpu.py")).arg("rehearse").args(fault.iter().flat_map(|name| ["--fault", *name]));
    told(command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap())
}

#[test]
fn every_planted_failure_leaves_a_valid_record() {
    let ran = rehearsed(Path::new(ROOT), None);
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines.len() >= 15 && lines.iter().all(|line| line.ends_with("as it must be")), "{}", ran.out);
}

/// A copy of the scripts in which one text is replaced by another.
fn broken(file: &str, text: &str, by: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let scripts = ["benches/gpu.py", "benches/shared.py", "benches/torch_bench.py"];
    let parts = ["__init__", "call", "pack", "record", "rehearse", "run", "stages"].map(|name| format!("benches/gpu/{name}.py"));
    let package = ["__init__", "check", "network", "results"].map(|name| format!("src/python/orthoscope/{name}.py"));
    for name in scripts.into_iter().chain(parts.iter().chain(&package).map(String::as_str)) {
        let to = copy.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Path::new(ROOT).join(name), to).unwrap();
    }
    let path = copy.path().join(file);
    let before = fs::read_to_string(&path).unwrap();
    assert_eq!(before.matches(text).count(), 1, "{file}: {text}");
    fs::write(path, before.replace(text, by)).unwrap();
    copy
}

#[test]
fn the_rehearsal_notices_a_script_that_does_not_hold() {
    for (file, text, by, fault) in [
        ("benches/gpu/run.py", "    adopt_orphans()\n", "", "SIGTERM is ignored"),
        ("benches/gpu/record.py", "= result\n        self.save()", "= result", "SIGKILL to the run"),
        (
            "benches/gpu/stages.py",
            "{\"doctor\": last_object(done.out)}",
            "{\"doctor\": json.loads(done.out)}",
            "warnings in the JSON",
        ),
        ("benches/gpu/record.py", "if not self.saved:", "if False:", "full disk"),
        ("benches/gpu/run.py", "if reason := self.missing", "if False and self.missing", "no sanitizer"),
    ] {
        let copy = broken(file, text, by);
        let ran = rehearsed(copy.path(), Some(fault));
        assert!(ran.code == 1 && ran.out.contains("WRONG"), "{fault}: {file} without `{text}`: {} {}", ran.out, ran.err);
    }
}

/// The kernels whose hardware counters are read take most of a step, and enough of them run.
#[test]
fn counters_are_read_of_the_heaviest_kernels() {
    let stages = fs::read_to_string(Path::new(ROOT).join("benches/gpu/stages.py")).unwrap();
    let between = |start: &str, end: &str| stages.split_once(start).unwrap().1.split_once(end).unwrap().0.to_owned();
    let hot = between("HOT = \"", "\"");
    let number = |option: &str| between(&format!("\"{option}\", \""), "\"").parse::<u64>().unwrap();
    let scratch = Scratch::new();
    scratch.succeeds("profile --predict sm_90a --precision bf16 --width 64 --size 128 --batch 2 --json a.json");
    let record = scratch.json("a.json");
    let rows = record["rows"].as_array().unwrap();
    let name = |row: &serde_json::Value| row["kernel"].as_str().unwrap().to_owned();
    let is_hot = |kernel: &str| hot.split('|').any(|part| kernel.contains(part));
    let ms = |wanted: &dyn Fn(&str) -> bool| {
        let own = rows.iter().filter(|row| wanted(&name(row)));
        own.map(|row| row["predicted_ms"].as_f64().unwrap()).sum::<f64>()
    };
    let part = ms(&is_hot) / ms(&|_| true);
    assert!(part > 0.5, "{hot} is {part:.2} of a step");
    // Warm-up and one step, each plain and observed.
    let launches: u64 = rows.iter().filter(|row| is_hot(&name(row))).map(|row| row["launches"].as_u64().unwrap()).sum();
    assert!(number("--launch-skip") + number("--launch-count") <= 4 * launches, "{launches} launches of {hot} in a step");
}
