//! What is said of a whole number that is too large for any config: the range of its key.

use std::ops::Range;

use super::config_text::{QUOTED, in_line};
use crate::error::{Error, Result, shortened};

/// The error of the whole number at `span`, which is too large to be read. `read` checks the text with another number in its
/// place: the same with a point, which some keys take, or the nearest whole number that can be read. What it says of that is said
/// of the number.
pub(super) fn too_large(text: &str, span: &Range<usize>, read: impl Fn(&str) -> Result<()>) -> Error {
    let number = text.get(span.clone()).unwrap_or_default();
    let with = |other: &str| {
        let mut changed = text.to_owned();
        changed.replace_range(span.clone(), other);
        read(&changed)
    };
    let (pointed, nearest) = (format!("{number}.0"), if number.starts_with('-') { i64::MIN } else { i64::MAX }.to_string());
    let shown = shortened(number, QUOTED / 4);
    match with(&pointed) {
        Ok(()) => return in_line(text, span.start, &format!("a number so large needs a point; write {shown}.0")),
        // Other errors are that the key takes no number with a point.
        Err(error @ Error::Config { .. }) => {
            let value = pointed.replace('_', "").parse::<f64>().map_or(nearest.clone(), |value| value.to_string());
            if let Some(error) = renamed(error, &value, &shown) {
                return error;
            }
        }
        Err(_) => {}
    }
    match with(&nearest) {
        Ok(()) => in_line(text, span.start, &format!("must be a whole number from 0 to {nearest}, got {shown}")),
        // Something else is wrong, too, so the range of this key is not known.
        Err(error) => renamed(error, &nearest, &shown)
            .unwrap_or_else(|| in_line(text, span.start, &format!("{shown} is beyond the range of any key"))),
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
