use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::broken_text::{mistake, unclosed_list};
use super::config_text::{Fault, Misfit, QUOTED, first_misfit, in_line, line_at, line_of};
use super::keys;
use super::large_numbers::too_large;
use super::wrong_values::{among_words, in_plain_words, is_time, shown};
use crate::data::corruption::CorruptionConfig;
use crate::data::{AugmentConfig, Fit, Preparation};
use crate::detect::DetectionConfig;
use crate::disk::bounded;
use crate::error::{Error, Result, shortened};
use crate::model::{Architecture, Autoencoder};
use crate::train::{ObjectiveConfig, OptimiserConfig, Recipe};

/// The default config as TOML, with a comment for every key.
pub const DEFAULT_CONFIG: &str = include_str!("defaults.toml");

/// Everything that affects a result, as written in `config.toml`. Every key has a default; unknown keys are errors. Keys that
/// were renamed are still read under their old names, with a warning in the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Seed of weights, batches and corruption.
    pub seed: u64,
    /// `[model]`: Model I or II.
    pub model: Autoencoder,
    /// `[data]`: resolution and replacement textures.
    pub data: DataConfig,
    /// `[augment]`: augmentations that keep a normal image normal.
    pub augment: AugmentConfig,
    /// `[corruption]`: Method §2.
    pub corruption: CorruptionConfig,
    /// `[objective]`: Method §3.
    pub objective: ObjectiveConfig,
    /// `[train]`: Adam and its schedule.
    pub train: OptimiserConfig,
    /// `[detection]`: Method §6.
    pub detection: DetectionConfig,
    /// `[output]`: how often a run writes. Affects no result.
    pub output: OutputConfig,
}

/// Training resolution, replacement textures, and the images held out for thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataConfig {
    /// Side of a training image, a multiple of 8.
    pub size: usize,
    /// `stretch`, `crop` or `native`.
    pub fit: Fit,
    /// Shorter side after resizing with `crop`; 0 keeps the size.
    pub shorter_side: usize,
    /// The value that is white in images with more than 8 bits per sample, such as 4095; 0 means as the format says.
    pub white_level: f64,
    /// Folder of replacement textures, relative to the working directory; without it they are generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub textures: Option<PathBuf>,
    /// Fraction of the training images that is held out to set the thresholds.
    pub held_out: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { size: 128, fit: Fit::Stretch, shorter_side: 0, white_level: 0.0, textures: None, held_out: 0.1 }
    }
}

/// How often a run writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputConfig {
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between validations, which go into the log; 0 for none.
    pub validate_every: u64,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self { checkpoint_every: 200, validate_every: 0 }
    }
}

impl Config {
    /// Reads and checks a config file.
    ///
    /// # Errors
    /// An unreadable file, bad TOML, an unknown key (with its path), a value outside its range.
    pub fn read(path: &Path) -> Result<Self> {
        let text = bounded::read_text(path, bounded::CONFIG)?;
        let (own, notice) = Self::parse_with_notice(&text).map_err(|error| error.in_file(path))?;
        if let Some(notice) = notice {
            log::warn!("{}: {notice}", path.display());
        }
        Ok(own)
    }

    /// The defaults, overridden by the first file, that by the next, and so on; only the merged values must be in their ranges.
    /// The texture folder is replaced by `textures` if that is given.
    ///
    /// # Errors
    /// As [`Config::read`]; of several files the last one is named if the merged config has a value outside its range.
    pub fn read_layers(paths: &[PathBuf], textures: Option<&Path>) -> Result<Self> {
        let mut own = match paths {
            [path] => Self::read(path)?,
            paths => {
                let read = |path: &PathBuf| Ok((path.clone(), bounded::read_text(path, bounded::CONFIG)?));
                Self::of_layers(&paths.iter().map(read).collect::<Result<Vec<_>>>()?)?
            }
        };
        own.data.textures = textures.map(Path::to_owned).or(own.data.textures);
        Ok(own)
    }

    /// The same from texts with their names; without any, the defaults.
    pub(super) fn of_layers(layers: &[(PathBuf, String)]) -> Result<Self> {
        let mut merged = toml::Table::new();
        for (path, text) in layers {
            Self::read_keys(text).map_err(|error| error.in_file(path))?;
            keys::merge(&mut merged, text.parse().map_err(|error| bad_toml(text, &error).in_file(path))?);
        }
        let text = toml::to_string(&merged).map_err(|error| Error::format(error.to_string()))?;
        // The lines of the merged text are in no file.
        let in_last = |error: Error| match (error, layers.last()) {
            (Error::Config { key, reason, .. }, Some((path, _))) => Error::Config { line: None, key, reason }.in_file(path),
            (error, Some((path, _))) => error.in_file(path),
            (error, None) => error,
        };
        let (own, notice) = Self::read_keys(&text).map_err(in_last)?;
        notice.iter().for_each(|notice| log::warn!("{notice}"));
        own.validate().map_err(in_last)?;
        Ok(own)
    }

    /// Every key whose value differs, as `train.steps is 4 in the first config and 5 in the second`, with these names of the
    /// configs.
    ///
    /// # Errors
    /// As [`Config::to_toml`].
    pub fn differences(&self, other: &Self, [own_name, other_name]: [&str; 2]) -> Result<Vec<String>> {
        Ok(keys::differences(&self.to_table()?, &other.to_table()?, [own_name, other_name]))
    }

    /// The options of the corruption that the paper does not have, as `clean = 0.3, kept_noise.max = 0.04`; `None` if none is
    /// set.
    ///
    /// # Errors
    /// As [`Config::to_toml`].
    pub fn corruption_options(&self) -> Result<Option<String>> {
        let options = keys::corruption_options(&self.to_table()?);
        Ok((!options.is_empty()).then(|| options.join(", ")))
    }

    /// The values of all keys as text, by dotted keys.
    ///
    /// # Errors
    /// As [`Config::to_toml`].
    pub(super) fn leaves(&self) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        keys::leaves("", &self.to_table()?, &mut found);
        Ok(found)
    }

    fn to_table(&self) -> Result<toml::Table> {
        self.to_toml()?.parse().map_err(|error: toml::de::Error| Error::format(error.message()))
    }

    /// As [`Config::read`], from text.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let (own, notice) = Self::parse_with_notice(text)?;
        if let Some(notice) = notice {
            log::warn!("{notice}");
        }
        Ok(own)
    }

    /// The config, and a notice about renamed keys.
    pub(super) fn parse_with_notice(text: &str) -> Result<(Self, Option<String>)> {
        let (own, notice) = Self::read_keys(text)?;
        own.validate().map_err(|error| with_line(text, error))?;
        Ok((own, notice))
    }

    /// The same without a check of ranges.
    fn read_keys(text: &str) -> Result<(Self, Option<String>)> {
        match first_misfit(text, &keys::known()) {
            Some(misfit) => Err(refused(text, &misfit)),
            None => Self::read_known(text),
        }
    }

    /// The same from a text without values that no key can have.
    fn read_known(text: &str) -> Result<(Self, Option<String>)> {
        let invalid = |error: toml::de::Error| bad_toml(text, &error);
        let notice = keys::check_old_keys(&text.parse().map_err(invalid)?).map_err(|error| with_line(text, error))?;
        let mut unknown = Vec::new();
        let deserializer = toml::Deserializer::parse(text).map_err(invalid)?;
        let own: Self = serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string())).map_err(invalid)?;
        if let Some(key) = unknown.first() {
            let hint = keys::suggestion(key).map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            let error = Error::config(key, format!("there is no such key{hint}"));
            return Err(with_line(text, error));
        }
        Ok((own, notice))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value outside its range, with its key.
    pub fn validate(&self) -> Result<()> {
        self.architecture().validate()?;
        self.preparation().validate()?;
        // Beyond that, TOML has no numbers.
        let (largest, output) = (i64::MAX as u64, &self.output);
        for (key, least, value) in [
            ("seed", 0, self.seed),
            ("output.checkpoint_every", 1, output.checkpoint_every),
            ("output.validate_every", 0, output.validate_every),
            ("train.warmup_steps", 0, self.train.warmup_steps),
        ] {
            if !(least..=largest).contains(&value) {
                return Err(Error::config(key, format!("must be {least} to {largest}, got {value}")));
            }
        }
        if !(0.0..=0.5).contains(&self.data.held_out) {
            return Err(Error::config("data.held_out", format!("must be 0 to 0.5, got {}", self.data.held_out)));
        }
        if self.data.textures.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            return Err(Error::config("data.textures", "is empty; name a folder, or leave the key out"));
        }
        self.augment.validate()?;
        self.corruption.validate()?;
        self.objective.validate()?;
        self.train.validate()?;
        self.detection.validate()?;
        self.detection.tiling(&self.architecture(), &self.preparation()).map(drop)
    }

    /// The config as TOML with every key, readable by [`Config::parse`].
    ///
    /// # Errors
    /// A whole number above 2^63-1, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::format(format!("the config cannot be written as TOML: {error}")))
    }

    /// First 12 hex digits of the SHA-256 of [`Config::to_toml`] as version 0.1.0 would have written it: the hash of a config is
    /// the same in all versions.
    ///
    /// # Errors
    /// As [`Config::to_toml`].
    pub fn hash(&self) -> Result<String> {
        let digest = Sha256::digest(keys::as_first_version(&self.to_toml()?).as_bytes());
        Ok(digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The network.
    pub fn architecture(&self) -> Architecture {
        Architecture::Autoencoder(self.model.clone())
    }

    /// The working resolution.
    pub fn preparation(&self) -> Preparation {
        let DataConfig { size, fit, shorter_side, white_level, .. } = self.data;
        Preparation { size, fit, shorter_side, white_level }
    }

    /// What most determines a result, in words: `Model II, w = 16, 128 px, batch 8, λ = 0.1`.
    pub fn summary(&self) -> String {
        let model = if self.model.model == 1 { "I" } else { "II" };
        let fit = match self.data.fit {
            Fit::Stretch => String::new(),
            Fit::Crop if self.data.shorter_side == 0 => " crops".to_owned(),
            Fit::Native => " crops at native scale".to_owned(),
            Fit::Crop => format!(" crops of images with a shorter side of {} px", self.data.shorter_side),
        };
        format!(
            "Model {model}, w = {}, {} px{fit}, batch {}, λ = {}",
            self.model.width, self.data.size, self.train.batch, self.objective.lambda
        )
    }

    /// The recipe for a [`Trainer`](crate::train::Trainer).
    pub fn recipe(&self) -> Recipe {
        Recipe {
            architecture: self.architecture(),
            objective: self.objective.clone(),
            optimiser: self.train.clone(),
            seed: self.seed,
        }
    }
}

/// A sentence that quotes the wrong line and gives the reason.
fn bad_toml(text: &str, error: &toml::de::Error) -> Error {
    let message = error.message();
    let Some(span) = error.span().filter(|span| text.get(span.clone()).is_some()) else {
        return Error::format(in_plain_words(message).unwrap_or_else(|| message.to_owned()));
    };
    let reason = in_plain_words(message).unwrap_or_else(|| mistake(text, &span, message));
    let reason =
        if is_time(text.get(span.clone()).unwrap_or_default()) { reason.replace("a date", "a time of day") } else { reason };
    if let Some(opening) = unclosed_list(text, span.start) {
        return in_line(text, opening, "the closing `]` of this list is missing");
    }
    let word = |other: &str| Config::read_known(other).map(drop);
    among_words(message, text, span.clone(), word)
        .or_else(|| outside(text, &span, message))
        .unwrap_or_else(|| in_line(text, span.start, &reason))
}

/// What is said of a whole number outside the type of its key: the range of the key, if it does not take 0 either.
fn outside(text: &str, span: &Range<usize>, message: &str) -> Option<Error> {
    let number = text.get(span.clone()).filter(|_| message.starts_with("invalid value: integer "))?;
    let mut changed = text.to_owned();
    changed.replace_range(span.clone(), "0");
    // Not by `read_known`, which would come here again for the next such number.
    let error = with_line(text, toml::from_str::<Config>(&changed).ok()?.validate().err()?);
    match error {
        Error::Config { line, key, reason } if line == Some(line_at(text, span.start)) => {
            let reason = format!("{}, got {}", reason.strip_suffix(", got 0")?, shortened(number, QUOTED / 4));
            Some(Error::Config { line, key, reason })
        }
        _ => None,
    }
}

/// The error of a config value, or of a key that does not exist, with the line in which it is. A key may be there by its old name.
fn with_line(text: &str, error: Error) -> Error {
    match error {
        Error::Config { key, reason, line: None } => {
            let line = line_of(text, &key).or_else(|| line_of(text, keys::old_name(&key)?));
            Error::Config { line, key: shortened(&key, QUOTED), reason }
        }
        other => other,
    }
}

/// Why a value that no key can have is refused.
fn refused(text: &str, misfit: &Misfit) -> Error {
    let Misfit { key, span, fault } = misfit;
    let here = |reason: &str| in_line(text, span.start, reason);
    match fault {
        Fault::ListOfTables => here(&format!("one table is needed here, not a list of tables; write [{key}]")),
        Fault::Table => here(&format!("`{key}` takes a value, and no table of keys")),
        Fault::Value => here(&format!("must be a table of keys, got {}", shown(text.get(span.clone()).unwrap_or_default()))),
        Fault::List => here(&format!("must be a table of keys, got a list; write [{key}], and each key with its value below it")),
        Fault::LargeNumber => too_large(text, misfit, |other| {
            let (own, _) = Config::read_known(other)?;
            own.validate().map_err(|error| with_line(other, error))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_config_that_is_valid_can_be_written() {
        let largest = i64::MAX as u64;
        type Field = fn(&mut Config) -> &mut u64;
        let keys: [(&str, Field); 4] = [
            ("seed", |config| &mut config.seed),
            ("output.checkpoint_every", |config| &mut config.output.checkpoint_every),
            ("output.validate_every", |config| &mut config.output.validate_every),
            ("train.warmup_steps", |config| &mut config.train.warmup_steps),
        ];
        for (key, value) in keys {
            let mut config = Config::default();
            *value(&mut config) = largest;
            config.validate().unwrap();
            assert_eq!(Config::parse(&config.to_toml().unwrap()).unwrap(), config);
            *value(&mut config) = largest + 1;
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(key) && error.ends_with("to 9223372036854775807, got 9223372036854775808"), "{error}");
        }
    }

    #[test]
    fn defaults_survive_the_file() {
        let config = Config::default();
        assert_eq!(Config::parse(&config.to_toml().unwrap()).unwrap(), config);
        assert_eq!(Config::parse("").unwrap(), config);
    }

    #[test]
    fn all_differing_keys_are_named() {
        let mut other = Config { seed: 7, ..Config::default() };
        other.corruption.size.min = 0.25;
        other.data.textures = Some("dtd".into());
        let found = Config::default().differences(&other, ["there", "here"]).unwrap();
        let expected = [
            "corruption.size.min is 0.05 there and 0.25 here",
            "data.textures is missing there and \"dtd\" here",
            "seed is 0 there and 7 here",
        ];
        assert_eq!(found, expected);
        assert!(other.differences(&other, ["there", "here"]).unwrap().is_empty());
    }

    #[test]
    fn the_hash_depends_on_every_value_and_not_on_the_version() {
        let base = Config::default();
        let other = Config { seed: 1, ..Config::default() };
        assert_ne!(base.hash().unwrap(), other.hash().unwrap());
        // As version 0.1.0 computed it, before keys were renamed.
        assert_eq!(base.hash().unwrap(), "f2822389b9c0");
    }

    const OLD: &str = "[train]\nrate = 0.5\nwarmup = 7\nfinal_fraction = 0.25\naverage = 0.75\n";

    #[test]
    fn old_keys_still_work_and_name_the_new_ones() {
        let (config, notice) = Config::parse_with_notice(OLD).unwrap();
        let OptimiserConfig { learning_rate, warmup_steps, final_lr_fraction, ema_decay, .. } = config.train;
        assert_eq!((learning_rate, warmup_steps, final_lr_fraction, ema_decay), (0.5, 7, 0.25, 0.75));
        let notice = notice.unwrap();
        for new in ["learning_rate", "warmup_steps", "final_lr_fraction", "ema_decay"] {
            assert!(notice.contains(&format!("is now `train.{new}`")), "{notice}");
        }
        assert_eq!(Config::parse_with_notice(&config.to_toml().unwrap()).unwrap(), (config, None));
    }

    #[test]
    fn a_value_under_both_names_is_refused() {
        for new in ["learning_rate = 0.5", "warmup_steps = 7", "final_lr_fraction = 0.25", "ema_decay = 0.75"] {
            let error = Config::parse(&format!("{OLD}{new}")).unwrap_err().to_string();
            let key = new.split_once(' ').unwrap().0;
            assert!(error.contains(&format!("is the old name of `train.{key}`, which is set too")), "{error}");
        }
    }

    #[test]
    fn the_commented_defaults_are_the_defaults_and_explain_every_key() {
        assert_eq!(Config::parse(DEFAULT_CONFIG).unwrap(), Config::default());
        let keys = |text: &str| {
            let lines =
                text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ") || line.starts_with("# textures = "));
            lines.map(|line| line.trim_start_matches("# ").to_owned()).collect::<Vec<_>>()
        };
        let mut config = Config::default();
        config.data.textures = Some("dtd/images".into());
        assert_eq!(keys(DEFAULT_CONFIG), keys(&config.to_toml().unwrap()));
        let lines: Vec<&str> = DEFAULT_CONFIG.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with("# With")) {
            assert!(pair[0].starts_with("# "), "{} has no comment", pair[1]);
        }
    }
}
