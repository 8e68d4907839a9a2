//! Escaping of text in HTML and SVG.

use super::steering::is_steering;

/// `text` with the five special characters of HTML escaped. Control characters, which XML forbids, and signs that turn the
/// direction of writing are written as `\u{1b}`; white space becomes a space. The result is safe in element content and in quoted
/// attributes.
pub(super) fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&#39;"),
            '\n' | '\r' | '\t' => result.push(' '),
            sign if is_steering(sign) => result.extend(sign.escape_unicode()),
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape("<b a=\"1\" c='2'>&amp;\nx̂"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp; x̂");
        assert_eq!(escape("a\0\u{202e}b"), "a\\u{0}\\u{202e}b");
    }
}
