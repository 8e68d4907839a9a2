//! The command line of orthoscope.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
