//! Signs that would steer a terminal instead of being shown, and break the line of a table or the name on a page.

use std::fmt::Display;

/// Control characters, separators of lines, and signs that turn the direction of writing.
pub fn is_steering(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in which such signs, which may come from a file or its name, are written as `\u{1b}`.
pub fn harmless(text: &impl Display) -> String {
    let text = text.to_string();
    if !text.chars().any(is_steering) {
        return text;
    }
    text.chars().map(|sign| if is_steering(sign) { sign.escape_unicode().to_string() } else { sign.to_string() }).collect()
}
