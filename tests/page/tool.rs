//! Programs that not every machine has.

use std::io::Write;
use std::process::{Command, Stdio};

/// A program by its first name that can be started. If there is none, says on the terminal that `test` is skipped, also where the output of tests
/// is captured, and returns None; or panics if the variable `required` is 1.
pub fn tool(names: &[&'static str], required: &str, test: &str) -> Option<&'static str> {
    let starts = |name: &&&str| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let found = names.iter().find(starts).copied();
    if found.is_none() {
        assert!(std::env::var_os(required).is_none_or(|value| value != "1"), "{test} needs one of {names:?}");
        let line = format!("\nSKIPPED: {test}: there is no {} ({required}=1 makes this an error)\n", names.join(" or "));
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found
}
