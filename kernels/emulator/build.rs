//! Compiles every `kernels/*.cu` as C++ against the emulator, one object per file. Only changed files are compiled again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Compiles the kernels and links them into the crate.
pub fn compile() {
    println!("cargo::rerun-if-changed=kernels");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let kernels = [files("kernels", "cu"), files("kernels/emulator", "cu")].concat();
    let headers = [files("kernels", "cuh"), files("kernels/emulator", "h"), files("kernels/emulator", "rs")].concat();
    let specs_header = out.join("specs.h");
    write_if_changed(&specs_header, &specs(&kernels));
    let newest_header = headers.iter().chain([&specs_header]).map(|path| modified(path)).max().unwrap_or(SystemTime::UNIX_EPOCH);
    let mut archive = compiler();
    write_if_changed(&out.join("compiler.txt"), &command_line(&archive));
    for source in kernels.iter().chain([&PathBuf::from("kernels/emulator/emulator.cpp")]) {
        archive.object(object(source, &out, newest_header));
    }
    let link = out.join("link.cpp");
    fs::write(&link, linker(&kernels)).expect("OUT_DIR can be written");
    archive.file(link).compile("orthoscope_kernels");
}

/// Compiles one file if it or a header changed. Returns the path of the object file.
fn object(source: &Path, out: &Path, newest_header: SystemTime) -> PathBuf {
    let target = out.join(format!("{}.o", stem(source)));
    if modified(&target) > modified(source).max(newest_header) {
        return target;
    }
    let mut command = compiler().get_compiler().to_command();
    command
        .args(["-x", "c++", "-I"])
        .arg(out)
        .arg(format!("-DKERNEL_FILE={}", stem(source)))
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(&target);
    let status = command.status().unwrap_or_else(|error| panic!("the feature `emulator` needs a C++ compiler: {error}"));
    assert!(status.success(), "{} does not compile", source.display());
    target
}

/// The compiler with the options for kernels: no contraction of multiplications and additions, so that the arithmetic is as
/// written, and line tables, so that errors can name the line.
fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").opt_level(2).warnings(false).debug(false);
    build.flag("-g1").flag("-ffp-contract=off").flag("-fnon-call-exceptions").flag("-Wno-unknown-pragmas").flag("-Wno-psabi");
    build.flag_if_supported("-march=x86-64-v3");
    build
}

/// The compiler and its options, one per line. `tests/gpu_path` compiles a driver library from the same objects with it.
fn command_line(build: &cc::Build) -> String {
    let tool = build.get_compiler();
    let words = std::iter::once(tool.path().as_os_str()).chain(tool.args().iter().map(|word| word.as_os_str()));
    words.map(|word| format!("{}\n", word.display())).collect()
}

/// C++ code that references every object file, so that the linker keeps all of them and their kernels register themselves.
fn linker(kernels: &[PathBuf]) -> String {
    let declare: String = kernels.iter().map(|path| format!("void emu_link_{}();\n", stem(path))).collect();
    let call: String = kernels.iter().map(|path| format!("    emu_link_{}();\n", stem(path))).collect();
    format!("{declare}void emu_link_all() {{\n{call}}}\n")
}

/// C++ code that reads every spec `struct …Spec {…};` of the kernels field by field. A spec that only one kernel file uses may be
/// defined in that file.
fn specs(kernels: &[PathBuf]) -> String {
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut code = "std::string read_spec(const std::string& name, const void* bytes, size_t size) {\n".to_owned();
    let mut definitions = String::new();
    for path in kernels.iter().chain([&PathBuf::from("kernels/spec.cuh")]) {
        for (name, body) in structs(&text(path)) {
            if path.extension().is_some_and(|extension| extension == "cu") {
                definitions += &format!("struct {name} {{{body}}};\n");
            }
            let read: String = fields(body).map(|field| format!("{{\"{field}\", number(s.{field})}}, ")).collect();
            code += &format!(
                "    if (name == \"{name}\" && size == sizeof({name})) {{ {name} s; memcpy(&s, bytes, size); return object({{{read}}}); }}\n"
            );
        }
    }
    format!("{definitions}{code}    return \"\";\n}}\n")
}

/// Name and body of every spec.
fn structs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let found = text.split("\nstruct ").skip(1).filter_map(|rest| rest.split_once(" {"));
    found.filter(|(name, _)| name.ends_with("Spec")).filter_map(|(name, rest)| Some((name, rest.split_once('}')?.0)))
}

/// The names declared in declarations such as `uint32_t n, taps[31]; float sigma;`.
fn fields(body: &str) -> impl Iterator<Item = &str> {
    let declared = body.split(';').filter_map(|declaration| declaration.trim().split_once(' '));
    declared.flat_map(|(_, names)| names.split(',').map(|name| name.split('[').next().unwrap_or_default().trim()))
}

/// Writes a file only if its text changes, so that an unchanged file does not trigger a compilation.
fn write_if_changed(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return;
    }
    fs::write(path, text).expect("OUT_DIR can be written");
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

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
