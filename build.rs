//! Puts the commit into the binary, for the protocol line of every report; without git it stays unknown. Reads the list of kernels
//! from `kernels/*.cu`. With the feature `emulator`, compiles the CUDA kernels as C++ for the CPU.

use std::process::Command;

#[cfg(feature = "emulator")]
#[path = "kernels/emulator/build.rs"]
mod emulator;

#[path = "kernels/registry.rs"]
mod registry;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    let head = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    if let Some(output) = head.ok().filter(|output| output.status.success()) {
        println!("cargo::rustc-env=ORTHOSCOPE_COMMIT={}", String::from_utf8_lossy(&output.stdout).trim());
    }
    registry::write();
    #[cfg(feature = "emulator")]
    emulator::compile();
}
