//! The program itself on damaged files: what only it does with them, and what it prints. Its memory is limited by the system.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use orthoscope::rng::{Purpose, Stream};

use super::campaign::Inputs;
use super::form::mutated;
use crate::fixture::{Ran, Scratch, told, tree};

/// Address space of the program in KiB.
const MEMORY: u32 = 2 << 20;
/// Seconds of processor time.
const SECONDS: u32 = 60;

/// A command, the file that is damaged, and another file of its kind.
struct Case {
    command: &'static str,
    file: &'static str,
    other: &'static str,
}

const fn case(command: &'static str, file: &'static str, other: &'static str) -> Case {
    Case { command, file, other }
}

/// A measurement that takes a moment.
const PROFILE: &str = "profile --phase infer --width 2 --size 8 --batch 1 --steps 1 --warmup 0";

const CASES: [Case; 17] = [
    case("evaluate --model run/model.safetensors --data cloth --out new", "run/log.jsonl", "run/log.jsonl"),
    case("evaluate --model run/model.safetensors --data cloth --out new", "run/config.toml", "c.toml"),
    case(
        "evaluate --model run/model.safetensors --data cloth --out new",
        "cloth/ground_truth/bend/000_mask.png",
        "cloth/test/bend/000.png",
    ),
    case("detect --model run/model.safetensors --out new cloth/test/bend", "cloth/test/bend/000.png", "cloth/test/good/000.png"),
    case("detect --model run/model.safetensors --out new cloth/test/bend", "run/model.safetensors", "run/checkpoint.safetensors"),
    case("model summary --weights run/model.safetensors", "run/model.safetensors", "run/model.safetensors"),
    case("model forward --model run/model.safetensors --input x.npy --output y.npy", "x.npy", "x.npy"),
    case("train --config c.toml --data cloth --out run --resume", "run/checkpoint.safetensors", "run/model.safetensors"),
    case("train --config c.toml --data cloth --out run --resume", "run/log.jsonl", "run/log.jsonl"),
    case("train --config c.toml --data cloth --out new", "c.toml", "run/config.toml"),
    case("train --config c.toml --data cloth --out new", "cloth/train/good/000.png", "cloth/train/good/001.png"),
    case("profile --from p.json", "p.json", "p.json"),
    case(PROFILE, "peaks.json", "p.json"),
    case("figures --model run/model.safetensors --only training --out new", "run/log.jsonl", "c.toml"),
    case("metrics --maps maps --data cloth", "maps/bend/000.npy", "x.npy"),
    case("compare found run --out new", "found/metrics.json", "run/config.toml"),
    // Damaged records of what was written are no reason to read a result as a picture, or to stop.
    case("detect --model run/model.safetensors --out new found", "found/.orthoscope-written", "found/.orthoscope-written"),
];

/// Rounds through the cases without a variable.
const ROUNDS: u64 = 2;

/// Variables of all commands: a cache of their own, and peaks that are measured in a moment.
const ENVIRONMENT: [(&str, &str); 2] = [("ORTHOSCOPE_CACHE_DIR", "cache"), ("ORTHOSCOPE_PEAK_EFFORT", "least")];

/// Makes `peaks.json` the peaks of this machine in the cache, as if they had been measured while nothing else was running.
fn cache_peaks(scratch: &Scratch) {
    let ran = scratch.run_with(&format!("{PROFILE} --json q.json"), &ENVIRONMENT);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut peaks = scratch.json("q.json")["peaks"].clone();
    let machine = peaks["machine"].as_str().unwrap().to_ascii_lowercase();
    let name: String = machine.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '-' }).collect();
    peaks["occasion"] = serde_json::json!({ "date": "2026-11-26", "others": 0.0, "spread": 0.0 });
    scratch.write("peaks.json", serde_json::to_vec_pretty(&peaks).unwrap());
    fs::create_dir_all(scratch.path("cache")).unwrap();
    let place = scratch.path(format!("cache/peaks-{name}.json"));
    if place.exists() {
        fs::remove_file(&place).unwrap();
    }
    std::os::unix::fs::symlink("../peaks.json", place).unwrap();
}

/// The files of a run, an array, a record of `profile`, the peaks of this machine, and maps for `metrics`.
fn prepared() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("x.npy", crate::fixture::npy_f32(&[1, 16, 16, 3], &[0.5; 768]));
    scratch.write("p.json", include_str!("../../paper/results/profile/infer_model2_w32_128px_batch4.json"));
    cache_peaks(&scratch);
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out found --maps all");
    std::fs::rename(scratch.path("all/cloth/test"), scratch.path("maps")).unwrap();
    scratch
}

/// Runs a command line within its limits.
fn limited(scratch: &Scratch, command: &str) -> Ran {
    let script = format!("ulimit -v {MEMORY} -t {SECONDS}; exec {} {command} --threads 1", env!("CARGO_BIN_EXE_orthoscope"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(scratch.path("")).env_remove("RUST_LOG").envs(ENVIRONMENT).stdin(Stdio::null());
    told(shell.output().unwrap())
}

/// What is wrong with the way in which a command ended.
fn fault(ran: &Ran, command: &str) -> Option<String> {
    if ![0, 1].contains(&ran.code) {
        return Some(format!("exit code {}: {}", ran.code, ran.err));
    }
    let steers = |sign: char| sign.is_control() && sign != '\n';
    if ran.out.chars().chain(ran.err.chars()).any(steers) {
        return Some(format!("a control character in {:?} {:?}", ran.out, ran.err));
    }
    let sentences = ran.err.lines().filter(|line| line.starts_with("error: ")).count();
    // `detect` goes on with the next picture, and counts at the end.
    let expected = if command.starts_with("detect") { sentences.max(1) } else { 1 };
    (ran.code == 1 && sentences != expected).then(|| format!("{sentences} sentences: {}", ran.err))
}

type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Undoes what a command and the damage before it have changed.
fn restore(scratch: &Scratch, whole: &Tree) {
    for (path, bytes) in tree(&scratch.path("")) {
        match whole.get(&path) {
            Some(own) if *own == bytes => {}
            Some(own) => scratch.write(&path, own.as_deref().unwrap_or_default()),
            None if bytes.is_some() => fs::remove_file(scratch.path(&path)).unwrap(),
            None => {}
        }
    }
    for (path, bytes) in whole {
        if let Some(bytes) = bytes.as_ref().filter(|_| !scratch.path(path).exists()) {
            scratch.write(path, bytes);
        }
    }
}

/// Runs the case of a seed on its damaged file. What it accepts or refuses is told, and what is wrong, with the file.
fn run_case(scratch: &Scratch, whole: &Tree, seed: u64) -> bool {
    let case = &CASES[(seed % CASES.len() as u64) as usize];
    let file = |name: &str| whole[Path::new(name)].as_deref().unwrap();
    let random = &mut Stream::new(seed, Purpose::Test, 1, 0);
    let bytes = mutated(random, file(case.file), file(case.other));
    scratch.write(case.file, &bytes);
    let ran = limited(scratch, case.command);
    if let Some(fault) = fault(&ran, case.command) {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-program-{seed}"));
        fs::write(&kept, bytes).unwrap();
        panic!("{} with {} as {}, ORTHOSCOPE_FUZZ_SEED={seed}: {fault}", case.command, kept.display(), case.file);
    }
    restore(scratch, whole);
    ran.code == 0
}

#[test]
fn program() {
    let scratch = prepared();
    let whole = tree(&scratch.path(""));
    let (mut accepted, mut refused) = (0, 0);
    for seed in Inputs::from_environment(ROUNDS * CASES.len() as u64) {
        let count = if run_case(&scratch, &whole, seed) { &mut accepted } else { &mut refused };
        *count += 1;
    }
    let line = format!("fuzz program: {accepted} commands accepted a damaged file, {refused} refused it\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(accepted + refused < CASES.len() || (accepted > 0 && refused > 0), "{line}");
}
