//! Kernels compiled ahead of time, for machines without NVRTC: `ARCH/FILE.cubin` and `kernels.json`, which says of what sources
//! they were made.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Arch, Image, Origin, Resources, sha256, sources_hash};
use crate::backend::cuda::File;
use crate::disk::{make_folder, write_atomically};
use crate::error::{Error, Result, system_words};

/// The folder of kernels compiled ahead of time.
pub const FOLDER_VARIABLE: &str = "ORTHOSCOPE_KERNELS_DIR";
/// Name of the table of contents.
const MANIFEST: &str = "kernels.json";

/// The table of contents of such a folder.
#[derive(Default, Serialize, Deserialize)]
struct Manifest {
    images: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    arch: String,
    file: String,
    /// Version of NVRTC that made it.
    nvrtc: String,
    /// SHA-256 of the source, its headers and the options.
    sources: String,
    /// SHA-256 of the CUBIN.
    cubin: String,
    kernels: Vec<Resources>,
}

impl Entry {
    fn is_of(&self, file: &File, arch: &Arch) -> bool {
        self.arch == arch.name && self.file == file.name
    }
}

/// A folder of kernels compiled ahead of time.
pub struct Ahead {
    folder: PathBuf,
}

impl Ahead {
    /// The folder `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What `ORTHOSCOPE_KERNELS_DIR` names, if it names something.
    pub fn usual() -> Option<Self> {
        std::env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty()).map(|folder| Self::new(folder.into()))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of the architectures in it, each once.
    ///
    /// # Errors
    /// It is no folder of compiled kernels.
    pub fn architectures(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for entry in self.manifest()?.images {
            if !names.contains(&entry.arch) {
                names.push(entry.arch);
            }
        }
        Ok(names)
    }

    /// `file` for `arch`, if it is there.
    ///
    /// # Errors
    /// It is there but was made of other sources, or is damaged; or this is no folder of compiled kernels.
    pub fn read(&self, file: &'static File, arch: &'static Arch) -> Result<Option<Image>> {
        let Some(entry) = self.manifest()?.images.into_iter().find(|entry| entry.is_of(file, arch)) else { return Ok(None) };
        let path = self.cubin_path(file, arch);
        if entry.sources != sources_hash(file) {
            return Err(Error::file(path, format!("was compiled from other sources than this program has; {}", again(arch))));
        }
        let cubin =
            std::fs::read(&path).map_err(|error| Error::file(&path, format!("{}; {}", system_words(&error), again(arch))))?;
        match entry.nvrtc.parse() {
            Ok(version) if entry.cubin == sha256([&cubin[..]]) => {
                Ok(Some(Image { file, arch, version, cubin, kernels: entry.kernels, origin: Origin::Ahead }))
            }
            _ => Err(Error::file(path, format!("is damaged; {}", again(arch)))),
        }
    }

    /// Writes `images` and says so in the table of contents. What is there for other architectures stays.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, images: &[Image]) -> Result<()> {
        let mut manifest = self.manifest().unwrap_or_default();
        manifest.images.retain(|entry| !images.iter().any(|image| image.arch.name == entry.arch));
        for image in images {
            let path = self.cubin_path(image.file, image.arch);
            make_folder(path.parent().unwrap_or(&self.folder))?;
            write_atomically(&path, |out| out.write_all(&image.cubin))?;
            manifest.images.push(Entry {
                arch: image.arch.name.to_owned(),
                file: image.file.name.to_owned(),
                nvrtc: image.version.to_string(),
                sources: sources_hash(image.file),
                cubin: sha256([&image.cubin[..]]),
                kernels: image.kernels.clone(),
            });
        }
        let path = self.folder.join(MANIFEST);
        let text = serde_json::to_string_pretty(&manifest).map_err(|error| Error::file(&path, error))?;
        write_atomically(&path, |out| writeln!(out, "{text}"))
    }

    fn cubin_path(&self, file: &File, arch: &Arch) -> PathBuf {
        self.folder.join(arch.name).join(format!("{}.cubin", file.stem()))
    }

    fn manifest(&self) -> Result<Manifest> {
        let path = self.folder.join(MANIFEST);
        let refuse = |reason: String| {
            let help = format!("{FOLDER_VARIABLE} must name a folder that `orthoscope kernels --out` wrote");
            Error::file(&path, format!("{reason}; {help}"))
        };
        let bytes = std::fs::read(&path).map_err(|error| refuse(format!("cannot be read: {}", system_words(&error))))?;
        serde_json::from_slice(&bytes).map_err(|error| refuse(format!("is no table of compiled kernels: {error}")))
    }
}

/// What to do about an image that cannot be used.
fn again(arch: &Arch) -> String {
    format!("compile it again with `orthoscope kernels --arch {arch} --out DIR`, or unset {FOLDER_VARIABLE}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cuda::compiler::Version;

    static FILE: File = File { name: "some.cu", text: "kernel" };
    static NEWER: File = File { name: "some.cu", text: "another kernel" };
    static OTHER: File = File { name: "other.cu", text: "kernel" };

    fn arch(name: &str) -> &'static Arch {
        Arch::named(name).unwrap()
    }

    fn image(arch: &'static Arch, cubin: &[u8]) -> Image {
        let kernels = vec![Resources { name: "k".into(), stack: 8, ..Resources::default() }];
        let version = Version { major: 12, minor: 9 };
        Image { file: &FILE, arch, version, cubin: cubin.to_vec(), kernels, origin: Origin::Compiled }
    }

    #[test]
    fn architectures_are_added_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let ahead = Ahead::new(folder.path().join("new"));
        ahead.write(&[image(arch("sm_80"), b"a"), image(arch("sm_90"), b"b")]).unwrap();
        ahead.write(&[image(arch("sm_90"), b"c")]).unwrap();
        assert_eq!(ahead.architectures().unwrap(), ["sm_80", "sm_90"]);
        for (name, cubin) in [("sm_80", b"a"), ("sm_90", b"c")] {
            let read = ahead.read(&FILE, arch(name)).unwrap().unwrap();
            assert_eq!(
                (&read.cubin[..], &read.kernels, read.origin),
                (&cubin[..], &image(arch(name), b"").kernels, Origin::Ahead)
            );
        }
        assert!(ahead.read(&FILE, arch("sm_89")).unwrap().is_none());
        assert!(ahead.read(&OTHER, arch("sm_90")).unwrap().is_none());
    }

    #[test]
    fn what_is_stale_or_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ahead = Ahead::new(folder.path().to_owned());
        let sentence = |file| ahead.read(file, arch("sm_90")).unwrap_err().to_string();
        assert!(sentence(&FILE).contains("kernels.json: cannot be read"), "{}", sentence(&FILE));
        ahead.write(&[image(arch("sm_90"), b"cubin")]).unwrap();
        let stale = sentence(&NEWER);
        assert!(stale.contains("some.cubin: was compiled from other sources"), "{stale}");
        assert!(stale.contains("`orthoscope kernels --arch sm_90 --out DIR`"), "{stale}");
        let path = ahead.cubin_path(&FILE, arch("sm_90"));
        std::fs::write(&path, "cubim").unwrap();
        assert!(sentence(&FILE).contains("some.cubin: is damaged"));
        std::fs::remove_file(path).unwrap();
        assert!(sentence(&FILE).contains("some.cubin: "));
        std::fs::write(folder.path().join(MANIFEST), "{}").unwrap();
        assert!(sentence(&FILE).contains("is no table of compiled kernels"));
    }
}
