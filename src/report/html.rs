//! Escaping of text in HTML and SVG.

/// `text` with the five special characters of HTML escaped, and control characters, which XML forbids, replaced by spaces. The
/// result is safe in element content and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&#39;"),
            control if control.is_control() => result.push(' '),
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
        assert_eq!(escape("<b a=\"1\" c='2'>&amp;\n\0x̂"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;  x̂");
    }
}
