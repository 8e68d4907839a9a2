use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::error::system_words;
pub use crate::report::steering::harmless;
use crate::report::steering::is_steering;
use crate::report::table::Screen;
use console::Term;
use serde::Serialize;

/// Width of tables if that of the terminal is unknown, and their minimum width.
const NARROW: usize = 80;

/// Exit code of an interrupted run: 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Why standard output took no more text, if it did not. The work goes on: its files are the result, and [`failure`] tells at the
/// end.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Prints one line on standard output, whatever a file or its name puts into it.
///
/// # Errors
/// As [`print`].
pub fn say(line: impl Display) -> anyhow::Result<()> {
    print(format_args!("{}\n", harmless(&line)))
}

/// Prints several lines, each as [`say`] does.
///
/// # Errors
/// As [`print`].
pub fn say_lines(text: impl Display) -> anyhow::Result<()> {
    text.to_string().lines().try_for_each(say)
}

/// Prints a value as JSON, in which no string has a sign that would steer the terminal.
///
/// # Errors
/// As [`print`], or a value that JSON cannot hold.
pub fn say_json(value: &(impl Serialize + ?Sized)) -> anyhow::Result<()> {
    say_record(&serde_json::to_string_pretty(value)?)
}

/// The same with JSON that is text already.
///
/// # Errors
/// As [`print`].
pub fn say_record(json: &str) -> anyhow::Result<()> {
    // Outside of strings, JSON has no such sign but line feeds.
    let escape = |sign: char| if sign != '\n' && is_steering(sign) { format!("\\u{:04x}", sign as u32) } else { sign.into() };
    print(format_args!("{}\n", json.chars().map(escape).collect::<String>()))
}

/// Prints text on standard output as it is: tables, whose cells are clean, and texts of the program itself. After a first failure
/// nothing is printed any more.
///
/// # Errors
/// None: see [`failure`].
pub fn print(text: impl Display) -> anyhow::Result<()> {
    if FAILURE.get().is_none() {
        let mut out = io::stdout().lock();
        if let Err(error) = write!(out, "{text}").and_then(|()| out.flush()) {
            let _ = FAILURE.set(error);
        }
    }
    Ok(())
}

/// Why standard output did not take all that was printed, a full disk for example; None if its reader closed the pipe, as `head`
/// does.
pub fn failure() -> Option<String> {
    let error = FAILURE.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)?;
    Some(format!("standard output: {}", system_words(error)))
}

/// Width and colour of standard output. The width is that of the terminal, or `COLUMNS` for a file or a pipe. Colour is used on a
/// terminal only, unless `NO_COLOR`, `CLICOLOR` or `CLICOLOR_FORCE` say otherwise.
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

/// Prints what the parser of the command line has to say: help, the version, or what is wrong with the command.
pub fn explain(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
    if error.use_stderr() {
        let text = error.render().to_string();
        // It quotes the command, into which `*` may bring the name of a file. Without styles only then.
        if text.chars().any(|sign| sign != '\n' && is_steering(sign)) {
            text.lines().for_each(note);
        } else {
            let _ = error.print();
        }
        return code;
    }
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => {
            note(format_args!("error: standard output: {}", system_words(&fault)));
            ExitCode::FAILURE
        }
        _ => code,
    }
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

/// A path as a word of a shell command: as it is if that is plain, else in single quotes, or in `$'…'` with bytes that are no
/// text or would steer the terminal. A word that begins with a dash would be taken for an option.
pub fn shell_word(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let dash = if bytes.starts_with(b"-") { "./" } else { "" };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(byte);
    match path.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(is_plain) => format!("{dash}{text}"),
        Some(text) if !text.chars().any(is_steering) => format!("'{dash}{}'", text.replace('\'', r"'\''")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_the_terminal_is_shown_instead() {
        let name = "a.png\nnormal  b.png\u{1b}[2K\u{9b}1A\u{7f}\r\u{202e}gnp.\u{2028}c d é 日";
        let shown = "a.png\\u{a}normal  b.png\\u{1b}[2K\\u{9b}1A\\u{7f}\\u{d}\\u{202e}gnp.\\u{2028}c d é 日";
        assert_eq!(harmless(&name), shown);
        assert_eq!(harmless(&"plain — text"), "plain — text");
    }

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
            ("a\u{202e}b", r"$'a\xe2\x80\xaeb'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
