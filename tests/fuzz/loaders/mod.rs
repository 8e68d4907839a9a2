//! The loaders, each with valid files, its limit of memory, and a check that uses what was read as the program does.

mod arrays;
mod configs;
mod kernels;
mod logs;
mod metrics;
mod pictures;
mod profiles;
mod records;
mod reproductions;
mod weights;

use std::path::Path;

use orthoscope::Error;

use super::campaign::{Loader, Read, Verdict};

/// Memory that any loader may hold: tables of the libraries, and the names and numbers of a small file.
const BASE: usize = 4 << 20;

/// Memory for a file that is read as text or as tensors: its bytes, its parsed form, and its content written again.
fn of_file(length: usize, _: &Path) -> usize {
    BASE + 256 * length
}

fn refused(error: &Error) -> Verdict {
    Ok(Read::Refused(error.to_string()))
}

/// The result of work on what was accepted, which must not fail.
fn must<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{what} of what was accepted failed: {error}"))
}

/// A check of an equality.
fn ensure(holds: bool, fault: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault.to_owned()) }
}

/// The screen that tables are drawn for.
fn screen() -> orthoscope::report::table::Screen {
    orthoscope::report::table::Screen { columns: 80, colour: false }
}
