//! The tests for GPUs, of the test program `ops`, on the false driver.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::false_driver::FalseDriver;

/// Parts of the names of the tests for GPUs.
const FILTERS: [&str; 2] = ["::cuda", "::gpu::"];

/// The test program `ops`, as cargo builds it in this profile. Cargo has already built it if it runs all tests.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let output = cargo().output().unwrap();
        let messages = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "ops cannot be built: {}", String::from_utf8_lossy(&output.stderr));
        let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let executable = artifacts.filter(|message| message["target"]["name"] == "ops").find_map(|message| {
            let path = message["executable"].as_str()?;
            Some(PathBuf::from(path))
        });
        executable.expect("cargo names the executable that it built")
    })
}

/// `cargo test --no-run --test ops` with the profile and the target of this test program.
fn cargo() -> Command {
    let this = std::env::current_exe().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    // TARGET/[TRIPLE/]PROFILE/deps/gpu_path-HASH
    let mut folders = this.ancestors().skip(2).map(|path| path.file_name().unwrap().to_str().unwrap());
    let (profile, above) = (folders.next().unwrap(), folders.next().unwrap());
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--no-run", "--offline", "--message-format=json", "--features", "emulator", "--test", "ops"]);
    command.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
    command.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if Some(above) != target.file_name().and_then(|name| name.to_str()) {
        command.args(["--target", above]);
    }
    command
}

/// Runs tests of [`program`] on the false driver.
pub fn run(settings: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).args(["--test-threads", "1"]);
    command.envs(FalseDriver::get().environment(settings)).output().unwrap()
}

/// Names of the tests that the filters choose.
pub fn names(filters: &[&str]) -> BTreeSet<String> {
    let output = Command::new(program()).args(["--list", "--format", "terse"]).args(filters).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect()
}

/// Runs all tests for GPUs. None may fail, be skipped or break a rule of the driver.
#[track_caller]
fn all_pass(settings: &str) {
    for filter in FILTERS {
        assert!(names(&[filter]).len() > 15, "`{filter}` chooses only {:?}", names(&[filter]));
    }
    let output = run(settings, &FILTERS);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let passed = format!("test result: ok. {} passed; 0 failed; 0 ignored", names(&FILTERS).len());
    assert!(output.status.success() && out.contains(&passed), "{settings}: not `{passed}`: {out}{err}");
    assert!(err.is_empty(), "{settings}: {err}");
}

#[test]
fn the_tests_for_gpus_pass() {
    all_pass("seed=1");
}

/// Another order of deferred work, on a GPU that reads pageable host memory by itself, and late.
#[test]
fn the_tests_for_gpus_pass_in_another_order_where_the_gpu_reads_pageable_memory() {
    all_pass("seed=2 pageable=1");
}
