//! Reads every kernel from the text of `kernels/*.cu` and writes the list that `src/backend/cuda/kernels.rs` includes.
//!
//! A kernel is written as
//!
//! ```text
//! // y = alpha x. x, y: [N], len elements.
//! // FLOPs: len. Bytes: 8 len.
//! KERNEL __launch_bounds__(256) scale(...) {...}
//! REGISTER_KERNEL(scale)
//! ```
//!
//! with `Unit: matrix.` after the bytes if its products run on tensor cores, and a line
//! `Dynamic shared memory: 65536 bytes.` if it uses `DYN_SHARED`. A formula does not span two lines. A file with a line
//! `Architecture: sm_90a only.` is compiled for that one alone.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes `OUT_DIR/kernels.rs`.
pub fn write() {
    println!("cargo::rerun-if-changed=kernels");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("kernels.rs");
    let files: Vec<(String, String)> = texts("cu");
    let headers = texts("cuh");
    let mut code = String::new();
    let mut all = String::new();
    for (name, text) in &files {
        let stem = name.trim_end_matches(".cu");
        let kernels = kernels(text).unwrap_or_else(|reason| panic!("kernels/{name}: {reason}"));
        let only = text.lines().find_map(|line| line.strip_prefix("// Architecture: ")?.strip_suffix(" only."));
        write_module(&mut code, name, only, &kernels).expect("strings can be written");
        kernels.iter().for_each(|kernel| all += &format!("    &{stem}::{},\n", kernel.name.to_uppercase()));
    }
    code += &format!("/// Every kernel, in the order of the files.\npub static KERNELS: &[&Kernel] = &[\n{all}];\n\n");
    code += "/// The text of the kernels' headers, `(name, text)`.\npub static HEADERS: &[(&str, &str)] = &[\n";
    headers.iter().for_each(|(name, _)| code += &format!("    ({name:?}, {}),\n", include(name)));
    code += "];\n";
    fs::write(out, code).expect("OUT_DIR can be written");
}

/// One kernel as its file defines it.
struct Definition<'a> {
    name: &'a str,
    threads: &'a str,
    /// First line of its comment.
    summary: &'a str,
    flops: &'a str,
    bytes: &'a str,
    matrix: bool,
    dynamic_shared: &'a str,
}

fn write_module(code: &mut String, file: &str, only: Option<&str>, kernels: &[Definition<'_>]) -> std::fmt::Result {
    writeln!(code, "/// `kernels/{file}`.\npub mod {} {{\n    use super::*;\n", file.trim_end_matches(".cu"))?;
    writeln!(code, "    static FILE: File = File {{ name: {file:?}, text: {}, only: {only:?} }};", include(file))?;
    for kernel in kernels {
        let Definition { name, threads, summary, flops, bytes, matrix, dynamic_shared } = kernel;
        let unit = if *matrix { "Matrix" } else { "Fma" };
        // Brackets denote shapes and indices; rustdoc would read them as links.
        let doc = summary.replace('[', "\\[").replace(']', "\\]");
        writeln!(code, "    #[doc = {doc:?}]")?;
        writeln!(code, "    pub static {}: Kernel = Kernel {{", name.to_uppercase())?;
        writeln!(code, "        name: {name:?}, file: &FILE, threads: {threads}, unit: Unit::{unit},")?;
        writeln!(code, "        dynamic_shared: {dynamic_shared},")?;
        writeln!(code, "        flops: {flops:?}, bytes: {bytes:?},\n    }};")?;
    }
    writeln!(code, "}}\n")
}

/// Every definition `KERNEL __launch_bounds__(threads) name(` in a file, with the cost stated in its comment.
fn kernels(text: &str) -> Result<Vec<Definition<'_>>, String> {
    let starts = text.match_indices("\nKERNEL ").chain(text.match_indices("\nKERNEL\n"));
    starts.map(|(at, _)| definition(text, at + 1)).collect()
}

fn definition(text: &str, at: usize) -> Result<Definition<'_>, String> {
    let line = text[..at].lines().count() + 1;
    let wrong = |what: &str| format!("line {line}: a kernel needs {what}");
    let bounds = text[at..].trim_start_matches("KERNEL").trim_start().strip_prefix("__launch_bounds__(");
    let bounds = bounds.and_then(|rest| rest.split_once(')'));
    let (bounds, rest) = bounds.ok_or_else(|| wrong("__launch_bounds__(threads)"))?;
    let threads = bounds.split(',').next().unwrap_or_default().trim();
    let name = rest.split_once('(').ok_or_else(|| wrong("a name"))?.0.trim();
    let comment: Vec<&str> = text[..at].lines().rev().map_while(|line| Some(line.strip_prefix("//")?.trim())).collect();
    let between = |before: &str, what: &str| {
        let mut formulas = comment.iter().filter_map(|line| Some(line.split_once(before)?.1.split_once('.')?.0));
        formulas.next().ok_or_else(|| wrong(what))
    };
    let (flops, bytes) = (between("FLOPs: ", "`FLOPs: ….`")?, between("Bytes: ", "`Bytes: ….`")?);
    let matrix = comment.iter().any(|line| line.ends_with("Unit: matrix."));
    let summary = comment.last().copied().unwrap_or_default();
    let shared = comment.iter().find_map(|line| line.strip_prefix("Dynamic shared memory: "));
    let dynamic_shared = shared.and_then(|bytes| bytes.strip_suffix(" bytes.")).unwrap_or("0");
    Ok(Definition { name, threads, summary, flops, bytes, matrix, dynamic_shared })
}

/// Names and texts of the files in `kernels/` with this extension, sorted by name.
fn texts(extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir("kernels").unwrap_or_else(|error| panic!("kernels: {error}"));
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|own| own == extension));
    paths.sort();
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), read(path))).collect()
}

fn include(file: &str) -> String {
    format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/kernels/{file}\"))")
}
