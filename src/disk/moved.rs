//! Files that are noted before they get their places.

use std::path::{Path, PathBuf};

use super::bounded;
use super::outputs::Outputs;
use super::record::{RECORD, Record};
use crate::error::Result;

/// Notes in `folder` that `command` wrote files which still lie below `draft` and will be moved to the same places below `folder`.
/// So a command that is killed right after it has moved them knows them later. The draft gets a record of its own, whose lines
/// are the same, because they name places below the folder.
///
/// # Errors
/// A file that cannot be read, or a record cannot be written.
pub fn note_before_move(folder: &Path, command: &'static str, draft: &Path, files: &[PathBuf]) -> Result<()> {
    Outputs::new(draft, command, false)?.adopt(files)?;
    let text = bounded::read_text(&draft.join(RECORD), bounded::TEXT)?;
    let digests = text.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix(' ')).map(str::to_owned);
    Record::read(folder, command)?.add(digests.collect(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_where_they_will_be() {
        let folder = tempfile::tempdir().unwrap();
        let (draft, place) = (folder.path().join(".draft"), folder.path().join("deep"));
        std::fs::create_dir_all(draft.join("deep")).unwrap();
        std::fs::write(draft.join("deep/a"), "a").unwrap();
        note_before_move(folder.path(), "demo", &draft, &[draft.join("deep/a")]).unwrap();
        std::fs::rename(draft.join("deep"), &place).unwrap();
        let is_own = |command| Outputs::new(folder.path(), command, false).unwrap().is_own(&place.join("a")).unwrap();
        assert!(is_own("demo") && !is_own("detect"));
        std::fs::write(place.join("a"), "mine").unwrap();
        assert!(!is_own("demo"));
    }
}
