//! Compiled files on disk, so that a machine compiles each only once.
//!
//! A cache file is three lines and an image: the name of the format, the SHA-256 of what follows, the resources of the kernels
//! as JSON, then the CUBIN up to the end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::places::children;
use super::{Arch, Image, Origin, Resources, Version, sha256, sources_hash};
use crate::backend::cuda::File;
use crate::disk::{make_folder, write_atomically};
use crate::error::Result;

/// The folder of the cache.
pub const FOLDER_VARIABLE: &str = "ORTHOSCOPE_CACHE_DIR";
/// First line of every file; another format gets another name.
const FORMAT: &str = "orthoscope kernels 1";
/// Ending of the files' names.
const EXTENSION: &str = "kernels";

/// The cache. It never fails: what cannot be read is compiled, what cannot be written is compiled again next time.
pub struct Cache {
    folder: PathBuf,
    /// Whether it was said that the folder cannot be written.
    warned: AtomicBool,
}

impl Cache {
    /// The cache in `folder`, which is made when it is first written to.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, warned: AtomicBool::new(false) }
    }

    /// `ORTHOSCOPE_CACHE_DIR`, else the usual place for caches of a user; `None` where nothing says where that is.
    pub fn usual() -> Option<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let below = |folder: PathBuf| folder.join("orthoscope/kernels");
        let folder = variable(FOLDER_VARIABLE)
            .or_else(|| variable("XDG_CACHE_HOME").filter(|folder| folder.is_absolute()).map(below))
            .or_else(|| variable("HOME").map(|home| below(home.join(".cache"))));
        folder.map(Self::new)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of compiled files and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let files = children(&self.folder, "").into_iter().filter(|path| path.extension().is_some_and(|own| own == EXTENSION));
        let sizes: Vec<u64> = files.filter_map(|path| Some(path.metadata().ok()?.len())).collect();
        (sizes.len(), sizes.iter().sum())
    }

    /// `file` as NVRTC of this version compiled it.
    pub fn read(&self, file: &'static File, arch: &'static Arch, version: Version) -> Option<Image> {
        let path = self.path(file, arch, version);
        let bytes = std::fs::read(&path).ok()?;
        let Some((cubin, kernels)) = decode(&bytes) else {
            log::warn!("{}: is damaged and will not be used", path.display());
            return None;
        };
        Some(Image { file, arch, version, cubin, kernels, origin: Origin::Cache })
    }

    /// `file` as any NVRTC compiled it, the newest first.
    pub fn read_any(&self, file: &'static File, arch: &'static Arch) -> Option<Image> {
        let prefix = format!("{}-{arch}-", file.stem());
        let version = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix(&prefix)?.split('-').next()?.parse().ok();
        let mut versions: Vec<Version> = children(&self.folder, &prefix).iter().filter_map(version).collect();
        versions.sort_unstable();
        versions.dedup();
        versions.into_iter().rev().find_map(|version| self.read(file, arch, version))
    }

    /// Keeps `image`, if the disk allows.
    pub fn write(&self, image: &Image) {
        if let Err(error) = self.try_write(image)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            log::warn!("compiled kernels are not kept: {error}");
        }
    }

    fn try_write(&self, image: &Image) -> Result<()> {
        make_folder(&self.folder)?;
        let bytes = encode(&image.cubin, &image.kernels);
        write_atomically(&self.path(image.file, image.arch, image.version), |out| out.write_all(&bytes))
    }

    /// The key is the SHA-256 of everything that the image depends on; what stands before it helps people.
    fn path(&self, file: &File, arch: &Arch, version: Version) -> PathBuf {
        let version = version.to_string();
        let key = sha256([sources_hash(file).as_str(), arch.name, &version].map(str::as_bytes));
        self.folder.join(format!("{}-{arch}-{version}-{key}.{EXTENSION}", file.stem()))
    }
}

fn encode(cubin: &[u8], kernels: &[Resources]) -> Vec<u8> {
    // Strings and numbers always have a JSON form.
    let mut body = serde_json::to_vec(kernels).unwrap_or_default();
    body.push(b'\n');
    body.extend_from_slice(cubin);
    [format!("{FORMAT}\n{}\n", sha256([&body[..]])).as_bytes(), &body].concat()
}

/// `None` if a single bit is not as it was written.
fn decode(bytes: &[u8]) -> Option<(Vec<u8>, Vec<Resources>)> {
    let rest = bytes.strip_prefix(FORMAT.as_bytes())?.strip_prefix(b"\n")?;
    let (checksum, body) = split_line(rest)?;
    if checksum != sha256([body]).as_bytes() {
        return None;
    }
    let (kernels, cubin) = split_line(body)?;
    Some((cubin.to_vec(), serde_json::from_slice(kernels).ok()?))
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    static FILE: File = File { name: "some.cu", text: "kernel" };
    static OTHER: File = File { name: "some.cu", text: "another kernel" };
    const VERSION: Version = Version { major: 13, minor: 0 };

    fn image(version: Version) -> Image {
        let kernels = vec![Resources { name: "k".into(), registers: 7, ..Resources::default() }];
        let cubin = b"\x7fELF\n\n\0rest".to_vec();
        Image { file: &FILE, arch: Arch::named("sm_90a").unwrap(), version, cubin, kernels, origin: Origin::Compiled }
    }

    #[test]
    fn gives_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("a/b"));
        let (arch, written) = (Arch::named("sm_90a").unwrap(), image(VERSION));
        assert!(cache.read(&FILE, arch, VERSION).is_none());
        assert_eq!(cache.size(), (0, 0));
        cache.write(&written);
        let read = cache.read(&FILE, arch, VERSION).unwrap();
        assert_eq!((&read.cubin, &read.kernels, read.origin), (&written.cubin, &written.kernels, Origin::Cache));
        assert_eq!(cache.size().0, 1);
        // Nothing else than exactly this.
        assert!(cache.read(&OTHER, arch, VERSION).is_none() && cache.read_any(&OTHER, arch).is_none());
        assert!(cache.read(&FILE, Arch::named("sm_90").unwrap(), VERSION).is_none());
        assert!(cache.read(&FILE, arch, Version { major: 12, minor: 9 }).is_none());
    }

    #[test]
    fn without_a_version_the_newest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        for (major, minor) in [(12, 9), (13, 0), (12, 10)] {
            cache.write(&image(Version { major, minor }));
        }
        assert_eq!(cache.read_any(&FILE, Arch::named("sm_90a").unwrap()).unwrap().version, VERSION);
        assert!(cache.read_any(&FILE, Arch::named("sm_90").unwrap()).is_none());
    }

    #[test]
    fn every_damage_is_seen() {
        let image = image(VERSION);
        let bytes = encode(&image.cubin, &image.kernels);
        assert_eq!(decode(&bytes), Some((image.cubin, image.kernels)));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "cut to {len} bytes");
        }
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert_eq!(decode(&broken), None, "byte {at}");
        }
        assert_eq!(decode(&[&bytes[..], b"more"].concat()), None);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken");
        std::fs::write(&file, "x").unwrap();
        let cache = Cache::new(file);
        cache.write(&image(VERSION));
        assert!(cache.read_any(&FILE, Arch::named("sm_90a").unwrap()).is_none());
        assert_eq!(cache.size(), (0, 0));
    }
}
