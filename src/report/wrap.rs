//! Text broken into lines at its spaces.

use super::steering::harmless;

/// Columns a terminal uses for `text`: none for combining marks, such as the hat of x̂, and two for full-width signs.
pub(super) fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `text` in lines of at most `columns`, except where a single word is longer. Line breaks of the text stay; every line begins
/// with the spaces that the text's own line begins with. No text is one empty line. Signs that would steer the terminal, which
/// may come from a file, are written as in [`harmless`].
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split('\n').map(|paragraph| harmless(&paragraph)) {
        let indent: String = paragraph.chars().take_while(|&character| character == ' ').collect();
        let mut line = indent.clone();
        // Only plain spaces: the narrow one inside a number must not break it.
        for (index, word) in paragraph[indent.len()..].split(' ').enumerate() {
            let is_first = index == 0 || line.len() == indent.len();
            if !is_first && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            } else if !is_first {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_keep_their_indent() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("  one two three\nfour\n\n", 9), ["  one two", "  three", "four", "", ""]);
        assert_eq!(wrap("incomprehensibilities are", 5), ["incomprehensibilities", "are"]);
        assert_eq!(wrap("20\u{202f}000 of a  b", 9), ["20\u{202f}000 of", "a  b"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("x\u{302}y zz", 5), ["x\u{302}y zz"]);
        assert_eq!(wrap("a\u{1b}[31mb\rc", 20), ["a\\u{1b}[31mb\\u{d}c"]);
    }
}
