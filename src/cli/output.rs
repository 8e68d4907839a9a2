use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use crate::error::system_words;
use crate::report::table::Screen;
use anyhow::Context;
use console::Term;

/// Width of tables if that of the terminal is unknown, and their minimum width.
const NARROW: usize = 80;

/// Exit code of an interrupted run: 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Prints a line on standard output.
///
/// # Errors
/// A closed pipe or a full disk, where `println!` would panic.
pub fn say(line: impl Display) -> anyhow::Result<()> {
    print(format_args!("{line}\n"))
}

/// Prints text on standard output as it is.
///
/// # Errors
/// As [`say`].
pub fn print(text: impl Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).context("standard output")
}

/// Width and colour of standard output. The width is that of the terminal, or `COLUMNS` for a file or a pipe. Colour is used on a terminal
/// only, unless `NO_COLOR`, `CLICOLOR` or `CLICOLOR_FORCE` say otherwise.
pub fn screen() -> Screen {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let terminal = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let columns = terminal.or_else(|| set("COLUMNS")?.parse().ok()).unwrap_or(NARROW);
    Screen { columns: columns.max(NARROW), colour: set("NO_COLOR").is_none() && console::colors_enabled() }
}

/// Prints a line on standard error; failures are ignored.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(&line));
}

/// `line` with control characters, which may come from a file or its name and would steer the terminal, as `\u{1b}`.
pub fn harmless(line: &impl Display) -> String {
    let line = line.to_string();
    if !line.chars().any(is_steering) {
        return line;
    }
    line.chars().map(|sign| if is_steering(sign) { sign.escape_unicode().to_string() } else { sign.to_string() }).collect()
}

fn is_steering(sign: char) -> bool {
    sign.is_control() && sign != '\n'
}

/// An error with its causes, in one sentence.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut words = Vec::new();
    for cause in error.chain() {
        words.push(cause.downcast_ref().map_or_else(|| cause.to_string(), system_words));
        // The library's errors already name their causes.
        if cause.is::<crate::Error>() {
            break;
        }
    }
    words.join(": ")
}

/// A path as a word of a shell command: as it is if that is plain, else in single quotes, or in `$'…'` with bytes that are no text or would steer
/// the terminal. A word that begins with a dash would be taken for an option.
pub fn shell_word(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let dash = if bytes.starts_with(b"-") { "./" } else { "" };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(byte);
    match path.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(is_plain) => format!("{dash}{text}"),
        Some(text) if !text.chars().any(char::is_control) => format!("'{dash}{}'", text.replace('\'', r"'\''")),
        _ => {
            let escaped: String = bytes
                .iter()
                .map(|&byte| match byte {
                    byte if is_plain(&byte) || byte == b' ' => char::from(byte).to_string(),
                    byte => format!("\\x{byte:02x}"),
                })
                .collect();
            format!("$'{dash}{escaped}'")
        }
    }
}

/// Whether the reader of standard output closed the pipe, as `head` does.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.root_cause().downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_a_shell() {
        for (path, word) in [
            ("de/mo-1.x", "de/mo-1.x"),
            ("-x", "./-x"),
            ("", "''"),
            ("de mo", "'de mo'"),
            ("- x", "'./- x'"),
            ("it's", r"'it'\''s'"),
            ("$(x)`y`;&|\"~*", "'$(x)`y`;&|\"~*'"),
            ("größe", "'größe'"),
            ("a\nb", r"$'a\x0ab'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
