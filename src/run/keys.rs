//! Names of config keys: old names, which still work, and suggestions for misspelled keys.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::config::Config;
use super::config_text::Known;
use crate::error::{Error, Result};

/// Renamed keys: (old, new). A serde alias in the config's types reads the old one.
const RENAMED: [(&str, &str); 4] = [
    ("train.rate", "train.learning_rate"),
    ("train.warmup", "train.warmup_steps"),
    ("train.final_fraction", "train.final_lr_fraction"),
    ("train.average", "train.ema_decay"),
];

/// Keys that version 0.1.0 did not have: their section, and their line if they have the default.
const ADDED: [(&str, &str); 37] = [
    ("corruption", "colours = \"auto\""),
    ("data", "white_level = 0.0"),
    ("augment", "rotation = 0.0"),
    ("corruption", "clean = 0.0"),
    ("corruption.kept_noise", "min = 0.0"),
    ("corruption.kept_noise", "max = 0.0"),
    ("corruption.blend", "distribution = \"uniform\""),
    ("corruption.size", "max_height = 0.0"),
    ("corruption.size", "max_width = 0.0"),
    ("corruption.weights", "structure = 0.0"),
    ("corruption.weights", "seamless = 0.0"),
    ("corruption.seamless", "min = 0.7"),
    ("corruption.seamless", "max = 1.3"),
    ("corruption.shape", "perlin = 0.0"),
    ("corruption.shape", "union = 0.0"),
    ("corruption.shape", "intersection = 0.0"),
    ("corruption.shape", "cells = 32"),
    ("corruption.shape", "threshold = 0.5"),
    ("corruption.region_weight", "slope = 0.0"),
    ("corruption.region_weight", "midpoint = 0.0"),
    ("corruption.foreground", "method = \"off\""),
    ("corruption.foreground", "threshold = 0.5"),
    ("corruption.foreground", "object = \"auto\""),
    ("detection", "top_share = 0.01"),
    ("detection", "relative_score = false"),
    ("detection.residual", "squared = 1.0"),
    ("detection.residual", "root = 0.0"),
    ("detection.residual", "gradient = 0.0"),
    ("detection.residual", "scales = 2"),
    ("detection.residual", "ssim = 0.0"),
    ("detection.residual", "ssim_window = 11"),
    ("detection.residual", "ssim_scales = 1"),
    ("detection.residual", "chroma = 0.0"),
    ("objective.ssim", "weight = 0.0"),
    ("objective.ssim", "window = 11"),
    ("objective.gradient", "weight = 0.0"),
    ("objective.gradient", "scales = 4"),
];

/// Sections that version 0.1.0 did not have.
const ADDED_SECTIONS: [&str; 8] = [
    "corruption.kept_noise",
    "corruption.shape",
    "corruption.region_weight",
    "corruption.foreground",
    "corruption.seamless",
    "detection.residual",
    "objective.ssim",
    "objective.gradient",
];

/// Later keys that affect no result, so that no hash depends on their value: their section and the beginning of their line.
const WITHOUT_EFFECT: [(&str, &str); 1] = [("output", "validate_every = ")];

/// Keys without a default, which a default config does not contain.
const WITHOUT_DEFAULT: [&str; 6] = [
    "data.textures",
    "detection.tile",
    "detection.overlap",
    "detection.score_smoothing",
    "detection.score_smoothing.window",
    "detection.score_smoothing.repeats",
];

/// The old name of a key, if it has one.
pub(super) fn old_name(key: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(_, new)| *new == key).map(|(old, _)| *old)
}

/// A notice about the old keys in `table`, if there are any.
///
/// # Errors
/// A value is given under both its old and its new name.
pub(super) fn check_old_keys(table: &Table) -> Result<Option<String>> {
    let has = |key: &str| {
        let (section, name) = split(key);
        table.get(section).and_then(|section| section.get(name)).is_some()
    };
    let found: Vec<_> = RENAMED.into_iter().filter(|(old, _)| has(old)).collect();
    if let Some((old, new)) = found.iter().find(|(_, new)| has(new)) {
        return Err(Error::config(*old, format!("is the old name of `{new}`, which is set too; remove one of them")));
    }
    let renames: Vec<_> = found.iter().map(|(old, new)| format!("`{old}` is now `{new}`")).collect();
    Ok((!renames.is_empty()).then(|| format!("{}; old names still work", renames.join(", "))))
}

/// The config text `toml` as version 0.1.0 would have written it: renamed keys under their first names, and without later keys
/// that have their default or affect no result. Config hashes are computed from it, so that they stay the same when keys are
/// renamed or added.
pub(super) fn as_first_version(toml: &str) -> String {
    let mut section = "";
    let mut first = String::with_capacity(toml.len());
    let is_added = |line: &str, section: &str| {
        ADDED.iter().any(|(of, added)| *of == section && *added == line)
            || WITHOUT_EFFECT.iter().any(|(of, key)| *of == section && line.starts_with(key))
    };
    for line in toml.lines() {
        section = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).unwrap_or(section);
        if is_added(line, section) {
            continue;
        }
        let old = line.split_once(" = ").and_then(|(name, value)| {
            let (old, _) = RENAMED.iter().find(|(_, new)| split(new) == (section, name))?;
            Some(format!("{} = {value}", split(old).1))
        });
        first += &old.unwrap_or_else(|| line.to_owned());
        first.push('\n');
    }
    ADDED_SECTIONS.iter().fold(first, |text, empty| text.replace(&format!("[{empty}]\n\n"), ""))
}

/// Puts the values of `upper` over those of `lower`, table by table.
pub(super) fn merge(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => drop(lower.insert(key, value)),
        }
    }
}

/// The keys of `[corruption]` that are not in the paper and do not have their default, each with its value: all keys that version
/// 0.1.0 did not have, and a distribution of sizes that it did not know.
pub(super) fn corruption_options(config: &Table) -> Vec<String> {
    let mut found = BTreeMap::new();
    leaves("", config, &mut found);
    let default = |(section, line): (&str, &str)| {
        let (name, value) = line.split_once(" = ")?;
        Some((format!("{section}.{name}"), value.to_owned()))
    };
    let of_corruption = ADDED.into_iter().filter(|(section, _)| section.split('.').next() == Some("corruption"));
    let mut options: Vec<String> = of_corruption
        .filter_map(default)
        .filter_map(|(key, default)| found.get(&key).filter(|value| **value != default).map(|value| (key, value)))
        .map(|(key, value)| format!("{} = {value}", key.trim_start_matches("corruption.")))
        .collect();
    if found.get("corruption.size.distribution").is_some_and(|value| value == "\"gamma\"") {
        options.push("size.distribution = \"gamma\"".to_owned());
    }
    options
}

/// One phrase for each key, sorted, whose value is not the same in two tables with these names.
pub(super) fn differences(first: &Table, second: &Table, [in_first, in_second]: [&str; 2]) -> Vec<String> {
    let [first, second] = [first, second].map(|table| {
        let mut found = BTreeMap::new();
        leaves("", table, &mut found);
        found
    });
    let keys: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let word = |value: Option<&String>| value.map_or("missing".to_owned(), Clone::clone);
    let phrase = |key: &String| {
        let (a, b) = (first.get(key), second.get(key));
        (a != b).then(|| format!("{key} is {} {in_first} and {} {in_second}", word(a), word(b)))
    };
    keys.into_iter().filter_map(phrase).collect()
}

/// The values of a table as text, by dotted keys.
pub(super) fn leaves(prefix: &str, table: &Table, found: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let path = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => leaves(&format!("{path}."), inner, found),
            value => drop(found.insert(path, value.to_string())),
        }
    }
}

/// The dotted paths of all sections and keys, also by their old names.
pub(super) fn known() -> Known {
    let mut known: Vec<String> = WITHOUT_DEFAULT.map(str::to_owned).into();
    collect("", &Table::try_from(Config::default()).unwrap_or_default(), &mut known);
    known.extend(RENAMED.map(|(old, _)| old.to_owned()));
    Known(known)
}

/// The key that `unknown` probably means: one or two letters different, or the same name in another section.
pub(super) fn suggestion(unknown: &str) -> Option<String> {
    let Known(known) = known();
    let name = split(unknown).1;
    let distance = |key: &String| strsim::damerau_levenshtein(unknown, key);
    let is_close = |key: &String| split(key).1 == name || distance(key) <= 1 + name.len() / 6;
    let best = known.into_iter().filter(is_close).min_by_key(distance)?;
    let new = RENAMED.iter().find(|(old, _)| *old == best).map(|(_, new)| (*new).to_owned());
    Some(new.unwrap_or(best))
}

/// Section and name of a dotted key.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// The dotted paths of all sections and keys below `prefix`.
fn collect(prefix: &str, table: &Table, found: &mut Vec<String>) {
    for (name, value) in table {
        let path = format!("{prefix}{name}");
        if let Value::Table(inner) = value {
            collect(&format!("{path}."), inner, found);
        }
        found.push(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_the_corruption_that_is_not_in_the_paper_is_named() {
        let default: Table = Config::default().to_toml().unwrap().parse().unwrap();
        assert!(corruption_options(&default).is_empty());
        let of_corruption = ADDED.into_iter().filter(|(section, _)| section.starts_with("corruption"));
        assert!(of_corruption.clone().count() > 15);
        for (section, line) in of_corruption {
            let (name, value) = line.split_once(" = ").unwrap();
            let (changed, shown) = if value.starts_with('"') { ("\"other\"", "\"other\"") } else { ("0.125", "0.125") };
            let mut config = default.clone();
            merge(&mut config, format!("[{section}]\n{name} = {changed}").parse().unwrap());
            let key = format!("{section}.{name}");
            assert_eq!(corruption_options(&config), [format!("{} = {shown}", key.trim_start_matches("corruption."))]);
        }
        let mut config = default;
        merge(&mut config, "corruption.size.distribution = 'gamma'".parse().unwrap());
        assert_eq!(corruption_options(&config), ["size.distribution = \"gamma\""]);
    }

    #[test]
    fn misspelled_keys_get_a_suggestion() {
        for (unknown, wanted) in [
            ("trian", Some("train")),
            ("model.widht", Some("model.width")),
            ("train.rates", Some("train.learning_rate")),
            ("train.learning_rat", Some("train.learning_rate")),
            ("learning_rate", Some("train.learning_rate")),
            ("data.texture", Some("data.textures")),
            ("corruption.patches.maxx", Some("corruption.patches.max")),
            ("corruption.size.big", None),
            ("optimiser", None),
        ] {
            assert_eq!(suggestion(unknown).as_deref(), wanted, "{unknown}");
        }
    }

    #[test]
    fn original_names_are_given_in_their_section_only() {
        let text = "[train]\nlearning_rate = 0.1\nsteps = 3\n[other]\nlearning_rate = 0.1\n";
        assert_eq!(as_first_version(text), "[train]\nrate = 0.1\nsteps = 3\n[other]\nlearning_rate = 0.1\n");
    }

    #[test]
    fn later_keys_are_left_out_while_they_have_their_default() {
        let text = "[corruption]\nclean = 0.0\nregion_threshold = 0.05\n\n[corruption.kept_noise]\nmin = 0.0\nmax = 0.0\n\n[train]\nsteps = 3\n";
        assert_eq!(as_first_version(text), "[corruption]\nregion_threshold = 0.05\n\n[train]\nsteps = 3\n");
        let changed = text.replace("max = 0.0", "max = 0.1").replace("clean = 0.0", "clean = 0.5");
        let kept =
            "[corruption]\nclean = 0.5\nregion_threshold = 0.05\n\n[corruption.kept_noise]\nmax = 0.1\n\n[train]\nsteps = 3\n";
        assert_eq!(as_first_version(&changed), kept);
    }

    #[test]
    fn keys_without_effect_are_left_out_whatever_their_value() {
        for value in [0, 500] {
            let text = format!("[output]\ncheckpoint_every = 200\nvalidate_every = {value}\n");
            assert_eq!(as_first_version(&text), "[output]\ncheckpoint_every = 200\n");
        }
        let mut config = Config::default();
        config.output.validate_every = 500;
        assert_eq!(config.hash().unwrap(), Config::default().hash().unwrap());
    }
}
