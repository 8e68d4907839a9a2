//! Names of config keys: old names, which still work, and suggestions for misspelled keys.

use toml::{Table, Value};

use super::config::Config;
use crate::error::{Error, Result};

/// Renamed keys: (old, new). A serde alias in the config's types reads the old one.
const RENAMED: [(&str, &str); 4] = [
    ("train.rate", "train.learning_rate"),
    ("train.warmup", "train.warmup_steps"),
    ("train.final_fraction", "train.final_lr_fraction"),
    ("train.average", "train.ema_decay"),
];

/// Keys without a default, which a default config does not contain.
const WITHOUT_DEFAULT: [&str; 1] = ["data.textures"];

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

/// The config text `toml` with the original names of renamed keys. Config hashes are computed from it, so they do not change when keys are
/// renamed.
pub(super) fn with_original_names(toml: &str) -> String {
    let mut section = "";
    let mut renamed = String::with_capacity(toml.len());
    for line in toml.lines() {
        section = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).unwrap_or(section);
        let old = line.split_once(" = ").and_then(|(name, value)| {
            let (old, _) = RENAMED.iter().find(|(_, new)| split(new) == (section, name))?;
            Some(format!("{} = {value}", split(old).1))
        });
        renamed += &old.unwrap_or_else(|| line.to_owned());
        renamed.push('\n');
    }
    renamed
}

/// The key that `unknown` probably means: one or two letters different, or the same name in another section.
pub(super) fn suggestion(unknown: &str) -> Option<String> {
    let mut known: Vec<String> = WITHOUT_DEFAULT.map(str::to_owned).into();
    collect("", &Table::try_from(Config::default()).ok()?, &mut known);
    known.extend(RENAMED.map(|(old, _)| old.to_owned()));
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
        assert_eq!(with_original_names(text), "[train]\nrate = 0.1\nsteps = 3\n[other]\nlearning_rate = 0.1\n");
    }
}
