//! What a run may replace in its folder: a config and a log that a run has written. A config of the user is kept.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::config::Config;
use super::log_lines::{LONGEST, LONGEST_LINE};
use super::{CHECKPOINT_FILE, CONFIG_FILE, LOG_FILE};
use crate::data::write_bytes;
use crate::disk::{OwnFile, bounded, refused_link};
use crate::error::{Error, Result};

const REMEDY: &str = "choose another --out, or pass --overwrite to replace it";

/// Checks that a run with this config would lose nothing of the user in `out`: neither a config with comments and other settings,
/// nor a file that is no log. With `overwrite`, such a file may be lost unless it is one of these inputs.
///
/// # Errors
/// The file that would be lost; one that cannot be read.
pub fn check_own_files(config: &Config, out: &Path, resume: bool, overwrite: Option<&[PathBuf]>) -> Result<()> {
    in_the_way(config, out, resume).into_iter().try_for_each(|(path, error)| match overwrite {
        None => Err(error),
        Some(inputs) if is_one_of(&path, inputs) => {
            let reason = "is an input with other settings than this run, which would replace it; change them there, or choose another --out";
            Err(Error::file(path, reason))
        }
        Some(_) if path.is_symlink() => Err(refused_link(&path)),
        Some(_) if path.is_dir() => Err(error),
        Some(_) => Ok(()),
    })
}

/// Removes the files that [`check_own_files`] finds, but none of these inputs.
///
/// # Errors
/// As there with `overwrite`; a file that cannot be removed.
pub(super) fn clear_the_way(config: &Config, out: &Path, resume: bool, inputs: &[PathBuf]) -> Result<()> {
    check_own_files(config, out, resume, Some(inputs))?;
    in_the_way(config, out, resume)
        .into_iter()
        .try_for_each(|(path, _)| std::fs::remove_file(&path).map_err(|error| Error::io(path, "cannot be removed", error)))
}

/// The files that no run may replace, each with the reason.
fn in_the_way(config: &Config, out: &Path, resume: bool) -> Vec<(PathBuf, Error)> {
    let [own, log] = [CONFIG_FILE, LOG_FILE].map(|name| out.join(name));
    let config = check_config(config, &own, resume).err().map(|error| (own, error));
    // The log of a run that is resumed goes on, and nothing of it is lost.
    let log = if resume { None } else { check_log(&log).err().map(|error| (log, error)) };
    config.into_iter().chain(log).collect()
}

fn is_one_of(path: &Path, inputs: &[PathBuf]) -> bool {
    path.canonicalize().is_ok_and(|path| inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == path)))
}

/// Writes the complete config, unless the file that is there has the same settings and the user wrote it: its comments stay. So
/// they do when a run is resumed with other `[output]` settings or lengthened, then with a warning.
///
/// # Errors
/// As [`check_own_files`], or the file cannot be written.
pub(super) fn write_config(config: &Config, out: &Path, resume: bool) -> Result<ConfigFile> {
    let path = out.join(CONFIG_FILE);
    match check_config(config, &path, resume)? {
        Found::TheirsAndSame { steps, text } => {
            if steps != config.train.steps {
                let (path, now) = (path.display(), config.train.steps);
                log::warn!("{path}: stays as it is, with train.steps = {steps}, and the run has {now} now; change it there");
            }
            Ok(ConfigFile { path, text, is_theirs: true })
        }
        Found::NothingToLose => {
            let text = config.to_toml()?;
            if !resume {
                warn_of_other_settings(config, &path);
            }
            write_bytes(&path, text.as_bytes())?;
            Ok(ConfigFile { path, text, is_theirs: false })
        }
    }
}

/// Says which settings a run that made no checkpoint had, if those of the run that begins anew in its place are others.
fn warn_of_other_settings(config: &Config, path: &Path) {
    let found = bounded::read_text(path, bounded::CONFIG).ok().and_then(|text| Config::parse_with_notice(&text).ok());
    let differences = found.and_then(|(found, _)| found.differences(config, ["there", "now"]).ok()).unwrap_or_default();
    if !differences.is_empty() {
        let path = path.display();
        log::warn!("{path}: is of a run without a checkpoint and is replaced, with other settings: {}", differences.join("; "));
    }
}

/// The config in the folder of a run that trains.
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
    /// Whether the user wrote it.
    is_theirs: bool,
}

impl ConfigFile {
    /// At the end of the run: if the file has other settings by now, it gets another name, and that of the run takes its place.
    /// If it is of the user, it stays, with a warning.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn settle(&self) -> Result<()> {
        let parsed = |text: &str| Config::parse_with_notice(text).ok().map(|(config, _)| config);
        let is_same = |now: String| now == self.text || parsed(&now).is_some_and(|now| Some(now) == parsed(&self.text));
        let is_kept = bounded::read_text(&self.path, bounded::CONFIG).is_ok_and(is_same);
        if !is_kept && self.is_theirs {
            let path = self.path.display();
            log::warn!("{path}: is not as it was when the run began; {CHECKPOINT_FILE} has the settings that it trained with");
        } else if !is_kept {
            OwnFile::new(self.path.clone()).write(self.text.as_bytes())?;
        }
        Ok(())
    }
}

/// What is in the place of a config.
enum Found {
    /// A config of the user with the same settings, but for `[output]` and `train.steps` of a run that is resumed.
    TheirsAndSame {
        /// Its `train.steps`.
        steps: u64,
        text: String,
    },
    /// Nothing, or a config as a run of this or an earlier version writes it.
    NothingToLose,
}

fn check_config(config: &Config, path: &Path, resume: bool) -> Result<Found> {
    if path.is_dir() {
        return Err(Error::file(path, "is a folder; a file is needed here"));
    }
    if !path.is_file() {
        return Ok(Found::NothingToLose);
    }
    let text = bounded::read_text(path, bounded::CONFIG)?;
    match Config::parse_with_notice(&text) {
        Ok((found, _)) if !path.is_symlink() && is_of_a_run(&text, &found.to_toml()?, resume) => Ok(Found::NothingToLose),
        Ok((found, _)) if is_same(&found, config, resume) => Ok(Found::TheirsAndSame { steps: found.train.steps, text }),
        _ if path.is_symlink() => Err(refused_link(path)),
        Err(error) => {
            let reason = format!("cannot be read as a config ({error}), and a run would write its own there; {REMEDY}");
            Err(Error::file(path, reason))
        }
        _ => Err(Error::file(path, format!("has other settings than this run, and no run wrote it in this form; {REMEDY}"))),
    }
}

/// Whether the settings are those of the run. A run that is resumed has a checkpoint, against which its steps are checked.
fn is_same(found: &Config, config: &Config, resume: bool) -> bool {
    if !resume {
        return found == config;
    }
    let mut found = Config { output: config.output.clone(), ..found.clone() };
    found.train.steps = config.train.steps;
    found == *config
}

/// Whether a run wrote a config, which has the text `complete` in this version. An earlier version had other names of keys; that
/// is looked at only for a run that is resumed, where the file is most likely its own.
fn is_of_a_run(text: &str, complete: &str, resume: bool) -> bool {
    let keys = |text: &str| text.lines().filter(|line| line.contains(" = ")).count();
    text == complete || (resume && !text.contains('#') && keys(text) == keys(complete))
}

/// What a line of a log has: its step, and one of these, unless it is of a kind that only a later version knows.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "step")]
    _step: u64,
    loss: Option<IgnoredAny>,
    validation: Option<IgnoredAny>,
    warning: Option<IgnoredAny>,
}

impl Line {
    fn is_of_known_kind(&self) -> bool {
        self.loss.is_some() || self.validation.is_some() || self.warning.is_some()
    }
}

fn check_log(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let (file, length) = bounded::open(path, LONGEST)?;
    let is_own = is_log(BufReader::new(file)).map_err(|error| Error::read(path, error))?;
    if path.is_symlink() && length > 0 {
        return Err(refused_link(path));
    }
    if !is_own {
        return Err(Error::file(path, format!("is no log of a run, and a run would empty it; {REMEDY}")));
    }
    Ok(())
}

/// Whether all lines are of a log, and one of them of a kind that this version knows; there may be no line at all.
fn is_log(mut text: impl BufRead) -> io::Result<bool> {
    let (mut line, mut is_empty, mut is_known) = (Vec::new(), true, false);
    loop {
        line.clear();
        let length = (&mut text).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            // A crash can cut off the last line.
            let is_cut = length == 0 || (line.starts_with(b"{") && (length as u64) < LONGEST_LINE);
            return Ok(is_cut && (is_empty || is_known));
        }
        let Ok(own) = serde_json::from_slice::<Line>(&line) else { return Ok(false) };
        is_known |= own.is_of_known_kind();
        is_empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: &Config, out: &Path) -> String {
        check_own_files(config, out, false, None).unwrap_err().to_string()
    }

    #[test]
    fn only_what_a_run_wrote_is_replaced_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (out, config) = (folder.path(), Config { seed: 7, ..Config::default() });
        let write = |name: &str, text: &str| std::fs::write(out.join(name), text).unwrap();
        let read = || std::fs::read_to_string(out.join(CONFIG_FILE)).unwrap();
        check_own_files(&config, out, false, None).unwrap();
        write(CONFIG_FILE, "# my notes\nseed = 7\n");
        write_config(&config, out, false).unwrap();
        assert_eq!(read(), "# my notes\nseed = 7\n");
        for (text, reason) in [
            ("# my notes\nseed = 8\n", "has other settings than this run"),
            ("", "has other settings than this run"),
            ("no config", "cannot be read as a config (line 1, `no config`: "),
            ("later = 1\n", "cannot be read as a config (line 1, config key `later`: "),
        ] {
            write(CONFIG_FILE, text);
            assert!(refused(&config, out).contains(&format!("config.toml: {reason}")), "{text}");
            assert!(write_config(&config, out, false).is_err());
        }
        write(CONFIG_FILE, &Config::default().to_toml().unwrap());
        write_config(&config, out, false).unwrap();
        assert_eq!(read(), config.to_toml().unwrap());
    }

    #[test]
    fn only_what_is_in_the_way_is_removed_and_never_an_input() {
        let folder = tempfile::tempdir().unwrap();
        let (out, config) = (folder.path(), Config { seed: 7, ..Config::default() });
        let [own, log] = [CONFIG_FILE, LOG_FILE].map(|name| out.join(name));
        let write = |text: &str| std::fs::write(&own, text).unwrap();
        write("# my notes\nseed = 7\n");
        std::fs::write(&log, "{\"step\":1,\"loss\":0.5}\n").unwrap();
        clear_the_way(&config, out, false, &[]).unwrap();
        assert!(own.exists() && log.exists());
        write("# my notes\nseed = 8\n");
        std::fs::write(&log, "mine\n").unwrap();
        let inputs = [out.join("./config.toml")];
        for resume in [false, true] {
            let error = clear_the_way(&config, out, resume, &inputs).unwrap_err().to_string();
            assert!(error.contains("config.toml: is an input with other settings than this run"), "{error}");
            assert!(check_own_files(&config, out, resume, Some(&inputs)).is_err() && own.exists() && log.exists());
        }
        clear_the_way(&config, out, true, &[]).unwrap();
        assert!(!own.exists() && log.exists(), "the log of a run that is resumed goes on");
        clear_the_way(&config, out, false, &[]).unwrap();
        assert!(!log.exists());
    }

    #[test]
    fn comments_stay_when_a_run_is_lengthened_or_writes_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let (out, mut config) = (folder.path(), Config::default());
        std::fs::write(out.join(CONFIG_FILE), "# my notes\n").unwrap();
        config.train.steps += 3;
        config.output.validate_every = 2;
        assert!(check_own_files(&config, out, false, None).is_err());
        check_own_files(&config, out, true, None).unwrap();
        write_config(&config, out, true).unwrap();
        assert_eq!(std::fs::read(out.join(CONFIG_FILE)).unwrap(), b"# my notes\n");
        config.seed = 7;
        assert!(check_own_files(&config, out, true, None).is_err());
    }

    /// A step, and a line of a kind from the future.
    const LATER: &str = "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"something\":{\"new\":1}}\n";

    #[test]
    fn a_log_is_known_by_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (out, config) = (folder.path(), Config::default());
        let write = |text: &str| std::fs::write(out.join(LOG_FILE), text).unwrap();
        for text in ["", "{\"step\":1,\"loss\":0.5}\n", "{\"step\":1,\"warning\":1}\n{\"st", LATER] {
            write(text);
            check_own_files(&config, out, false, None).unwrap();
        }
        let endless = format!("{{{}", " ".repeat(LONGEST_LINE as usize));
        let foreign = ["my log\n", "my log", "{\"step\":1,\"loss\":1}\nmine\n", "{\"a\":1}\n", "{\"step\":1,\"mine\":2}\n"];
        for text in foreign.into_iter().chain([&endless[..], "{\"step\":1,\"mine\":2}\n{\"st"]) {
            write(text);
            assert!(refused(&config, out).contains("log.jsonl: is no log of a run"), "{text}");
            check_own_files(&config, out, true, None).unwrap();
        }
    }
}
