//! Files with the same content under other names: test images that a network was trained on, and images that are there twice.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::file::MAX_BYTES;
use crate::disk::bounded;

/// Bytes that are compared first, so that files of equal length are seldom read as a whole.
const HEAD: u64 = 1 << 16;

/// The length of a file and its first bytes.
type Head = (u64, Vec<u8>);

/// Those of `files` whose content is that of one of `others`, each with the first such one. A file that cannot be read has no
/// copy.
pub fn copies<'a>(files: impl IntoIterator<Item = &'a Path>, others: &'a [PathBuf]) -> Vec<(&'a Path, &'a Path)> {
    let mut by_length: HashMap<u64, Vec<&Path>> = HashMap::new();
    for path in others {
        by_length.entry(length(path).unwrap_or_default()).or_default().push(path);
    }
    let mut heads: HashMap<Head, Vec<&Path>> = HashMap::new();
    let mut found = Vec::new();
    for file in files {
        let Some(head) = head(file) else { continue };
        // The files of this length are read once.
        for path in by_length.remove(&head.0).unwrap_or_default() {
            heads.entry(self::head(path).unwrap_or_default()).or_default().push(path);
        }
        let same = heads.get(&head).into_iter().flatten().find(|other| is_same(file, other));
        found.extend(same.map(|other| (file, *other)));
    }
    found
}

/// Those of these files whose content is that of an earlier one, each with the first such one.
pub fn repeated(files: &[PathBuf]) -> Vec<(&Path, &Path)> {
    copies(files.iter().map(PathBuf::as_path), files).into_iter().filter(|(file, first)| file != first).collect()
}

/// The length of a regular file that is not empty.
fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().filter(|about| about.is_file() && about.len() > 0).map(|about| about.len())
}

fn head(path: &Path) -> Option<Head> {
    let (length, mut bytes) = (length(path)?, Vec::new());
    File::open(path).ok()?.take(HEAD).read_to_end(&mut bytes).ok()?;
    Some((length, bytes))
}

/// Whether two files of the same length with the same first bytes are the same to the end.
fn is_same(a: &Path, b: &Path) -> bool {
    let whole = |path| bounded::read(path, MAX_BYTES).ok();
    a == b || length(a).is_some_and(|length| length <= HEAD) || whole(a).is_some_and(|bytes| whole(b) == Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found_whatever_their_names_and_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let long = vec![7; HEAD as usize + 2];
        let other_end = [&long[1..], &[8]].concat();
        let others = [
            write("a", b"one"),
            write("b", b"two"),
            write("c", &long),
            write("d", b""),
            folder.path().join("none"),
            folder.path().to_owned(),
        ];
        let files = [
            write("1", b"two"),
            write("2", b"six"),
            write("3", &other_end),
            write("4", &long),
            write("5", b""),
            folder.path().join("gone"),
            write("6", b"two"),
        ];
        let found = copies(files.iter().map(PathBuf::as_path), &others);
        let names: Vec<String> = found
            .iter()
            .map(|(file, other)| [file, other].map(|path| path.file_name().unwrap().to_str().unwrap()).concat())
            .collect();
        assert_eq!(names, ["1b", "4c", "6b"]);
    }
}
