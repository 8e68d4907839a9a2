//! Compiles every `kernels/*.cu` as C++ against the emulator, one object per file, and again only where something changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Compiles the kernels and links them into the crate.
pub fn compile() {
    println!("cargo::rerun-if-changed=kernels");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let kernels = [files("kernels", "cu"), files("kernels/emulator", "cu")].concat();
    let headers = [files("kernels", "cuh"), files("kernels/emulator", "h"), files("kernels/emulator", "rs")].concat();
    let newest_header = headers.iter().map(|path| changed(path)).max().unwrap_or(SystemTime::UNIX_EPOCH);
    let mut archive = compiler();
    for source in kernels.iter().chain([&PathBuf::from("kernels/emulator/emulator.cpp")]) {
        archive.object(object(source, &out, newest_header));
    }
    let link = out.join("link.cpp");
    fs::write(&link, linker(&kernels)).expect("OUT_DIR can be written");
    archive.file(link).compile("orthoscope_kernels");
}

/// The object of one kernel file.
fn object(source: &Path, out: &Path, newest_header: SystemTime) -> PathBuf {
    let target = out.join(format!("{}.o", stem(source)));
    if changed(&target) > changed(source).max(newest_header) {
        return target;
    }
    let mut command = compiler().get_compiler().to_command();
    command.args(["-x", "c++"]).arg(format!("-DKERNEL_FILE={}", stem(source))).arg("-c").arg(source).arg("-o").arg(&target);
    let status = command.status().unwrap_or_else(|error| panic!("the feature `emulator` needs a C++ compiler: {error}"));
    assert!(status.success(), "{} does not compile", source.display());
    target
}

/// C++ as kernels need it: no contraction, so that the arithmetic is what is written; line tables, so that a bad access names
/// its line.
fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").opt_level(2).warnings(false).debug(false);
    build.flag("-g1").flag("-ffp-contract=off").flag("-fnon-call-exceptions").flag("-Wno-unknown-pragmas").flag("-Wno-psabi");
    build.flag_if_supported("-march=x86-64-v3");
    build
}

/// Refers to every object, so that the linker drops none and their kernels register themselves.
fn linker(kernels: &[PathBuf]) -> String {
    let declare: String = kernels.iter().map(|path| format!("void emu_link_{}();\n", stem(path))).collect();
    let call: String = kernels.iter().map(|path| format!("    emu_link_{}();\n", stem(path))).collect();
    format!("{declare}void emu_link_all() {{\n{call}}}\n")
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.extension().is_some_and(|own| own == extension));
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn changed(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
