use std::fmt::Display;
use std::io::{self, Write};

use anyhow::Context;

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

/// Prints a line on standard error; failures are ignored.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether the reader of standard output closed the pipe, as `head` does.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.root_cause().downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
