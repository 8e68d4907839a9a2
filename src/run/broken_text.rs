//! What is said of a text that does not have the form of a config, in place of the words of its reader.

use std::ops::Range;

use super::config_text::{QUOTED, line_of};
use crate::error::shortened;

const VALUE: &str = "a value is a number such as 3, 0.5 or 1e-3, true or false, text in quotes, or a list in brackets";
const LINE: &str = "a line is KEY = VALUE, or a section such as [train]";
const QUOTES: &str = "text begins and ends with the same quotation mark";
const ESCAPE: &str = r"in double quotes, \ begins a special sign; write \\, or put the text in single quotes";
const TAKEN: &str = "something else has this name already; remove one of the two";

/// Beginnings of what the reader says, and what is said instead. Those that depend on the place are not among them.
const MISTAKES: [(&str, &str); 40] = [
    ("key with no value", "a key needs `=` and a value after it"),
    ("missing value", "a key needs `=` and a value after it"),
    ("extra comma", "a value is missing before a comma"),
    ("missing comma", "a comma is missing between two values"),
    ("extra `=`", "one `=` is enough"),
    ("extra assignment", "one `=` is enough"),
    ("unexpected `=`", "a list has values and commas, and no `=`"),
    ("missing array opening", "a list begins with `[`"),
    ("missing inline table opening", "a table of keys begins with `{`"),
    ("missing key for inline table", "in braces stand KEY = VALUE and commas"),
    ("missing assignment", "in braces stand KEY = VALUE and commas"),
    ("invalid inline table", "in braces stand KEY = VALUE and commas"),
    ("unquoted keys", LINE),
    ("invalid unquoted key", LINE),
    ("invalid key-value pair", LINE),
    ("keys cannot be", LINE),
    ("missing table open", LINE),
    ("invalid literal string", QUOTES),
    ("invalid basic string", QUOTES),
    ("invalid multi-line", QUOTES),
    ("missing opening quote", QUOTES),
    ("missing escaped value", ESCAPE),
    ("too few unicode", ESCAPE),
    ("invalid value, expected unicode", ESCAPE),
    ("invalid date", "a date is no value of any key"),
    ("invalid time", "a time of day is no value of any key"),
    ("unexpected leading zero", "a number has no 0 before its other digits"),
    ("redundant", VALUE),
    ("integers with a radix", VALUE),
    ("radix must be", VALUE),
    ("`_` may only", VALUE),
    ("unexpected sign", VALUE),
    ("integer number overflowed", VALUE),
    ("floating-point number overflowed", VALUE),
    ("invalid comment character", "a comment has a sign that cannot be printed"),
    ("carriage return", "a line has a sign that cannot be printed"),
    ("cannot recurse", "brackets are nested too deeply"),
    ("recursion limit", "brackets are nested too deeply"),
    ("cannot extend value", TAKEN),
    ("missing comment", LINE),
];

/// The mistake at these bytes of a text, in plain words; what the reader says itself if it is of another kind.
pub(super) fn mistake(text: &str, span: &Range<usize>, message: &str) -> String {
    let quoted = |text: &str| shortened(text.trim(), QUOTED / 4);
    let rest = text.get(span.start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    match message.split_once(", expected ") {
        _ if message.starts_with("string values must be quoted") => match text.get(span.clone()).unwrap_or_default().trim() {
            "" => "a value is missing after the `=`".to_owned(),
            found => format!("{} is neither a number nor true or false; text must be in quotes", quoted(found)),
        },
        _ if message.starts_with("duplicate key") => repeated(text, span),
        _ if message.starts_with("unexpected key or value") || message.starts_with("unexpected content") => {
            format!("{} is too much; only a comment with # may follow here", quoted(rest))
        }
        Some((start, wanted)) if start.starts_with("unclosed") => format!("the closing {wanted} is missing"),
        _ => in_place_of(message).map_or_else(|| message.to_owned(), str::to_owned),
    }
}

/// The byte at which the value of a key begins, if it is a list that is still open at the beginning of the line of `at`, and this line
/// is one of a new key or section.
pub(super) fn unclosed_list(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let start = before.rfind('\n')? + 1;
    let line = text.get(start..)?.lines().next()?.trim();
    let is_key = line.split_once('=').is_some_and(|(name, _)| !name.contains(['[', '#', '\'', '"']));
    let is_section = line.strip_prefix('[').is_some_and(|rest| rest.starts_with(|sign: char| sign.is_ascii_alphabetic()));
    let opening = text.get(..start)?.rfind("= [").map(|at| at + 2).or_else(|| text.get(..start)?.rfind("=["))?;
    let inside = text.get(opening..start)?;
    let is_open = !inside.contains(']') && !inside.contains(['\'', '"', '=']);
    ((is_key || is_section) && is_open).then_some(opening)
}

fn in_place_of(message: &str) -> Option<&'static str> {
    let known = MISTAKES.iter().find(|(start, _)| message.starts_with(start)).map(|(_, words)| *words);
    // What is left is about the digits of a number, or a word that looks like one: `invalid float`, `invalid exponent`.
    known.or_else(|| message.starts_with("invalid ").then_some(VALUE))
}

/// What is said of a section that begins a second time, or of a key that has a second value.
fn repeated(text: &str, span: &Range<usize>) -> String {
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let section =
        line.trim_start().strip_prefix('[').map(|rest| rest.trim_start_matches('[').split(']').next().unwrap_or_default());
    match section.map(|name| line_of(text.get(..start).unwrap_or_default(), name.trim())) {
        Some(Some(first)) => {
            format!("the name is taken in line {first} already; put all keys of a section together, below one heading")
        }
        Some(None) => TAKEN.to_owned(),
        None => "the key has a value already; remove one of the two".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::run::Config;

    /// Words of the reader that say little to who writes a config.
    const OF_THE_READER: [&str; 14] = [
        "expected",
        "invalid",
        "duplicate",
        "unexpected",
        "literal",
        "unclosed",
        "wanted",
        "string",
        "mantissa",
        "radix",
        "unicode",
        "inline",
        "element",
        "recursion",
    ];

    #[test]
    fn what_is_no_config_is_refused_in_plain_words_with_its_line() {
        for (text, words) in [
            ("[train]\nsteps =", "line 2, `steps =` in [train]: a value is missing after the `=`"),
            ("[train]\nsteps = # later\nbatch = 2", "line 2, `steps = # later` in [train]: a value is missing after the `=`"),
            ("[train]\nsteps", "line 2, `steps` in [train]: a key needs `=` and a value after it"),
            (
                "[train]\nsteps = 3\n[train]\nbatch = 2",
                "line 3, `[train]`: the name is taken in line 1 already; put all keys of a section together, below one heading",
            ),
            (
                "[train]\nsteps = 3\nsteps = 4",
                "line 3, `steps = 4` in [train]: the key has a value already; remove one of the two",
            ),
            ("train.steps = 3\n[train]", "line 2, `[train]`: the name is taken in line 1 already"),
            ("train = 3\n[train.x]", "line 2, `[train.x]`: something else has this name already"),
            (
                "[data]\nfit = crop",
                "line 2, `fit = crop` in [data]: crop is neither a number nor true or false; text must be in quotes",
            ),
            ("[data]\nfit = 'crop", "line 2, `fit = 'crop` in [data]: text begins and ends with the same quotation mark"),
            ("[data]\ntextures = \"C:\\images\"", "line 2, `textures = \"C:\\images\"` in [data]: in double quotes, \\ begins"),
            ("[train]\nlearning_rate = 0,1", "line 2, `learning_rate = 0,1` in [train]: ,1 is too much; only a comment with #"),
            ("[train]\nsteps = 050", "line 2, `steps = 050` in [train]: a number has no 0 before its other digits"),
            ("dilations = [1, 2\n\nwidth = 3\n", "line 1, `dilations = [1, 2`: the closing `]` of this list is missing"),
            ("[model]\ndilations = [\n1,\n2,\nwidth = 3", "line 2, `dilations = [` in [model]: the closing `]` of this list"),
            ("[model]\ndilations = [1\n[train]\nsteps = 3", "line 2, `dilations = [1` in [model]: the closing `]` of this list"),
            ("[model]\ndilations = [\n1\n2\n]", "line 4, `2` in [model]: a comma is missing between two values"),
            ("[train]\nsteps = 25:00:00", "line 2, `steps = 25:00:00` in [train]: a time of day is no value of any key"),
            ("[train", "line 1, `[train`: the closing `]` is missing"),
            ("[train]\nsteps = True", "line 2, `steps = True` in [train]: a value is a number"),
            ("[train]\nsteps = 2024-13-01", "line 2, `steps = 2024-13-01` in [train]: a date is no value of any key"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_mistake_gets_the_words_of_the_reader() {
        let values = [
            "",
            "x",
            "'x",
            "\"x",
            "'''x",
            "\"\"\"x",
            "[1, 2",
            "[1 2]",
            "[1,,2]",
            "{b = 1",
            "{b}",
            "{b=1,,c=2}",
            "{b 1}",
            "{=1}",
            "1 2",
            "1 b = 2",
            "01",
            "+-1",
            "1_",
            "1__0",
            "1.",
            ".5",
            "1e",
            "0x",
            "0xg",
            "-0x1",
            "0X1",
            "0b2",
            "0o9",
            "2024-13-45",
            "25:00",
            "True",
            "null",
            "nan1",
            "Infinity",
            "$HOME",
            "50%",
            "1,5",
            "1e5.0",
            "'it's'",
            "\"\\q\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "= 3",
            "]",
            "}",
            ",",
            "1 # \u{1}",
            "1\r",
            "\u{7f}",
            "[[[[1]",
            "{a = {b = 1}",
            "{a = 1, a = 2}",
            "[{a = 1}",
            "1\n[steps]",
            "1\nsteps.a = 2",
        ];
        let lines = [
            "[",
            "[]",
            "[a.]",
            "[[a]",
            "[a b]",
            "= 3",
            "a b = 3",
            "ä = 3",
            "a: 3",
            "]",
            "{",
            "{\"a\": 1}",
            "[a]\n[[a]]",
            "[a] x",
        ];
        let texts = values.iter().map(|value| format!("steps = {value}")).chain(lines.map(str::to_owned));
        for text in texts {
            let error = Config::parse(&text).unwrap_err().to_string();
            // What follows the quoted line.
            let reason = error.split_once("`: ").map_or(error.as_str(), |(_, reason)| reason);
            let own = OF_THE_READER.iter().find(|word| reason.contains(*word));
            assert_eq!(own, None, "{text:?}: {error}");
            assert!(error.starts_with("line "), "{text:?}: {error}");
        }
    }
}
