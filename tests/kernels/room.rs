//! What these tests share: whether there is NVRTC, and the binary in an environment of its own.

use std::io::Write;
use std::path::Path;

use orthoscope::backend::cuda::compiler::{Compiler, usual_places};
use tempfile::TempDir;

use crate::fixture::{Ran, orthoscope, sentence, told};

/// A line on standard error that the test harness does not capture.
pub fn note(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// A compiler without cache, or `None` with a note that `test` was skipped. With `ORTHOSCOPE_REQUIRE_NVRTC=1` there must be one.
pub fn nvrtc(test: &str) -> Option<Compiler> {
    let compiler = Compiler::new(usual_places());
    if let Err(missing) = compiler.nvrtc() {
        assert!(std::env::var_os("ORTHOSCOPE_REQUIRE_NVRTC").is_none_or(|value| value != "1"), "{test} needs NVRTC: {missing}");
        note(format_args!("skipped: {test}: {missing}"));
        return None;
    }
    Some(compiler)
}

/// A folder and the binary in it, with a cache of its own in `cache`.
pub struct Room(TempDir);

impl Room {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the binary with more variables of the environment.
    pub fn run_with(&self, variables: &[(&str, &str)], command: &str) -> Ran {
        let mut process = orthoscope();
        process.current_dir(self.path()).env_remove("ORTHOSCOPE_KERNELS_DIR").env("ORTHOSCOPE_CACHE_DIR", "cache");
        told(process.envs(variables.iter().copied()).args(command.split_whitespace()).output().unwrap())
    }

    #[track_caller]
    pub fn succeeds(&self, command: &str) -> Ran {
        let ran = self.run_with(&[], command);
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        ran
    }

    /// The sentence with which the binary refuses `command` where there is no NVRTC, as far as this machine can be made to look
    /// so: what the loader and `/usr/local` offer cannot be hidden.
    pub fn run_without_nvrtc(&self, variables: &[(&str, &str)], command: &str) -> Ran {
        std::fs::create_dir_all(self.path().join("empty")).unwrap();
        let hidden = ["VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH"].map(|name| (name, ""));
        self.run_with(&[&[("ORTHOSCOPE_NVRTC_DIR", "empty")], &hidden[..], variables].concat(), command)
    }

    /// Whether [`Self::run_without_nvrtc`] hides NVRTC; else says that `test` was skipped.
    pub fn hides_nvrtc(&self, test: &str) -> bool {
        let facts: serde_json::Value = serde_json::from_str(&self.run_without_nvrtc(&[], "doctor --json").out).unwrap();
        let hidden = facts["nvrtc"].is_null();
        if !hidden {
            note(format_args!("skipped: {test}: this machine has NVRTC where it cannot be hidden, {}", facts["nvrtc_path"]));
        }
        hidden
    }
}

#[track_caller]
pub fn refused(ran: &Ran) -> String {
    assert_eq!(ran.code, 1, "{} {}", ran.out, ran.err);
    sentence(&ran.err)
}
