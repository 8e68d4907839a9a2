//! A disk of a chosen size for one command: a tmpfs in a namespace of its own, which root can mount, and often others, too. Where
//! neither can, the size of each file is limited instead.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::rounds::note;
use crate::fixture::{Ran, Scratch, told};

/// Bytes that a tmpfs counts in.
pub const PAGE: u64 = 4096;

/// The folder that becomes the disk.
pub const DISK: &str = "disk";
/// What was on it when the command had ended.
const KEPT: &str = "kept";

/// How space is limited on this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// By a tmpfs, mounted by root or by the root of a namespace of users.
    Tmpfs(&'static str),
    /// By the size of a file.
    FileSize,
}

impl Limit {
    /// The reason that the system gives.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tmpfs(_) => "No space left on device",
            Self::FileSize => "File too large",
        }
    }
}

/// What this machine allows.
pub fn limit() -> Limit {
    static FOUND: OnceLock<Limit> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let works = |options: &&str| {
            let mut probe = Command::new("unshare");
            probe.args(options.split(' ')).args(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", env!("CARGO_TARGET_TMPDIR")]);
            probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let found = ["-m", "-r -m"].into_iter().find(works).map_or(Limit::FileSize, Limit::Tmpfs);
        if found == Limit::FileSize {
            note(format_args!("full disk: no tmpfs can be mounted here, so the size of a file is limited instead"));
        }
        found
    })
}

/// Runs a command line with so many bytes of space in [`DISK`], which holds its files already. Afterwards they are what the
/// command left.
pub fn run(scratch: &Scratch, bytes: u64, command: &str, environment: &[(&str, &str)]) -> Ran {
    let program = env!("CARGO_BIN_EXE_orthoscope");
    let mut shell = match limit() {
        Limit::Tmpfs(options) => {
            let mut unshare = Command::new("unshare");
            unshare.args(options.split(' ')).args(["sh", "-c", &on_tmpfs(bytes, program, command)]);
            unshare
        }
        Limit::FileSize => {
            let mut sh = Command::new("sh");
            sh.args(["-c", &format!("ulimit -f {}; exec {program} {command}", bytes / 512)]);
            sh
        }
    };
    shell.current_dir(scratch.path("")).env_remove("RUST_LOG").envs(environment.iter().copied());
    let ran = told(shell.output().unwrap());
    if scratch.path(KEPT).exists() {
        fs::remove_dir_all(scratch.path(DISK)).unwrap();
        fs::rename(scratch.path(KEPT), scratch.path(DISK)).unwrap();
    }
    ran
}

/// The files are brought onto the disk and away from it while it is mounted, which nobody outside sees.
fn on_tmpfs(bytes: u64, program: &str, command: &str) -> String {
    format!(
        "set -e; cp -a {DISK} before; mount -t tmpfs -o size={bytes} tmpfs {DISK}; cp -a before/. {DISK}; rm -r before; set +e; \
         {program} {command}; code=$?; cp -a {DISK} {KEPT}; exit $code"
    )
}

/// The bytes of a disk that these files fill.
pub fn space(files: &super::state::Files) -> u64 {
    files.values().map(|bytes| (bytes.len() as u64).next_multiple_of(PAGE)).sum()
}

/// Makes the folder of the disk, with a copy of what is in `start`, if that is given.
pub fn prepare(scratch: &Scratch, start: Option<&Path>) {
    let disk = scratch.path(DISK);
    if disk.exists() {
        fs::remove_dir_all(&disk).unwrap();
    }
    fs::create_dir_all(&disk).unwrap();
    let files = start.map(crate::fixture::tree).unwrap_or_default();
    for (path, bytes) in files {
        match bytes {
            Some(bytes) => scratch.write(Path::new(DISK).join(path), bytes),
            None => fs::create_dir_all(disk.join(path)).unwrap(),
        }
    }
}
