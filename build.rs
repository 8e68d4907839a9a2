//! Puts the commit into the binary, for the protocol line of every report, marked if sources have been modified since; without git it
//! stays unknown. Reads the list of kernels
//! from `kernels/*.cu`. With the feature `emulator`, compiles the CUDA kernels as C++ for the CPU.

use std::process::Command;

#[cfg(feature = "emulator")]
#[path = "kernels/emulator/build.rs"]
mod emulator;

#[path = "kernels/registry.rs"]
mod registry;

/// What the binary is made of.
const SOURCES: [&str; 5] = ["src", "kernels", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    for path in [".git/HEAD", ".git/logs/HEAD"].iter().chain(&SOURCES) {
        println!("cargo::rerun-if-changed={path}");
    }
    if let Some(head) = git(&["rev-parse", "--short=12", "HEAD"]) {
        let changes = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat());
        let mark = if changes.is_some_and(|changes| !changes.is_empty()) { "-modified" } else { "" };
        println!("cargo::rustc-env=ORTHOSCOPE_COMMIT={head}{mark}");
    }
    registry::write();
    #[cfg(feature = "emulator")]
    emulator::compile();
}

/// What a git command prints, without space around it; `None` if it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
