//! What the library that reads configs says of a value of the wrong kind, without its names of Rust's types.

use std::ops::Range;

use super::config_text::QUOTED;
use crate::error::{Error, Result, shortened};

/// How it begins a sentence about a value of another type, outside its type, or about a word that is not one of a few.
const STARTS: [&str; 3] = ["invalid type: ", "invalid value: ", "unknown variant "];

/// What it calls a value that is in the file.
const KINDS: [&str; 4] = ["boolean ", "integer ", "floating point ", "string "];

/// How it begins a sentence about a list that is too short or too long.
const LENGTH: &str = "invalid length ";

/// What it says where one of a few words is wanted and something else is there.
const NO_WORD: &str = "wanted string or table";

/// How it says that a table lacks a key without a default.
const MISSING: &str = "missing field ";

/// `must be a number, got "fast"`, from `invalid type: string "fast", expected f64`; none of a message that is not about a value.
pub(super) fn in_plain_words(message: &str) -> Option<String> {
    if let Some((length, wanted)) = message.strip_prefix(LENGTH).and_then(|rest| rest.split_once(", expected ")) {
        return Some(format!("must be {}, got a list of length {length}", kind(wanted)));
    }
    if let Some(name) = message.strip_prefix(MISSING) {
        return Some(format!("{name} is missing"));
    }
    // The last one, because the value may hold such words, too.
    let parts = message.rsplit_once(", expected ");
    let parts = parts.and_then(|(start, wanted)| Some((STARTS.iter().find_map(|words| start.strip_prefix(words))?, wanted)));
    match parts {
        Some((found, wanted)) => Some(format!("must be {}, got {}", kind(wanted), value(found))),
        None => (message == NO_WORD).then(|| format!("must be {}", kind("a string"))),
    }
}

/// What is said of a value where one of a few words is wanted: those words, which `read` names for a text with another word at its
/// place. None if the message is about something else.
pub(super) fn among_words(message: &str, text: &str, span: Range<usize>, read: impl Fn(&str) -> Result<()>) -> Option<Error> {
    let found = text.get(span.clone()).filter(|_| message == NO_WORD)?;
    let mut changed = text.to_owned();
    changed.replace_range(span, "'?'");
    match read(&changed).err()? {
        Error::Format(words) => Some(Error::format(words.replace("'?'", found).replace("`?`", found))),
        _ => None,
    }
}

/// A value of a config as a sentence names it.
pub(super) fn shown(value: &str) -> String {
    match value {
        _ if is_time(value) => "a time of day".to_owned(),
        _ if value.starts_with(|sign: char| sign.is_ascii_digit()) && value.parse::<toml::value::Datetime>().is_ok() => {
            "a date".to_owned()
        }
        own => shortened(own, QUOTED / 4),
    }
}

/// Whether a value is a time of day without a date.
pub(super) fn is_time(value: &str) -> bool {
    value.parse::<toml::value::Datetime>().is_ok_and(|own| own.date.is_none())
}

/// What is wanted.
fn kind(wanted: &str) -> &str {
    match wanted {
        "f32" | "f64" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, zero or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "path string" => "text in quotes",
        "a sequence" => "a list in brackets",
        "a map" => "a table of keys",
        own if own.starts_with("struct ") => "a table of keys",
        own if own.starts_with("enum ") => "text in quotes",
        own => own,
    }
}

/// What is there.
fn value(found: &str) -> &str {
    match found {
        "sequence" => "a list",
        // Tables are refused before.
        "map" => "a date",
        own => KINDS.iter().find_map(|kind| own.strip_prefix(kind)).map_or(own, |value| value.trim_matches('`')),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, DEFAULT_CONFIG};
    use super::*;

    /// Words that nobody needs to know who writes a config.
    const OF_PROGRAMMERS: [&str; 23] = [
        "i128", "u128", "u8", "u32", "u64", "usize", "f32", "f64", "i64", "struct", "enum", "variant", "sequence", "boolean",
        "string", "invalid", "expected", "wanted", "map", "field", "element", "elements", "private",
    ];

    #[test]
    fn only_sentences_about_values_change() {
        for (message, words) in [
            (r#"invalid type: string "fast", expected f64"#, r#"must be a number, got "fast""#),
            ("invalid value: integer `-1`, expected u64", "must be a whole number, zero or more, got -1"),
            (
                r#"invalid type: string "a, expected b", expected usize"#,
                r#"must be a whole number, zero or more, got "a, expected b""#,
            ),
            ("unknown variant `zoom`, expected `crop` or `native`", "must be `crop` or `native`, got `zoom`"),
            ("invalid type: sequence, expected struct DataConfig", "must be a table of keys, got a list"),
            ("wanted string or table", "must be text in quotes"),
            ("invalid length 0, expected struct Smoothing with 2 elements", "must be a table of keys, got a list of length 0"),
            ("invalid type: map, expected u64", "must be a whole number, zero or more, got a date"),
            ("missing field `repeats`", "`repeats` is missing"),
        ] {
            assert_eq!(in_plain_words(message).as_deref(), Some(words));
        }
        assert_eq!([in_plain_words("unclosed table, expected `]`"), in_plain_words("duplicate key")], [None, None]);
    }

    #[test]
    fn no_section_takes_a_list_or_a_plain_value() {
        let known = super::super::keys::known();
        let sections: Vec<&String> = known.0.iter().filter(|key| known.is_section(key)).collect();
        assert!(sections.len() > 15, "{sections:?}");
        for section in sections {
            for (value, words) in [
                ("[]", "a list; write ["),
                ("[7, 3]", "a list; write ["),
                ("[1.0, 0, 0]", "a list; write ["),
                ("['x']", "a list; write ["),
                ("3", "3"),
                ("-0.5", "-0.5"),
                ("true", "true"),
                ("'x'", "'x'"),
                ("99999999999999999999", "99999999999999999999"),
                ("12:00", "a time of day"),
                ("1979-05-27", "a date"),
            ] {
                let error = Config::parse(&format!("\n{section} = {value}")).unwrap_err().to_string();
                let start = format!("line 2, `{section} = {value}`: must be a table of keys, got {words}");
                assert!(error.starts_with(&start), "{error}");
            }
        }
    }

    #[test]
    fn every_key_with_every_kind_of_value_is_refused_in_plain_words() {
        let leaves = Config::parse(DEFAULT_CONFIG).unwrap().leaves().unwrap();
        let sections = ["model", "data", "corruption.size", "detection.residual", "detection.score_smoothing"];
        let others = ["data.textures", "detection.tile", "detection.overlap", "detection.score_smoothing.window"];
        let keys: Vec<&str> = leaves.keys().map(String::as_str).chain(sections).chain(others).collect();
        assert!(keys.len() > 90);
        let mut refused = 0;
        for key in keys {
            let long = "9".repeat(40);
            let numbers = ["1.5", "-1", "70000", "10000000000000000000", "99999999999999999999", &long, "-1e400"];
            for value in ["true", "'x'", "[]", "['x']", "[{ a = 1 }]", "{}", "{ a = 1 }", "1979-05-27", "[1979-05-27]", "3"]
                .into_iter()
                .chain(numbers)
            {
                let Err(error) = Config::parse(&format!("{key} = {value}")) else { continue };
                let text = error.to_string();
                let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
                let own = OF_PROGRAMMERS.iter().find(|word| words.contains(word));
                assert_eq!(own, None, "{key} = {value}: {text}");
                assert!(text.contains(key.split('.').next_back().unwrap()), "{key} = {value}: {text}");
                refused += 1;
            }
        }
        assert!(refused > 600, "{refused}");
    }
}
