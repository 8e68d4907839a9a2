//! Shared by these tests: detection of NVRTC, and the binary in an isolated environment.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use orthoscope::backend::cuda::compiler::{Arch, Cache, Compiler, Image, usual_places};
use tempfile::TempDir;

use crate::fixture::{Ran, orthoscope, sentence, told};

/// A line on standard error that the test harness does not capture.
pub fn note(line: std::fmt::Arguments<'_>) {
    eprintln!("{line}");
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

/// One of each generation.
pub const ARCHITECTURES: [&str; 6] = ["sm_80", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_120"];

/// The cache that the tests share; what is in it was made of the very same sources, or it would not be used.
pub fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-kernels")
}

/// Every kernel file for all of [`ARCHITECTURES`], in the shared cache from now on; `None` as by [`nvrtc`].
pub fn images(test: &str) -> Option<&'static [Image]> {
    static IMAGES: OnceLock<Vec<Image>> = OnceLock::new();
    let mut compiler = nvrtc(test)?;
    let compile = || {
        compiler.cache = Some(Cache::new(shared_cache()));
        let start = Instant::now();
        let images = compiler.images(&ARCHITECTURES.map(|name| Arch::named(name).unwrap())).unwrap();
        let version = compiler.nvrtc().unwrap().version();
        note(format_args!("NVRTC {version}: {} images in {:.1} s", images.len(), start.elapsed().as_secs_f64()));
        images
    };
    Some(IMAGES.get_or_init(compile))
}

/// A folder and the binary in it, with a cache of its own in `cache`.
pub struct Room(TempDir);

impl Room {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With the shared cache's files for one architecture.
    pub fn with_cache_of(arch: &str) -> Self {
        let room = Self::new();
        let own = room.path().join("cache");
        std::fs::create_dir(&own).unwrap();
        for entry in std::fs::read_dir(shared_cache()).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_name().to_str().unwrap().contains(&format!("-{arch}-")) {
                std::fs::copy(entry.path(), own.join(entry.file_name())).unwrap();
            }
        }
        room
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

    /// Runs the binary where there is no NVRTC, as far as this machine can be made to look
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
