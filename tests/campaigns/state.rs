//! What may be in a folder after a command was cut short.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The files below a folder by relative path; the lock is left out.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

pub fn files(folder: &Path) -> Files {
    let all = if folder.exists() { crate::fixture::tree(folder) } else { BTreeMap::new() };
    let files = all.into_iter().filter_map(|(path, bytes)| Some((path, bytes?)));
    files.filter(|(path, _)| path.file_name().is_some_and(|name| name != ".lock")).collect()
}

/// The record of what commands wrote, whose lines are added one by one.
fn is_record(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == orthoscope::disk::RECORD)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own == extension)
}

/// What a log says of its steps, without times.
fn steps(bytes: &[u8]) -> Vec<(Value, Value)> {
    let complete = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let lines = complete.map(|line| serde_json::from_slice::<Value>(line).expect("a line of a log"));
    lines.map(|line| (line["step"].clone(), line["loss"].clone())).collect()
}

/// Whether two versions of a file say the same, apart from times.
pub fn is_same(path: &Path, one: &[u8], other: &[u8]) -> bool {
    one == other || (has_extension(path, "jsonl") && steps(one) == steps(other))
}

/// What a command writes: the same files each time, but for those that hold times.
pub struct Reference {
    pub files: Files,
    varying: Vec<PathBuf>,
}

impl Reference {
    /// From two runs of the command.
    pub fn of([one, other]: [Files; 2]) -> Self {
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&one), names(&other), "two runs write other files");
        let varying =
            one.iter().filter(|(path, bytes)| !is_same(path, bytes, &other[*path])).map(|(path, _)| path.clone()).collect();
        Self { files: one, varying }
    }

    /// Lets these files differ, too.
    pub fn let_vary(&mut self, names: &[&str]) {
        for path in names.iter().map(PathBuf::from) {
            assert!(self.files.contains_key(&path), "{} is not among the files", path.display());
            if !self.varying.contains(&path) {
                self.varying.push(path);
            }
        }
    }

    pub fn varying(&self) -> &[PathBuf] {
        &self.varying
    }

    /// What is wrong with the files of a command that was cut short in a folder with the files `before`.
    pub fn fault(&self, found: &Files, before: &Files) -> Option<String> {
        found.iter().find_map(|(path, bytes)| {
            if has_extension(path, "part") {
                return Some(format!("{} is left", path.display()));
            }
            let is_fine = self.is_old_or_new(path, bytes, before);
            (!is_fine).then(|| format!("{} is neither old nor new, with {} bytes", path.display(), bytes.len()))
        })
    }

    fn is_old_or_new(&self, path: &Path, bytes: &[u8], before: &Files) -> bool {
        let mut whole = self.files.get(path).into_iter().chain(before.get(path));
        if has_extension(path, "jsonl") {
            return whole.any(|whole| steps(whole).starts_with(&steps(bytes)));
        }
        // A checkpoint of an earlier step has a digest that fits.
        let is_earlier = || has_extension(path, "safetensors") && is_checkpoint(bytes);
        let is_varying = || self.varying.iter().any(|varying| varying == path) && is_complete(path, bytes);
        whole.any(|whole| whole == bytes) || is_record(path) || is_earlier() || is_varying()
    }

    /// What is wrong with the files of a command that was not cut short.
    pub fn difference(&self, found: &Files) -> Option<String> {
        let missing = self.files.keys().find(|path| !found.contains_key(*path));
        let other = found.iter().find(|(path, bytes)| {
            let whole = self.files.get(*path);
            let is_fine =
                is_record(path) || self.varying.contains(path) || whole.is_some_and(|whole| is_same(path, whole, bytes));
            !is_fine
        });
        missing.or(other.map(|(path, _)| path)).map(|path| format!("{} is missing or not the same", path.display()))
    }
}

fn is_checkpoint(bytes: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    orthoscope::train::Checkpoint::read(file.path()).is_ok()
}

/// Whether a file that differs from run to run was written to its end.
fn is_complete(path: &Path, bytes: &[u8]) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_slice::<Value>(bytes).is_ok(),
        Some("html") => bytes.trim_ascii_end().ends_with(b"</html>"),
        Some("svg") => bytes.trim_ascii_end().ends_with(b"</svg>"),
        Some("csv") => bytes.ends_with(b"\n"),
        other => panic!("{}: nothing is known of the end of {other:?}", path.display()),
    }
}
