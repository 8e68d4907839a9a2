//! What is said of a whole number that is too large for any config: the range of its key.

use super::config_text::{Misfit, QUOTED, in_line, line_at};
use crate::error::{Error, Result, shortened};

/// The error of a whole number that is too large to be read. `read` checks a text with another number in its place: the same with
/// a point, which some keys take, or the nearest whole number that can be read. What it says of that is said of the number.
pub(super) fn too_large(text: &str, Misfit { key, span, .. }: &Misfit, read: impl Fn(&str) -> Result<()>) -> Error {
    let number = text.get(span.clone()).unwrap_or_default();
    let here = |reason: &str| in_line(text, span.start, reason);
    let in_text = |other: &str| {
        let mut changed = text.to_owned();
        changed.replace_range(span.clone(), other);
        read(&changed)
    };
    // Something else may be wrong with the text.
    let alone = |other: &str| {
        read(&format!("{key} = {other}")).map_err(|error| match error {
            Error::Config { key, reason, .. } => Error::Config { line: Some(line_at(text, span.start)), key, reason },
            Error::Format(words) => here(words.split_once("`: ").map_or(words.as_str(), |(_, reason)| reason)),
            other => other,
        })
    };
    let is_in_list = !text.get(..span.start).is_some_and(|before| before.trim_end().ends_with('='));
    judged(number, in_text, here)
        .or_else(|| judged(number, alone, here).filter(|_| !is_in_list))
        .unwrap_or_else(|| here(&format!("{} is beyond the range of any key", shortened(number, QUOTED / 4))))
}

/// What is said of a number by what `with` says of others in its place; none if that is about something else. `here` makes an
/// error at the place of the number.
fn judged(number: &str, with: impl Fn(&str) -> Result<()>, here: impl Fn(&str) -> Error) -> Option<Error> {
    let (pointed, nearest) = (format!("{number}.0"), if number.starts_with('-') { i64::MIN } else { i64::MAX }.to_string());
    let shown = shortened(number, QUOTED / 4);
    match with(&pointed) {
        Ok(()) => return Some(here(&format!("a number so large needs a point; write {shown}.0"))),
        // Other errors are that the key takes no number with a point.
        Err(error @ Error::Config { .. }) => {
            let value = pointed.replace('_', "").parse::<f64>().map_or(nearest.clone(), |value| value.to_string());
            // Some keys hold less than it.
            let value = if error.to_string().contains("got inf") { "inf" } else { &value };
            if let Some(error) = renamed(error, value, &shown) {
                return Some(error);
            }
        }
        Err(_) => {}
    }
    match with(&nearest) {
        Ok(()) => Some(here(&format!("must be a whole number from 0 to {nearest}, got {shown}"))),
        Err(error) => renamed(error, &nearest, &shown),
    }
}

/// The error with `number` in place of `other`; none if it is not about that.
fn renamed(error: Error, other: &str, number: &str) -> Option<Error> {
    let changed = |words: String| words.contains(other).then(|| words.replace(other, number));
    match error {
        Error::Config { line, key, reason } => changed(reason).map(|reason| Error::Config { line, key, reason }),
        Error::Format(words) => changed(words).map(Error::Format),
        _ => None,
    }
}
