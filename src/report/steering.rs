//! Signs that would steer a terminal instead of being shown.

/// Control characters, separators of lines, and signs that turn the direction of writing.
pub fn is_steering(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
