//! Which pictures in a folder are results of this program, for commands that read folders of pictures: what one command wrote is
//! not the next one's input.

use std::path::Path;

use super::outputs::Outputs;
use super::record::RECORD;

/// Commands that write pictures which nobody wants to train on or inspect. The images that a demo generates are none of these.
const COMMANDS: [&str; 7] = ["detect", "evaluate", "figures", "data preview", "train", "verify", "reproduce"];

/// The records of results that were met in folders.
#[derive(Default)]
pub struct Results(Vec<Outputs>);

impl Results {
    /// Reads the record of a folder, if it has one. One that cannot be read counts as none: its folder can still be read.
    pub fn enter(&mut self, folder: &Path) {
        if folder.join(RECORD).is_file() {
            self.0.extend(COMMANDS.iter().filter_map(|command| Outputs::new(folder, command, false).ok()));
        }
    }

    /// The command that wrote a file as it is now, by the records of the folders above it that were entered. The path begins with
    /// these folders as they were given. A file that cannot be read is nobody's result.
    pub fn writer_of(&self, path: &Path) -> Option<&'static str> {
        let above = self.0.iter().filter(|outputs| path.starts_with(outputs.folder()));
        above.filter(|outputs| outputs.is_own(path).unwrap_or(false)).map(Outputs::command).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_known_by_its_record_until_it_is_changed_or_moved() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        Outputs::new(&at("found"), "detect", false).unwrap().write(&at("found/deep/a.png"), b"a").unwrap();
        Outputs::new(folder.path(), "data preview", false).unwrap().write(&at("sheet.png"), b"sheet").unwrap();
        Outputs::new(&at("demo"), "demo", false).unwrap().write(&at("demo/a.png"), b"a").unwrap();
        std::fs::write(at("found/mine.png"), "mine").unwrap();
        std::fs::copy(at("sheet.png"), at("found/sheet.png")).unwrap();
        let mut results = Results::default();
        assert_eq!(results.writer_of(&at("sheet.png")), None, "not entered");
        ["", "found", "found/deep", "demo", "none"].iter().for_each(|name| results.enter(&at(name)));
        for (name, command) in [
            ("sheet.png", Some("data preview")),
            ("found/deep/a.png", Some("detect")),
            ("found/mine.png", None),
            ("found/sheet.png", None),
            ("demo/a.png", None),
            ("none.png", None),
        ] {
            assert_eq!(results.writer_of(&at(name)), command, "{name}");
        }
        std::fs::write(at("found/deep/a.png"), "edited").unwrap();
        assert_eq!(results.writer_of(&at("found/deep/a.png")), None);
    }
}
