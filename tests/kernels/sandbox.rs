//! Helpers: detection of NVRTC, and the program in an isolated environment.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use orthoscope::backend::cuda::compiler::{Arch, Cache, Compiler, Cubin, default_places};
use tempfile::TempDir;

use crate::fixture::{Ran, orthoscope, sentence, told};

/// Prints a line to standard error.
pub fn note(line: std::fmt::Arguments<'_>) {
    eprintln!("{line}");
}

/// A compiler without cache. If there is no NVRTC, prints that `test` is skipped and returns None, or panics if
/// `ORTHOSCOPE_REQUIRE_NVRTC=1`.
pub fn nvrtc(test: &str) -> Option<Compiler> {
    let compiler = Compiler::new(default_places());
    if let Err(missing) = compiler.nvrtc() {
        assert!(std::env::var_os("ORTHOSCOPE_REQUIRE_NVRTC").is_none_or(|value| value != "1"), "{test} needs NVRTC: {missing}");
        note(format_args!("skipped: {test}: {missing}"));
        return None;
    }
    Some(compiler)
}

/// One of each generation.
pub const ARCHITECTURES: [&str; 6] = ["sm_80", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_120"];

/// The cache that the tests share, for these sources. Caches for other sources are removed, because a test damages files and
/// expects that they would have been used.
pub fn shared_cache() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let (folder, prefix) = (Path::new(env!("CARGO_TARGET_TMPDIR")), "compiled-kernels");
        let name = format!("{prefix}-{:016x}", hash_of_sources());
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let other = entry.file_name();
            if other.to_str().is_some_and(|other| other.starts_with(prefix) && other != name) {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        folder.join(name)
    };
    FOLDER.get_or_init(make).clone()
}

fn hash_of_sources() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    let mut hasher = DefaultHasher::new();
    files.iter().for_each(|path| std::fs::read(path).unwrap().hash(&mut hasher));
    hasher.finish()
}

/// Compiles every kernel file for all [`ARCHITECTURES`] into the shared cache. None if there is no NVRTC, as for [`nvrtc`].
pub fn cubins(test: &str) -> Option<&'static [Cubin]> {
    static CUBINS: OnceLock<Vec<Cubin>> = OnceLock::new();
    let mut compiler = nvrtc(test)?;
    let compile = || {
        compiler.cache = Some(Cache::new(shared_cache()));
        let start = Instant::now();
        let cubins = compiler.cubins(&ARCHITECTURES.map(|name| Arch::named(name).unwrap())).unwrap();
        let version = compiler.nvrtc().unwrap().version();
        note(format_args!("NVRTC {version}: {} cubins in {:.1} s", cubins.len(), start.elapsed().as_secs_f64()));
        cubins
    };
    Some(CUBINS.get_or_init(compile))
}

/// A temporary folder to run the program in, with its own cache in `cache`.
pub struct Sandbox(TempDir);

impl Sandbox {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A sandbox whose cache has the shared cache's files for one architecture.
    pub fn with_cache_of(arch: &str) -> Self {
        let sandbox = Self::new();
        let own = sandbox.path().join("cache");
        std::fs::create_dir(&own).unwrap();
        for entry in std::fs::read_dir(shared_cache()).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_name().to_str().unwrap().contains(&format!("-{arch}-")) {
                std::fs::copy(entry.path(), own.join(entry.file_name())).unwrap();
            }
        }
        sandbox
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the program with additional environment variables.
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

    /// Runs the program with NVRTC hidden as far as possible. An NVRTC on the loader's path or in `/usr/local` cannot be hidden.
    pub fn run_without_nvrtc(&self, variables: &[(&str, &str)], command: &str) -> Ran {
        std::fs::create_dir_all(self.path().join("empty")).unwrap();
        let hidden = ["VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH"].map(|name| (name, ""));
        self.run_with(&[&[("ORTHOSCOPE_NVRTC_DIR", "empty")], &hidden[..], variables].concat(), command)
    }

    /// Whether [`Self::run_without_nvrtc`] hides NVRTC on this machine. If not, prints that `test` is skipped.
    pub fn hides_nvrtc(&self, test: &str) -> bool {
        let facts: serde_json::Value = serde_json::from_str(&self.run_without_nvrtc(&[], "doctor --json").out).unwrap();
        let hidden = facts["nvrtc"].is_null();
        if !hidden {
            note(format_args!("skipped: {test}: NVRTC cannot be hidden on this machine: {}", facts["nvrtc_path"]));
        }
        hidden
    }
}

#[track_caller]
pub fn refused(ran: &Ran) -> String {
    assert_eq!(ran.code, 1, "{} {}", ran.out, ran.err);
    sentence(&ran.err)
}
