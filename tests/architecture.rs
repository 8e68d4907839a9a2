//! The rooms of the crate and their one direction of sight, read from the source files themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

mod architecture {
    pub mod source;
}

use architecture::source::{Mention, imports, names, paths, re_exports};

/// A room may look at itself and at those before it in this list. `main.rs` belongs to `cli`.
const ROOMS: [&str; 19] = [
    "error", "shape", "rng", "spare", "disk", "backend", "tape", "ops", "model", "data", "train", "detect", "export", "run",
    "theory", "audit", "profile", "report", "cli",
];

/// What the order alone would allow: (room, may not look at).
const BLIND: [(&str, &str); 3] = [("data", "tape"), ("detect", "train"), ("theory", "detect")];

/// Re-exports at the crate root that every room may use.
const ROOT: [&str; 2] = ["Error", "Result"];

/// The backends, as (module, type).
const DEVICES: [(&str, &str); 3] = [("cpu", "Cpu"), ("cuda", "Cuda"), ("reference", "Reference")];

/// The folders, and the file with a setting of the allocator, that may say `unsafe`.
const UNSAFE: [&str; 3] = ["src/backend/cpu/simd/", CUDA, "src/spare.rs"];

/// Where the GPU is known, and the crates that know it.
const CUDA: &str = "src/backend/cuda/";
const CUDA_CRATES: [&str; 2] = ["cudarc", "libloading"];

/// A source file: its path from the repository root with `/` between the parts, and its text.
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    /// Module path from the crate root: `src/backend/cpu/mod.rs` is `backend::cpu`.
    fn module(&self) -> Vec<&str> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inner.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).collect()
    }

    /// `None` for the crate root, which only lists the rooms.
    fn room(&self) -> Option<&str> {
        if self.path == "src/main.rs" { Some("cli") } else { self.module().first().copied() }
    }

    /// Whether the whole file is a test module.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    fn complain(&self, mention: &Mention, reason: &str) -> String {
        format!("{}:{}: {reason} (`{}`)", self.path, mention.line, mention.segments.join("::"))
    }
}

/// One sentence per broken rule.
fn violations(file: &File<'_>) -> Vec<String> {
    let (paths, names) = (paths(file.text, &file.module()), names(file.text));
    let mut found = Vec::new();
    for path in &paths {
        found.extend(sight(file, path));
        found.extend(device_path(file, path));
    }
    for name in &names {
        found.extend(device_name(file, name));
        found.extend(place_of_name(file, name));
    }
    found
}

/// The order of the rooms, and what some of them may not see for all that.
fn sight(file: &File<'_>, path: &Mention) -> Option<String> {
    let (room, other) = (file.room()?, path.segments.first()?.as_str());
    let place = |name: &str| ROOMS.iter().position(|&known| known == name);
    let Some(own) = place(room) else {
        return Some(file.complain(path, &format!("`{room}` is not one of the rooms {ROOMS:?}")));
    };
    let reason = match place(other) {
        None if ROOT.contains(&other) => return None,
        None => format!("`{other}` is neither a room nor one of {ROOT:?}"),
        Some(theirs) if theirs > own => format!("`{room}` may not look down at `{other}`"),
        Some(_) if BLIND.contains(&(room, other)) => format!("`{room}` must not know `{other}`"),
        Some(_) => return None,
    };
    Some(file.complain(path, &reason))
}

/// Why `file` may not know the backend that `is` picks, if it may not.
fn closed_to_device(file: &File<'_>, in_test: bool, is: impl Fn((&str, &str)) -> bool) -> Option<String> {
    let (_, device) = DEVICES.into_iter().find(|&device| is(device))?;
    let module = file.module();
    let backend = DEVICES.iter().find(|(own, _)| is_of_device(&module, own));
    match backend {
        Some((own, name)) if *name != device => Some(format!("backend `{own}` must not know `{device}`")),
        None if module.first() == Some(&"model") && !in_test && !file.is_test() => {
            Some(format!("`model` must not name the device `{device}`"))
        }
        _ => None,
    }
}

/// Whether a path leads into the code of a device: its backend, or its part of an operation.
fn is_of_device(path: &[&str], device: &str) -> bool {
    let is_part = |name: &str| name == device || name.strip_prefix(device).is_some_and(|rest| rest.starts_with('_'));
    path.starts_with(&["backend", device]) || matches!(path, ["ops", _, part, ..] if is_part(part))
}

fn device_path(file: &File<'_>, path: &Mention) -> Option<String> {
    let target: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let reason = closed_to_device(file, path.in_test, |(module, _)| is_of_device(&target, module))?;
    Some(file.complain(path, &reason))
}

fn device_name(file: &File<'_>, name: &Mention) -> Option<String> {
    let reason = closed_to_device(file, name.in_test, |(_, device)| name.segments[0] == device)?;
    Some(file.complain(name, &reason))
}

/// What only some places may say.
fn place_of_name(file: &File<'_>, name: &Mention) -> Option<String> {
    let word = name.segments[0].as_str();
    if word == "unsafe" && !UNSAFE.iter().any(|place| file.path.starts_with(place)) {
        return Some(file.complain(name, &format!("only {} may be unsafe", UNSAFE.join(" and "))));
    }
    if CUDA_CRATES.contains(&word) && !file.path.starts_with(CUDA) {
        return Some(file.complain(name, &format!("only {CUDA} may know `{word}`")));
    }
    None
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

/// Path and text of every file under `src`.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = rust_files(&root.join("src"));
    assert!(files.len() > 30, "only {} source files found", files.len());
    let path = |file: &Path| file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    files.iter().map(|file| (path(file), fs::read_to_string(file).unwrap())).collect()
}

#[test]
fn every_source_file_keeps_to_its_room() {
    let found: Vec<String> = sources().iter().flat_map(|(path, text)| violations(&File { path, text })).collect();
    assert!(found.is_empty(), "{} broken rules:\n{}", found.len(), found.join("\n"));
}

/// The groups of files that import each other, directly or through others of the group, each sorted. Tests do not count, nor does
/// `mod x;`. A path to a re-export counts for the file that defines the name.
fn circles(sources: &[(String, String)]) -> Vec<Vec<&str>> {
    let files: Vec<File<'_>> = sources.iter().map(|(path, text)| File { path, text }).filter(|file| !file.is_test()).collect();
    let by_module: BTreeMap<Vec<&str>, &str> = files.iter().map(|file| (file.module(), file.path)).collect();
    let exports: BTreeMap<(&str, String), Vec<String>> = files.iter().flat_map(exports_of).collect();
    let target = |mention: &Mention| target(&mention.segments, &by_module, &exports);
    let seen = |file: &File<'_>| {
        let mentions = imports(file.text, &file.module());
        mentions.iter().filter(|mention| !mention.in_test).filter_map(target).collect::<BTreeSet<_>>()
    };
    let edges: BTreeMap<&str, BTreeSet<&str>> = files.iter().map(|file| (file.path, seen(file))).collect();
    let reach = |start: &str| {
        let (mut found, mut open) = (BTreeSet::new(), Vec::from_iter(edges[start].iter().copied()));
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(&edges[next]);
            }
        }
        found
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = files.iter().map(|file| (file.path, reach(file.path))).collect();
    let circle = |file: &File<'_>| {
        let back = |other: &&&str| **other == file.path || reached[**other].contains(file.path);
        reached[file.path].iter().filter(back).copied().collect::<Vec<_>>()
    };
    let found: BTreeSet<Vec<&str>> = files.iter().map(circle).filter(|circle| circle.len() > 1).collect();
    found.into_iter().collect()
}

/// The names that a file re-exports, with the paths behind them.
fn exports_of<'a>(file: &File<'a>) -> Vec<((&'a str, String), Vec<String>)> {
    let exports = re_exports(file.text, &file.module()).into_iter().filter(|mention| !mention.in_test);
    exports.filter_map(|mention| Some(((file.path, mention.segments.last()?.clone()), mention.segments))).collect()
}

/// The file that defines what a path names.
fn target<'a>(
    segments: &[String],
    by_module: &BTreeMap<Vec<&str>, &'a str>,
    exports: &BTreeMap<(&'a str, String), Vec<String>>,
) -> Option<&'a str> {
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (length, file) = (0..=names.len()).rev().find_map(|length| Some((length, *by_module.get(&names[..length])?)))?;
    let export = segments.get(length).and_then(|name| exports.get(&(file, name.clone())));
    match export.filter(|path| path.as_slice() != segments) {
        Some(path) => target(path, by_module, exports),
        None => (length > 0).then_some(file),
    }
}

#[test]
fn no_circle_of_more_than_three_files() {
    let sources = sources();
    let large: Vec<Vec<&str>> = circles(&sources).into_iter().filter(|circle| circle.len() > 3).collect();
    let lines: Vec<String> = large.iter().map(|circle| format!("{} files: {}", circle.len(), circle.join(" "))).collect();
    assert!(large.is_empty(), "files that import each other in a circle:\n{}", lines.join("\n"));
}

#[test]
fn circles_are_found_by_every_kind_of_path() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let sources = [
        source("src/shape/mod.rs", "mod a; mod b; pub use a::A;"),
        source("src/shape/a.rs", "use super::b::B; use super::C;"),
        source("src/shape/b.rs", "fn f() { crate::shape::c::g() }"),
        source("src/shape/c/mod.rs", "mod d; use d::D;"),
        source("src/shape/c/d.rs", "use super::super::a::{self, A};"),
        source("src/shape/tests.rs", "use super::a::A;"),
        source(
            "src/shape/e.rs",
            "use self::inner::X; mod inner { use super::super::f::F; }\n#[cfg(test)] mod tests { use super::super::e; }",
        ),
        source("src/shape/f.rs", "#[cfg(all(test, feature = \"x\"))] mod tests { use super::super::e::E; }"),
    ];
    assert_eq!(circles(&sources), [["src/shape/a.rs", "src/shape/b.rs", "src/shape/c/d.rs", "src/shape/c/mod.rs"]]);
    assert!(circles(&sources[..4]).is_empty());
    let re_exported = [
        source("src/shape/mod.rs", "mod a; mod b; pub use a::A; pub(crate) use b::{B, C};"),
        source("src/shape/a.rs", "use super::B;"),
        source("src/shape/b.rs", "use crate::shape::{A, B};"),
    ];
    assert_eq!(circles(&re_exported), [["src/shape/a.rs", "src/shape/b.rs"]]);
}

#[track_caller]
fn assert_caught(path: &str, text: &str, expected: &[&str]) {
    let found = violations(&File { path, text });
    let complete = found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
    assert!(complete, "{path}: found {found:#?}, expected {expected:#?}");
}

#[test]
fn looking_down_is_caught_with_file_and_line() {
    let source = "//! Layers.\nuse crate::error::Result;\nuse crate::train::Adam;\n";
    assert_caught("src/model/layer.rs", source, &["src/model/layer.rs:3: `model` may not look down at `train`"]);
    assert_caught("src/error.rs", "fn f(x: crate::shape::Shape) {}", &["`error` may not look down at `shape`"]);
    assert_caught("src/theory/claim.rs", "\nuse crate::report::Table;", &["claim.rs:2: `theory` may not look down at `report`"]);
    assert_caught("src/tape/op.rs", "use orthoscope::cli::run;", &["`tape` may not look down at `cli`"]);
}

#[test]
fn groups_and_relative_paths_are_followed() {
    let group = "use crate::{\n    error::Result,\n    report::{Table, plot as p},\n};";
    assert_caught(
        "src/data/mod.rs",
        group,
        &["mod.rs:3: `data` may not look down at `report` (`report::Table`)", "report::plot"],
    );
    assert_caught("src/data/a/b.rs", "use super::super::super::train::Adam;", &["`data` may not look down at `train`"]);
    assert_caught("src/data/a/b.rs", "mod tests { use super::super::x; use super::super::super::y; }", &[]);
    let inline = "mod tests { fn f() { super::super::super::super::train::g() } }";
    assert_caught("src/data/a/b.rs", inline, &["`data` may not look down at `train`"]);
}

#[test]
fn blind_spots_inside_the_order_are_caught() {
    assert_caught("src/data/batch.rs", "use crate::tape::Var;", &["`data` must not know `tape`"]);
    assert_caught("src/detect/heatmap.rs", "use crate::train::Adam;", &["`detect` must not know `train`"]);
    assert_caught("src/theory/claim.rs", "use crate::detect::auroc;", &["`theory` must not know `detect`"]);
}

#[test]
fn unknown_rooms_are_caught() {
    assert_caught("src/shed/tool.rs", "use crate::error::Result;", &["`shed` is not one of the rooms"]);
    assert_caught("src/data/batch.rs", "use crate::shed::tool;", &["`shed` is neither a room nor"]);
    assert_caught("src/data/batch.rs", "use crate::{Error, Result};", &[]);
}

#[test]
fn backends_do_not_see_each_other() {
    let direct = "use crate::backend::reference::activate;";
    assert_caught("src/backend/cpu/pool.rs", direct, &["backend `cpu` must not know `Reference`"]);
    let relative = "use super::super::cpu::simd;";
    assert_caught("src/backend/reference/pool.rs", relative, &["backend `reference` must not know `Cpu`"]);
    let operation = "use super::reference::run;";
    assert_caught("src/ops/pool/cpu.rs", operation, &["backend `cpu` must not know `Reference`"]);
    assert_caught("src/ops/pool/mod.rs", "use self::reference::run;", &[]);
    let part = "use super::cpu::run;\nuse crate::backend::cuda::Cuda;\nuse super::cuda::run;";
    assert_caught("src/ops/conv2d/cuda_bf16.rs", part, &["backend `cuda` must not know `Cpu`"]);
    // By the re-export, and in tests too.
    let test = "#[cfg(test)]\nmod tests {\n    use crate::backend::{Cpu, Reference};\n}";
    assert_caught("src/backend/cpu/pool.rs", test, &["pool.rs:3: backend `cpu` must not know `Reference`"]);
    assert_caught("src/backend/cpu/pool.rs", "use super::Cpu;\nuse crate::backend::Storage;", &[]);
    let kernels = "use super::super::cuda::File;\nuse crate::backend::Cuda;";
    assert_caught(
        "src/backend/cpu/pool.rs",
        kernels,
        &["pool.rs:1: backend `cpu` must not know `Cuda`", "pool.rs:2: backend `cpu`"],
    );
    assert_caught("src/backend/cuda/driver/mod.rs", "use crate::backend::Cpu;", &["backend `cuda` must not know `Cpu`"]);
    assert_caught("src/backend/cuda/driver/mod.rs", "use crate::backend::cuda::Cuda;\nuse crate::backend::Storage;", &[]);
    assert_caught("src/backend/mod.rs", "pub use cpu::Cpu;\npub use cuda::Cuda;\npub use reference::Reference;", &[]);
}

#[test]
fn a_model_names_a_device_in_tests_only() {
    let source = "use crate::backend::Backend;\nuse crate::backend::{Cpu, Storage};";
    assert_caught("src/model/sdc.rs", source, &["sdc.rs:2: `model` must not name the device `Cpu`"]);
    assert_caught("src/model/sdc.rs", "use crate::backend::Cuda;", &["`model` must not name the device `Cuda`"]);
    let module = "fn f() { crate::backend::reference::g(); }";
    assert_caught("src/model/sdc.rs", module, &["`model` must not name the device `Reference`"]);
    let test = "#[cfg(test)]\nmod tests {\n    use crate::backend::Reference;\n}";
    assert_caught("src/model/sdc.rs", test, &[]);
    assert_caught("src/model/tests.rs", "use crate::backend::Reference;", &[]);
    let after = "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::backend::Reference;";
    assert_caught("src/model/sdc.rs", after, &["sdc.rs:3: `model` must not name the device `Reference`"]);
    // Being a test excuses naming a device, nothing else.
    let test = "#[cfg(test)]\nmod tests {\n    use crate::train::Adam;\n}";
    assert_caught("src/model/sdc.rs", test, &["sdc.rs:3: `model` may not look down at `train`"]);
}

#[test]
fn a_command_ends_in_one_place() {
    // There, what is unfinished is removed.
    for (path, text) in sources() {
        assert!(path == "src/cli/signals.rs" || !text.contains("process::exit"), "{path}: end through `signals::leave`");
    }
}

#[test]
fn unsafe_has_its_places() {
    let source = "fn f(p: *const f32) -> f32 {\n    // SAFETY: none.\n    unsafe { *p }\n}";
    let reason = "only src/backend/cpu/simd/ and src/backend/cuda/ and src/spare.rs may be unsafe";
    assert_caught("src/backend/cpu/pool.rs", source, &[&format!("pool.rs:3: {reason}")]);
    for path in ["src/lib.rs", "src/backend/cuda.rs", "src/backend/mod.rs"] {
        assert_caught(path, "unsafe fn f() {}", &[reason]);
    }
    for path in ["src/backend/cpu/simd/tile.rs", "src/backend/cuda/launch.rs", "src/backend/cuda/driver/emulator.rs"] {
        assert_caught(path, source, &[]);
    }
    assert_caught("src/lib.rs", "#![deny(unsafe_op_in_unsafe_fn)]", &[]);
}

#[test]
fn the_gpu_is_known_in_one_place() {
    let source = "use cudarc::driver::sys;\nfn f(library: libloading::Library) {}";
    let reasons = [1, 2].map(|line| format!(":{line}: only src/backend/cuda/ may know"));
    for path in ["src/backend/cpu/pool.rs", "src/tape/mod.rs", "src/main.rs"] {
        assert_caught(path, source, &[&reasons[0], &reasons[1]]);
    }
    assert_caught("src/backend/cuda/compiler/nvrtc.rs", source, &[]);
}

#[test]
fn comments_and_literals_say_nothing() {
    let source = r###"
        // use crate::train::Adam; unsafe
        /* use crate::train::Adam; /* Cpu */ unsafe */
        /// See [`crate::backend::Cpu`].
        const A: &str = "use crate::train::Adam; \" unsafe";
        const B: &str = r#"crate::train " unsafe"#;
        const C: [char; 3] = ['"', '\'', '\u{22}'];
        fn f<'a>(x: &'a str) -> &'a str { x }
    "###;
    assert_caught("src/model/layer.rs", source, &[]);
    // And after all that the file is still read.
    let source = format!("{source}\nuse crate::train::Adam;");
    assert_caught("src/model/layer.rs", &source, &["layer.rs:10: `model` may not look down at `train`"]);
}
