//! The checkpoint that a run continues from, and what must not have changed since it was written.

use std::path::Path;

use super::config::Config;
use super::{CHECKPOINT_FILE, CONFIG_FILE, MODEL_FILE, PREVIOUS_FILE};
use crate::backend::Arithmetic;
use crate::data::SkippedShare;
use crate::disk::put_aside;
use crate::error::{Error, Result};
use crate::train::{Checkpoint, Lengthening, OptimiserConfig};

/// How a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In a folder without a run.
    New,
    /// From the checkpoint in its folder, to the weights of a run that was not interrupted, unless something else is accepted.
    Resume(Accepted),
}

impl Start {
    pub(super) fn accepts_changes(self) -> bool {
        matches!(self, Self::Resume(Accepted { changes: true, .. }))
    }
}

/// What may differ from the run so far when it is resumed. The weights are then not those of an uninterrupted run, and a warning
/// says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Training images and precision.
    pub changes: bool,
    /// A larger `train.steps`, and with it the schedule of the learning rate.
    pub steps: bool,
}

/// Whether a folder has a checkpoint to resume from.
pub fn has_checkpoint(folder: &Path) -> bool {
    [CHECKPOINT_FILE, PREVIOUS_FILE].iter().any(|name| folder.join(name).exists())
}

/// The settings that the checkpoint in a folder has, for a run whose config is lost; `None` without a checkpoint.
///
/// # Errors
/// No checkpoint that can be used.
pub fn settings_of_checkpoint(folder: &Path) -> Result<Option<Config>> {
    has_checkpoint(folder).then(|| usable(folder).map(|found| found.config)).transpose()
}

/// The `train.steps` of the run in a folder, if a config with `steps` is of this run before it was lengthened; else `steps`. A
/// config of the user stays as it is when a run is lengthened.
pub fn steps_now(folder: &Path, steps: u64) -> u64 {
    // What is wrong with a checkpoint is said when it is continued from.
    let of_run = usable(folder).ok().filter(|found| found.was_lengthened_from(steps));
    of_run.map_or(steps, |found| found.config.train.steps)
}

/// How the steps of a run are made, from the first on.
pub(super) struct History {
    /// What they are computed with, each once in a row.
    pub(super) arithmetic: Vec<Arithmetic>,
    /// Where the run got more steps.
    pub(super) lengthened: Vec<Lengthening>,
    /// The last steps before the training images became others.
    pub(super) other_images: Vec<u64>,
}

impl History {
    /// The changes by which the run is another one than its settings say, in words, in order.
    pub(super) fn changes(&self) -> Vec<String> {
        let longer = self.lengthened.iter().map(|own| (own.after, own.to_string()));
        let images = self.other_images.iter().map(|after| (*after, format!("other training images after step {after}")));
        let mut all: Vec<(u64, String)> = longer.chain(images).collect();
        all.sort_by_key(|(after, _)| *after);
        all.into_iter().map(|(_, words)| words).collect()
    }
}

/// A checkpoint to continue from.
pub(super) struct Found {
    pub(super) checkpoint: Checkpoint,
    /// Its config.
    pub(super) config: Config,
    /// Why the last checkpoint cannot be used, if this is the one before it.
    pub(super) damage: Option<Error>,
}

/// The checkpoint in `out`, which must be of this config; none for a new run.
///
/// # Errors
/// A new run in a folder that holds one, or a file in the place of its weights or checkpoints; no usable checkpoint; one of
/// another config, with the keys that differ.
pub(super) fn find(config: &Config, out: &Path, start: Start) -> Result<Option<Found>> {
    match (start, has_checkpoint(out)) {
        (Start::New, false) if !out.join(MODEL_FILE).exists() => Ok(None),
        (Start::New, _) => Err(taken(out)),
        (Start::Resume(_), false) => Err(without_checkpoint(out)),
        (Start::Resume(accepted), true) => {
            let found = usable(out)?;
            // What a run writes on the way does not change its result.
            let mut known = Config { output: config.output.clone(), ..found.config.clone() };
            if known.train.steps < config.train.steps && accepted.steps {
                known.train.steps = config.train.steps;
            }
            let differences = known.differences(config, ["there", "now"])?;
            if differences.is_empty() {
                return Ok(Some(found));
            }
            // Only on the command line, because it is easily left over in a file.
            let hint = match (known.train.steps, config.train.steps) {
                _ if differences.len() > 1 => String::new(),
                (then, now) if then < now => format!("; --steps {now} lengthens the run"),
                (then, now) if found.was_lengthened_from(now) => format!("; --steps {then} continues the lengthened run"),
                (then, now) if then > now => format!("; a run can only be lengthened: --steps {then} continues it"),
                _ => String::new(),
            };
            let previous = if found.damage.is_none() { previous_fits(config, out) } else { String::new() };
            let reason = format!("was made with another config: {}{hint}{previous}", differences.join("; "));
            Err(match found.damage {
                None => Error::file(out.join(CHECKPOINT_FILE), reason),
                Some(damage) => Error::argument(format!("{damage}; {} {reason}", out.join(PREVIOUS_FILE).display())),
            })
        }
    }
}

/// How the checkpoint before the last one is continued from, if only that is of this config.
fn previous_fits(config: &Config, out: &Path) -> String {
    let [last, previous] = [CHECKPOINT_FILE, PREVIOUS_FILE].map(|name| out.join(name));
    match read_checkpoint(&previous) {
        Ok((checkpoint, own)) if (Config { output: config.output.clone(), ..own.clone() }) == *config => {
            let (step, last, previous) = (checkpoint.step, last.display(), previous.display());
            format!("; {previous}, of step {step}, is of this config: to go on from it, move {last} away and repeat the command")
        }
        _ => String::new(),
    }
}

/// Why no run can begin in a folder that has a file of a run.
fn taken(out: &Path) -> Error {
    let mut paths = [CHECKPOINT_FILE, PREVIOUS_FILE, MODEL_FILE].map(|name| out.join(name)).into_iter();
    let is_none = |error: &Error| is_missing(error) || is_lost(&out.join(CHECKPOINT_FILE), error);
    match paths.find(|path| path.exists()).filter(|_| usable(out).is_err_and(|error| is_none(&error))) {
        Some(path) => Error::file(path, "is there already, where a run writes its own; move it away, or choose another folder"),
        None => Error::file(out, "already holds a run; continue it with --resume or choose another folder"),
    }
}

/// That there is nothing to resume from, and how a run begins instead.
fn without_checkpoint(out: &Path) -> Error {
    let own = out.join(CONFIG_FILE);
    let remedy = match (out.join(MODEL_FILE).exists(), own.is_file()) {
        // There no run begins.
        (true, _) => String::new(),
        (_, true) => format!(" yet; to begin anew, leave out --resume and pass --config {}", own.display()),
        (_, false) => "; to begin a run there, leave out --resume".to_owned(),
    };
    Error::file(out, format!("holds no {CHECKPOINT_FILE} to resume from{remedy}"))
}

/// The last checkpoint with its config, or the one before if that is missing, damaged or no file. One that only cannot be read
/// now, or not by this version, is not given up.
fn usable(out: &Path) -> Result<Found> {
    let last = out.join(CHECKPOINT_FILE);
    let damage = match read_checkpoint(&last) {
        Ok((checkpoint, config)) => return Ok(Found { checkpoint, config, damage: None }),
        Err(error) if is_missing(&error) || is_lost(&last, &error) => error,
        Err(error) => return Err(error),
    };
    match read_checkpoint(&out.join(PREVIOUS_FILE)) {
        Ok((checkpoint, config)) => Ok(Found { checkpoint, config, damage: Some(damage) }),
        Err(error) if is_missing(&damage) => Err(error),
        Err(error) if is_missing(&error) => Err(damage),
        Err(error) => Err(neither(out, &damage, &error)),
    }
}

/// That the last checkpoint is damaged, and what is wrong with the one before it.
fn neither(out: &Path, damage: &Error, error: &Error) -> Error {
    let remedy = match (is_lost(&out.join(PREVIOUS_FILE), error), out.join(MODEL_FILE).exists()) {
        (true, true) => "; neither can be resumed from: to train anew, choose another --out",
        (true, false) => "; neither can be resumed from: to train anew, remove both or choose another --out",
        // It may be readable another time, or by another version.
        (false, _) => "",
    };
    Error::file(out.join(CHECKPOINT_FILE), format!("{}; {error}{remedy}", damage.root()))
}

/// Whether what is there will never be read as a checkpoint: it is damaged, or a folder or a pipe is in the place of the file.
fn is_lost(path: &Path, error: &Error) -> bool {
    matches!(error.root(), Error::Format(_)) || path.metadata().is_ok_and(|about| !about.is_file())
}

fn is_missing(error: &Error) -> bool {
    matches!(error.root(), Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// A checkpoint and its config.
pub(super) fn read_checkpoint(path: &Path) -> Result<(Checkpoint, Config)> {
    let checkpoint = Checkpoint::read(path)?;
    // Parsed, because an older version may have used other names of keys.
    let (config, _) = Config::parse_with_notice(&checkpoint.config).map_err(|error| Error::file(path, error))?;
    let (step, steps) = (checkpoint.step, config.train.steps);
    if step > steps {
        return Err(Error::file(path, format!("not a checkpoint: it is of step {step}, and train.steps is {steps}")));
    }
    Ok((checkpoint, config))
}

impl Found {
    fn was_lengthened_from(&self, steps: u64) -> bool {
        self.checkpoint.lengthened.iter().any(|earlier| earlier.from == steps)
    }

    /// Says that the last checkpoint is damaged, puts it aside, and the one before in its place, so that the next one does not
    /// drive out the good one.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub(super) fn settle(&self, out: &Path) -> Result<()> {
        let Some(damage) = &self.damage else { return Ok(()) };
        let [last, previous] = [CHECKPOINT_FILE, PREVIOUS_FILE].map(|name| out.join(name));
        log::warn!("{damage}; going on from step {} of {} instead", self.checkpoint.step, previous.display());
        if last.symlink_metadata().is_ok() {
            let what = if last.is_file() { "the damaged checkpoint" } else { "what was in its place" };
            let aside = put_aside(&last, "damaged")?;
            log::warn!("{what} is kept as {}", aside.display());
        }
        std::fs::rename(&previous, &last).map_err(|error| Error::write(&last, error))
    }

    /// The last steps before the training images became others, with those of now.
    pub(super) fn other_images(&self, now: &str) -> Vec<u64> {
        let mut all = self.checkpoint.other_images.clone();
        if self.checkpoint.images.as_deref().is_some_and(|images| images != now) {
            all.push(self.checkpoint.step);
        }
        all
    }

    /// Checks that the checkpoint was made with the images that are used now, by their fingerprint. `skipped` is how many files
    /// cannot be used now.
    ///
    /// # Errors
    /// Other images, unless changes are accepted.
    pub(super) fn check_images(&self, (now, skipped): (&str, Option<SkippedShare>), out: &Path, start: Start) -> Result<()> {
        let then = self.checkpoint.skipped;
        match self.checkpoint.images.as_deref() {
            Some(images) if images != now => {
                let reason = "was made with other training images, or some of them have changed since";
                let words =
                    |share: Option<SkippedShare>| share.map_or_else(|| "no file skipped".to_owned(), |own| own.to_string());
                let differ = format!("{reason} ({} then, {} now)", words(then), words(skipped));
                let reason = if then == skipped { reason } else { &differ };
                refuse_or_warn(out, reason, "choose another folder for these", start)
            }
            _ => Ok(()),
        }
    }

    /// Says what a larger `train.steps` does to the learning rate, and returns all lengthenings of the run so far.
    pub(super) fn lengthened(&self, config: &Config) -> Vec<Lengthening> {
        let mut all = self.checkpoint.lengthened.clone();
        let (after, from, to) = (self.checkpoint.step, self.config.train.steps, config.train.steps);
        if from == to {
            return all;
        }
        let old = OptimiserConfig { steps: from, ..config.train.clone() };
        let [before, now] = [old.learning_rate_at(after.max(1)), config.train.learning_rate_at(after + 1)];
        log::warn!(
            "train.steps was {from} and is {to} from step {} on: the learning rate goes from {before:.3e} to {now:.3e} there and then follows \
             the schedule of {to} steps, so the weights will not be those of a run that had {to} steps from the start",
            after + 1
        );
        all.push(Lengthening { after, from });
        all
    }

    /// Checks that the steps are computed as those before: another precision is another training, like another config. Another
    /// device or other instructions round differently and nothing more, and which one is free is often not a choice, so they give
    /// a warning.
    ///
    /// # Errors
    /// Another precision, unless changes are accepted.
    pub(super) fn check_arithmetic(&self, now: &Arithmetic, out: &Path, start: Start) -> Result<()> {
        let Some(then) = self.checkpoint.arithmetic.last() else { return Ok(()) };
        if then.precision != now.precision {
            let reason = format!("was made with precision {}, and now it is {}", then.precision, now.precision);
            refuse_or_warn(out, &reason, &format!("go on with --precision {}", then.precision), start)?;
        }
        let fields = [("device", &then.device, &now.device), ("instructions", &then.instructions, &now.instructions)];
        let differing = fields.into_iter().filter(|(_, then, now)| then != now);
        let differing: Vec<String> =
            differing.map(|(name, then, now)| format!("{name} {} there and {} now", shown(then), shown(now))).collect();
        if !differing.is_empty() {
            log::warn!(
                "{}: {}, so the weights will not be those of an uninterrupted run to the last bit",
                out.join(CHECKPOINT_FILE).display(),
                differing.join("; ")
            );
        }
        Ok(())
    }
}

fn shown(name: &str) -> &str {
    if name.is_empty() { "unknown" } else { name }
}

fn refuse_or_warn(out: &Path, reason: &str, remedy: &str, start: Start) -> Result<()> {
    let path = out.join(CHECKPOINT_FILE);
    if start.accepts_changes() {
        log::warn!("{}: {reason}; the weights will not be those of an uninterrupted run", path.display());
        return Ok(());
    }
    Err(Error::file(path, format!("{reason}; {remedy}, or pass --accept-changes")))
}
