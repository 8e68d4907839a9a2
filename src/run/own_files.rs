//! What a run may replace in its folder: a config and a log that a run has written. A config of the user is kept.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::config::Config;
use super::{CONFIG_FILE, LOG_FILE};
use crate::data::write_bytes;
use crate::disk::bounded;
use crate::error::{Error, Result};

const REMEDY: &str = "choose another --out, or pass --overwrite to replace it";

/// Checks that a run with this config would lose nothing of the user in `out`: neither a config with comments and other settings, nor a file
/// that is no log, nor what a link leads to.
///
/// # Errors
/// The file that would be lost; one that cannot be read.
pub fn check_own_files(config: &Config, out: &Path, resume: bool) -> Result<()> {
    check_config(config, &out.join(CONFIG_FILE), resume)?;
    // The log of a run that is resumed goes on.
    if resume { Ok(()) } else { check_log(&out.join(LOG_FILE)) }
}

/// Removes the files of [`check_own_files`].
///
/// # Errors
/// A file that cannot be removed.
pub fn remove_files_in_the_way(out: &Path) -> Result<()> {
    for path in [CONFIG_FILE, LOG_FILE].map(|name| out.join(name)) {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(path, "cannot be removed", error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes the complete config, unless the file that is there has the same settings and the user wrote it: its comments stay.
///
/// # Errors
/// As [`check_own_files`], or the file cannot be written.
pub(super) fn write_config(config: &Config, out: &Path, resume: bool) -> Result<()> {
    let path = out.join(CONFIG_FILE);
    match check_config(config, &path, resume)? {
        Found::TheirsAndSame => Ok(()),
        Found::NothingToLose => write_bytes(&path, config.to_toml()?.as_bytes()),
    }
}

/// What is in the place of a config.
enum Found {
    /// A config of the user with the same settings.
    TheirsAndSame,
    /// Nothing, or a config as a run of this or an earlier version writes it.
    NothingToLose,
}

fn check_config(config: &Config, path: &Path, resume: bool) -> Result<Found> {
    if !path.is_file() {
        return Ok(Found::NothingToLose);
    }
    let text = bounded::read_text(path, bounded::CONFIG)?;
    match Config::parse_with_notice(&text) {
        Ok((found, _)) if !path.is_symlink() && is_of_a_run(&text, &found.to_toml()?, resume) => Ok(Found::NothingToLose),
        Ok((found, _)) if found == *config => Ok(Found::TheirsAndSame),
        _ => Err(Error::file(path, format!("has other settings than this run, and no run wrote it in this form; {REMEDY}"))),
    }
}

/// Whether a run wrote a config, which has the text `complete` in this version. An earlier version had other names of keys; that is looked
/// at only for a run that is resumed, where the file is most likely its own.
fn is_of_a_run(text: &str, complete: &str, resume: bool) -> bool {
    let keys = |text: &str| text.lines().filter(|line| line.contains(" = ")).count();
    text == complete || (resume && !text.contains('#') && keys(text) == keys(complete))
}

/// All that every line of a log has.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "step")]
    _step: IgnoredAny,
}

fn check_log(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let bytes = bounded::read(path, bounded::TEXT)?;
    // A crash can cut off the last line.
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let is_cut = |line: &[u8]| !line.ends_with(b"\n") && !line.starts_with(b"{");
    let is_foreign = bytes.split_inclusive(|&byte| byte == b'\n').next_back().is_some_and(is_cut);
    if is_foreign
        || (path.is_symlink() && !bytes.is_empty())
        || lines.into_iter().any(|line| serde_json::from_slice::<Line>(line).is_err())
    {
        return Err(Error::file(path, format!("is no log of a run, and a run would empty it; {REMEDY}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: &Config, out: &Path) -> String {
        check_own_files(config, out, false).unwrap_err().to_string()
    }

    #[test]
    fn only_what_a_run_wrote_is_replaced_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (out, config) = (folder.path(), Config { seed: 7, ..Config::default() });
        let write = |name: &str, text: &str| std::fs::write(out.join(name), text).unwrap();
        let read = || std::fs::read_to_string(out.join(CONFIG_FILE)).unwrap();
        check_own_files(&config, out, false).unwrap();
        write(CONFIG_FILE, "# my notes\nseed = 7\n");
        write_config(&config, out, false).unwrap();
        assert_eq!(read(), "# my notes\nseed = 7\n");
        for text in ["# my notes\nseed = 8\n", "no config", ""] {
            write(CONFIG_FILE, text);
            assert!(refused(&config, out).contains("config.toml: has other settings than this run"), "{text}");
            assert!(write_config(&config, out, false).is_err());
        }
        write(CONFIG_FILE, &Config::default().to_toml().unwrap());
        write_config(&config, out, false).unwrap();
        assert_eq!(read(), config.to_toml().unwrap());
    }

    #[test]
    fn a_log_is_known_by_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (out, config) = (folder.path(), Config::default());
        let write = |text: &str| std::fs::write(out.join(LOG_FILE), text).unwrap();
        for text in ["", "{\"step\":1,\"loss\":0.5}\n", "{\"step\":1}\n{\"st"] {
            write(text);
            check_own_files(&config, out, false).unwrap();
        }
        for text in ["my log\n", "my log", "{\"step\":1}\nmine\n", "{\"a\":1}\n"] {
            write(text);
            assert!(refused(&config, out).contains("log.jsonl: is no log of a run"), "{text}");
            check_own_files(&config, out, true).unwrap();
        }
        remove_files_in_the_way(out).unwrap();
        check_own_files(&config, out, false).unwrap();
    }
}
