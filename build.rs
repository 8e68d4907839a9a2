//! Puts the commit into the binary, for the protocol line of every report, marked if sources have been modified since; without git it
//! stays unknown. Reads the list of kernels from `kernels/*.cu`. With the feature `emulator`, compiles the CUDA kernels as C++ for the CPU.

use std::process::Command;

#[cfg(feature = "emulator")]
#[path = "kernels/emulator/build.rs"]
mod emulator;

#[path = "kernels/registry.rs"]
mod registry;

/// What the binary is made of.
const SOURCES: [&str; 5] = ["src", "kernels", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    SOURCES.iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    if let Some(commit) = commit() {
        println!("cargo::rustc-env=ORTHOSCOPE_COMMIT={commit}");
    }
    registry::write();
    #[cfg(feature = "emulator")]
    if !is_only_checked() {
        emulator::compile();
    }
}

/// Whether clippy looks at the crate, so that nothing is linked. Cargo keeps its output apart from that of other builds.
#[cfg(feature = "emulator")]
fn is_only_checked() -> bool {
    std::env::var_os("RUSTC_WORKSPACE_WRAPPER").is_some_and(|path| path.display().to_string().contains("clippy-driver"))
}

/// The commit of this checkout, with a mark if sources differ from it or if that is not known; `None` if these are not the files of a
/// checkout, for example those of a published package, which may lie inside some other one.
fn commit() -> Option<String> {
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    for name in ["HEAD", "logs/HEAD"] {
        // In a worktree they are not in `.git`. Cargo would build again each time for a file that does not exist.
        let path = git(&["rev-parse", "--git-path", name])?;
        if std::path::Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let mark = match git(&[&["--no-optional-locks", "status", "--porcelain", "--"], &SOURCES[..]].concat()) {
        None => "-unknown",
        Some(changes) if changes.is_empty() => "",
        Some(_) => "-modified",
    };
    Some(format!("{head}{mark}"))
}

/// What a git command prints, without space around it; `None` if it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
