//! The kernel files agree with the table `KERNELS`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use orthoscope::backend::Unit;
use orthoscope::backend::cuda::compiler::files;
use orthoscope::backend::cuda::{HEADERS, KERNELS, Kernel};

/// The definition of a kernel in a file.
#[derive(Debug, PartialEq)]
struct Definition<'a> {
    name: &'a str,
    threads: Option<u32>,
    /// The comment lines directly above, without the slashes.
    comment: Vec<&'a str>,
}

/// Every definition `KERNEL __launch_bounds__(threads) name(` in a file.
fn definitions(text: &str) -> Vec<Definition<'_>> {
    let starts = text.match_indices("\nKERNEL").map(|(at, _)| at + 1);
    starts.filter_map(|at| definition(&text[..at], text[at..].strip_prefix("KERNEL")?)).collect()
}

fn definition<'a>(before: &'a str, after: &'a str) -> Option<Definition<'a>> {
    if !after.starts_with(char::is_whitespace) {
        return None;
    }
    let after = after.trim_start();
    let bounds = after.strip_prefix("__launch_bounds__(").and_then(|rest| rest.split_once(')'));
    let (threads, rest) = bounds.unwrap_or(("", after));
    let threads = threads.split(',').next().and_then(|number| number.trim().parse().ok());
    let name = rest.split_once('(')?.0.trim();
    let mut comment: Vec<&str> = before.lines().rev().map_while(|line| Some(line.strip_prefix("//")?.trim())).collect();
    comment.reverse();
    Some(Definition { name, threads, comment })
}

fn registered(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("REGISTER_KERNEL("));
    lines.filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
}

fn listed() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().copied()
}

/// Files in `kernels/` with this extension.
fn on_disk(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn every_file_is_embedded_in_the_program() {
    let wanted: BTreeSet<String> = on_disk("cu").iter().map(|path| name(path).to_owned()).collect();
    assert_eq!(files().iter().map(|file| file.name.to_owned()).collect::<BTreeSet<_>>(), wanted);
    for path in on_disk("cu") {
        let file = files().into_iter().find(|file| file.name == name(&path)).unwrap();
        assert_eq!(file.text, fs::read_to_string(&path).unwrap(), "{}", file.name);
    }
    let headers: BTreeSet<String> = on_disk("cuh").iter().map(|path| name(path).to_owned()).collect();
    assert_eq!(HEADERS.iter().map(|header| header.0.to_owned()).collect::<BTreeSet<_>>(), headers);
}

#[test]
fn no_line_is_longer_than_120_columns() {
    let paths = ["kernels", "kernels/emulator"].map(|folder| fs::read_dir(folder).unwrap());
    for path in paths.into_iter().flatten().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let path = path.as_path();
        for (number, line) in (1..).zip(fs::read_to_string(path).unwrap().lines()) {
            let columns = line.chars().count();
            assert!(columns <= 120, "{}:{number} has {columns} columns", name(path));
        }
    }
}

#[test]
fn every_kernel_is_registered_and_listed() {
    for file in files() {
        let defined = definitions(file.text);
        let names: Vec<&str> = defined.iter().map(|kernel| kernel.name).collect();
        assert_eq!(file.text.matches("KERNEL __").count(), names.len(), "{}: a kernel definition has an unknown form", file.name);
        assert_eq!(names, registered(file.text), "{}: kernels defined and registered differ", file.name);
        let mut listed: Vec<&str> = listed().filter(|kernel| kernel.file.name == file.name).map(|kernel| kernel.name).collect();
        listed.sort_unstable();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, listed, "{}: kernels defined and listed in KERNELS differ", file.name);
    }
    let unique: BTreeSet<&str> = listed().map(|kernel| kernel.name).collect();
    assert_eq!(unique.len(), listed().count(), "two kernels have the same name");
}

#[test]
fn launch_bounds_and_costs_agree() {
    let mut wrong = Vec::new();
    for kernel in listed() {
        let defined = definitions(kernel.file.text).into_iter().find(|defined| defined.name == kernel.name).unwrap();
        let place = format!("{}: {}", kernel.file.name, kernel.name);
        if defined.threads != Some(kernel.threads) {
            wrong.push(format!("{place}: listed with {} threads per block, launch bounds {:?}", kernel.threads, defined.threads));
        }
        let unit = if kernel.unit == Unit::Matrix { " Unit: matrix." } else { "" };
        let costs = format!("FLOPs: {}. Bytes: {}.{unit}", kernel.flops, kernel.bytes);
        if !defined.comment.join(" ").contains(&costs) {
            wrong.push(format!("{place}: the comment lacks the line `{costs}`: {:?}", defined.comment));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn definitions_are_parsed() {
    let text = "// A file.\n#include \"dev.cuh\"\n\n// y = x.\n// FLOPs: 0. Bytes: 8 len.\nKERNEL __launch_bounds__(256)\n    \
        copy(const float* x) {}\nREGISTER_KERNEL(copy)\n\nKERNEL __launch_bounds__(64, 2) two() {}\nKERNEL plain() {}\nKERNELS();\n";
    let found = definitions(text);
    let comment = vec!["y = x.", "FLOPs: 0. Bytes: 8 len."];
    assert_eq!(found[0], Definition { name: "copy", threads: Some(256), comment });
    assert_eq!(found[1], Definition { name: "two", threads: Some(64), comment: vec![] });
    assert_eq!(found[2], Definition { name: "plain", threads: None, comment: vec![] });
    assert_eq!((found.len(), registered(text)), (3, vec!["copy"]));
}
