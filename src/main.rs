//! The command line of orthoscope.

use std::process::ExitCode;

fn main() -> ExitCode {
    orthoscope::cli::main(&[])
}
