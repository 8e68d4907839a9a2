//! Cache of compiled kernel files on disk, so that a machine compiles each file only once.
//!
//! A cache file has four lines of text followed by a CUBIN: the name of the format, the SHA-256 of everything after this line,
//! the key that is also in the name of the file, and the resources of the kernels as JSON. The CUBIN fills the rest of the file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::places::children;
use super::{Arch, Cubin, Origin, Resources, Version, sha256, sources_hash};
use crate::backend::cuda::File;
use crate::disk::{bounded, make_folder, write_atomically};
use crate::error::Result;

/// Environment variable with the folder of the cache.
pub const FOLDER_VARIABLE: &str = "ORTHOSCOPE_CACHE_DIR";
/// First line of every cache file. It changes whenever the format changes.
const FORMAT: &str = "orthoscope kernels 2";
/// Longest cache file that is read, in bytes.
const LONGEST: u64 = 1 << 30;
/// Extension of cache files.
const EXTENSION: &str = "kernels";

/// The cache. Its operations never fail: a file that cannot be read is compiled, and one that cannot be written is compiled again
/// next time.
pub struct Cache {
    folder: PathBuf,
    /// Whether a warning that the folder cannot be written has been logged.
    warned: AtomicBool,
}

impl Cache {
    /// The cache in `folder`, which is created on the first write.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, warned: AtomicBool::new(false) }
    }

    /// The cache in `ORTHOSCOPE_CACHE_DIR`, otherwise in the user's cache folder (`XDG_CACHE_HOME` or `HOME/.cache`). None if
    /// none of these variables is set.
    pub fn from_environment() -> Option<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let below = |folder: PathBuf| folder.join("orthoscope/kernels");
        let folder = variable(FOLDER_VARIABLE)
            .or_else(|| variable("XDG_CACHE_HOME").filter(|folder| folder.is_absolute()).map(below))
            .or_else(|| variable("HOME").map(|home| below(home.join(".cache"))));
        folder.map(Self::new)
    }

    /// Path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of cache files, and their size in bytes.
    pub fn size(&self) -> (usize, u64) {
        let files = children(&self.folder, "").into_iter().filter(|path| path.extension().is_some_and(|own| own == EXTENSION));
        let sizes: Vec<u64> = files.filter_map(|path| Some(path.metadata().ok()?.len())).collect();
        (sizes.len(), sizes.iter().sum())
    }

    /// The CUBIN of `file` for `arch` as compiled by this version of NVRTC.
    pub fn read(&self, file: &'static File, arch: &'static Arch, version: Version) -> Option<Cubin> {
        let path = self.path(file, arch, version);
        let bytes = bounded::read(&path, LONGEST).ok()?;
        let Some((code, kernels)) = decode(&bytes, &key(file, arch, version)) else {
            log::warn!("{}: is damaged, of another version or of another kernel, and will not be used", path.display());
            return None;
        };
        Some(Cubin { file, arch, version, code, kernels, origin: Origin::Cache })
    }

    /// The CUBIN of `file` for `arch` as compiled by the newest version of NVRTC in the cache.
    pub fn read_newest(&self, file: &'static File, arch: &'static Arch) -> Option<Cubin> {
        let prefix = format!("{}-{arch}-", file.stem());
        let version = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix(&prefix)?.split('-').next()?.parse().ok();
        let mut versions: Vec<Version> = children(&self.folder, &prefix).iter().filter_map(version).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.into_iter().rev().find_map(|version| self.read(file, arch, version))
    }

    /// Writes `cubin` to the cache. The first failure is logged as a warning.
    pub fn write(&self, cubin: &Cubin) {
        if let Err(error) = self.try_write(cubin)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            log::warn!("compiled kernels are not kept: {error}");
        }
    }

    fn try_write(&self, cubin: &Cubin) -> Result<()> {
        make_folder(&self.folder)?;
        let bytes = encode(&cubin.code, &cubin.kernels, &key(cubin.file, cubin.arch, cubin.version));
        write_atomically(&self.path(cubin.file, cubin.arch, cubin.version), |out| out.write_all(&bytes))
    }

    /// The file name ends with the SHA-256 of everything that the CUBIN depends on. The part before it is for human readers.
    fn path(&self, file: &File, arch: &Arch, version: Version) -> PathBuf {
        let key = key(file, arch, version);
        self.folder.join(format!("{}-{arch}-{version}-{key}.{EXTENSION}", file.stem()))
    }
}

/// The SHA-256 of everything that a CUBIN depends on.
fn key(file: &File, arch: &Arch, version: Version) -> String {
    sha256([sources_hash(file).as_str(), arch.name, &version.to_string()].map(str::as_bytes))
}

fn encode(code: &[u8], kernels: &[Resources], key: &str) -> Vec<u8> {
    let mut body = format!("{key}\n").into_bytes();
    // Serialising strings and numbers cannot fail.
    body.extend(serde_json::to_vec(kernels).unwrap_or_default());
    body.push(b'\n');
    body.extend_from_slice(code);
    [format!("{FORMAT}\n{}\n", sha256([&body[..]])).as_bytes(), &body].concat()
}

/// The CUBIN with this key and the resources of its kernels; None if a single bit differs from what was written, or it has
/// another key.
fn decode(bytes: &[u8], key: &str) -> Option<(Vec<u8>, Vec<Resources>)> {
    let rest = bytes.strip_prefix(FORMAT.as_bytes())?.strip_prefix(b"\n")?;
    let (checksum, body) = split_line(rest)?;
    if checksum != sha256([body]).as_bytes() {
        return None;
    }
    let (own_key, rest) = split_line(body)?;
    let (kernels, code) = split_line(rest)?;
    if own_key != key.as_bytes() {
        return None;
    }
    Some((code.to_vec(), serde_json::from_slice(kernels).ok()?))
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    static FILE: File = File { name: "some.cu", text: "kernel", only: None };
    static OTHER: File = File { name: "some.cu", text: "another kernel", only: None };
    const VERSION: Version = Version { major: 13, minor: 0 };

    fn cubin(version: Version) -> Cubin {
        let kernels = vec![Resources { name: "k".into(), registers: 7, ..Resources::default() }];
        let code = b"\x7fELF\n\n\0rest".to_vec();
        Cubin { file: &FILE, arch: Arch::named("sm_90a").unwrap(), version, code, kernels, origin: Origin::Compiled }
    }

    #[test]
    fn a_cubin_is_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("a/b"));
        let (arch, written) = (Arch::named("sm_90a").unwrap(), cubin(VERSION));
        assert!(cache.read(&FILE, arch, VERSION).is_none());
        assert_eq!(cache.size(), (0, 0));
        cache.write(&written);
        let read = cache.read(&FILE, arch, VERSION).unwrap();
        assert_eq!((&read.code, &read.kernels, read.origin), (&written.code, &written.kernels, Origin::Cache));
        assert_eq!(cache.size().0, 1);
        // Another source, architecture or version is not found.
        assert!(cache.read(&OTHER, arch, VERSION).is_none() && cache.read_newest(&OTHER, arch).is_none());
        assert!(cache.read(&FILE, Arch::named("sm_90").unwrap(), VERSION).is_none());
        assert!(cache.read(&FILE, arch, Version { major: 12, minor: 9 }).is_none());
    }

    #[test]
    fn the_newest_version_is_preferred() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        for (major, minor) in [(12, 9), (13, 0), (12, 10)] {
            cache.write(&cubin(Version { major, minor }));
        }
        assert_eq!(cache.read_newest(&FILE, Arch::named("sm_90a").unwrap()).unwrap().version, VERSION);
        assert!(cache.read_newest(&FILE, Arch::named("sm_90").unwrap()).is_none());
    }

    #[test]
    fn any_changed_or_missing_byte_is_detected() {
        let cubin = cubin(VERSION);
        let bytes = encode(&cubin.code, &cubin.kernels, "key");
        assert_eq!(decode(&bytes, "another key"), None);
        assert_eq!(decode(&bytes, "key"), Some((cubin.code, cubin.kernels)));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], "key"), None, "cut to {len} bytes");
        }
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert_eq!(decode(&broken, "key"), None, "byte {at}");
        }
        assert_eq!(decode(&[&bytes[..], b"more"].concat(), "key"), None);
    }

    #[test]
    fn a_file_under_the_name_of_another_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        let (arch, own) = (Arch::named("sm_90a").unwrap(), cubin(VERSION));
        let other = Cubin { file: &OTHER, code: b"other".to_vec(), ..cubin(VERSION) };
        cache.write(&own);
        cache.write(&other);
        std::fs::copy(cache.path(&OTHER, arch, VERSION), cache.path(&FILE, arch, VERSION)).unwrap();
        assert!(cache.read(&FILE, arch, VERSION).is_none());
        cache.write(&own);
        assert_eq!(cache.read(&FILE, arch, VERSION).unwrap().code, own.code);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        let arch = Arch::named("sm_90a").unwrap();
        let path = cache.path(&FILE, arch, VERSION);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(cache.read(&FILE, arch, VERSION).is_none());
        cache.write(&cubin(VERSION));
        assert!(cache.read_newest(&FILE, arch).is_none());
    }

    #[test]
    fn an_unwritable_folder_is_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken");
        std::fs::write(&file, "x").unwrap();
        let cache = Cache::new(file);
        cache.write(&cubin(VERSION));
        assert!(cache.read_newest(&FILE, Arch::named("sm_90a").unwrap()).is_none());
        assert_eq!(cache.size(), (0, 0));
    }
}
