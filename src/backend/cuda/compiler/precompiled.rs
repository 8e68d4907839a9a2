//! Kernels compiled ahead of time, for machines without NVRTC. The folder holds `ARCH/FILE.cubin` for each kernel file and
//! `kernels.json`, which records the hash of the sources that each CUBIN was compiled from.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Arch, Cubin, Origin, Resources, files_for, sha256, sources_hash};
use crate::backend::cuda::File;
use crate::disk::{Outputs, bounded, wait_for_folder, write_atomically};
use crate::error::{Error, Result, system_words};

/// Environment variable with the folder of precompiled kernels.
pub const FOLDER_VARIABLE: &str = "ORTHOSCOPE_KERNELS_DIR";
/// File name of the manifest.
const MANIFEST: &str = "kernels.json";

/// What `kernels.json` holds.
#[derive(Default, Serialize, Deserialize)]
struct Manifest {
    #[serde(rename = "images")]
    cubins: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    arch: String,
    file: String,
    /// Version of NVRTC that compiled it.
    nvrtc: String,
    /// SHA-256 of the source, its headers and the options.
    sources: String,
    /// SHA-256 of the CUBIN.
    cubin: String,
    kernels: Vec<Resources>,
}

impl Entry {
    /// Whether this is the entry of a file whose content is `code`.
    fn is_of_code(&self, code: &[u8]) -> bool {
        self.cubin == sha256([code])
    }

    fn is_of(&self, file: &File, arch: &Arch) -> bool {
        self.arch == arch.name && self.file == file.name
    }
}

/// A folder of precompiled kernels.
pub struct Precompiled {
    folder: PathBuf,
}

impl Precompiled {
    /// Precompiled kernels in `folder`, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder in `ORTHOSCOPE_KERNELS_DIR`; None if the variable is unset or empty.
    pub fn from_environment() -> Option<Self> {
        std::env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty()).map(|folder| Self::new(folder.into()))
    }

    /// Path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of the architectures in the manifest, without repetition.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn architectures(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for entry in self.manifest()?.cubins {
            if !names.contains(&entry.arch) {
                names.push(entry.arch);
            }
        }
        Ok(names)
    }

    /// The CUBIN of `file` for `arch`; None if the manifest does not list it.
    ///
    /// # Errors
    /// The CUBIN was compiled from other sources, is missing or is damaged, or the manifest cannot be read.
    pub fn read(&self, file: &'static File, arch: &'static Arch) -> Result<Option<Cubin>> {
        let Some(entry) = self.manifest()?.cubins.into_iter().find(|entry| entry.is_of(file, arch)) else { return Ok(None) };
        let path = self.cubin_path(file, arch);
        if entry.sources != sources_hash(file) {
            return Err(Error::file(path, format!("was compiled from other sources than this program has; {}", remedy(arch))));
        }
        let code = bytes_of(&path, bounded::NUMBERS, |reason| Error::file(&path, format!("{reason}; {}", remedy(arch))))?;
        match entry.nvrtc.parse() {
            Ok(version) if entry.is_of_code(&code) => {
                Ok(Some(Cubin { file, arch, version, code, kernels: entry.kernels, origin: Origin::Precompiled }))
            }
            _ => Err(Error::file(path, format!("is damaged; {}", remedy(arch)))),
        }
    }

    /// Checks, before anything is compiled, that [`write`](Self::write) would replace nothing but CUBINs that were written by it.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, archs: &[&'static Arch], overwrite: bool) -> Result<()> {
        let (manifest, outputs) = (self.manifest_or_none()?, self.outputs(overwrite)?);
        let files = archs.iter().flat_map(|&arch| files_for(arch).map(move |file| (file, arch)));
        files.into_iter().try_for_each(|(file, arch)| self.check_cubin(&manifest, &outputs, file, arch))
    }

    /// Writes `cubins` and adds them to the manifest, replacing earlier entries of the same architectures. CUBINs of other
    /// architectures are kept. With `overwrite`, files of somebody else in place of a CUBIN are replaced.
    ///
    /// # Errors
    /// The folder cannot be written, its manifest is another program's, or a file in place of a CUBIN was not written by this.
    pub fn write(&self, cubins: &[Cubin], overwrite: bool) -> Result<()> {
        // Until the manifest is written: another process may add its architectures at the same time.
        let _lock = wait_for_folder(&self.folder)?;
        let (mut manifest, outputs) = (self.manifest_or_none()?, self.outputs(overwrite)?);
        cubins.iter().try_for_each(|cubin| self.check_cubin(&manifest, &outputs, cubin.file, cubin.arch))?;
        manifest.cubins.retain(|entry| !cubins.iter().any(|cubin| cubin.arch.name == entry.arch));
        // All of them are checked.
        let outputs = self.outputs(true)?;
        for cubin in cubins {
            outputs.write(&self.cubin_path(cubin.file, cubin.arch), &cubin.code)?;
            manifest.cubins.push(Entry {
                arch: cubin.arch.name.to_owned(),
                file: cubin.file.name.to_owned(),
                nvrtc: cubin.version.to_string(),
                sources: sources_hash(cubin.file),
                cubin: sha256([&cubin.code[..]]),
                kernels: cubin.kernels.clone(),
            });
        }
        let path = self.folder.join(MANIFEST);
        let text = serde_json::to_string_pretty(&manifest).map_err(|error| Error::file(&path, error))?;
        write_atomically(&path, |out| writeln!(out, "{text}"))
    }

    fn outputs(&self, overwrite: bool) -> Result<Outputs> {
        Outputs::new(&self.folder, "kernels", overwrite)
    }

    /// The manifest says of a folder of an earlier version what is ours; the record knows it also where the manifest could not be
    /// written.
    fn check_cubin(&self, manifest: &Manifest, outputs: &Outputs, file: &File, arch: &Arch) -> Result<()> {
        let (path, entry) = (self.cubin_path(file, arch), manifest.cubins.iter().find(|entry| entry.is_of(file, arch)));
        let is_listed = |entry: &Entry| bounded::read(&path, bounded::NUMBERS).is_ok_and(|code| entry.is_of_code(&code));
        if entry.is_some_and(is_listed) { Ok(()) } else { outputs.check(&path) }
    }

    fn manifest_or_none(&self) -> Result<Manifest> {
        if self.folder.join(MANIFEST).exists() { self.manifest() } else { Ok(Manifest::default()) }
    }

    fn cubin_path(&self, file: &File, arch: &Arch) -> PathBuf {
        self.folder.join(arch.name).join(format!("{}.cubin", file.stem()))
    }

    fn manifest(&self) -> Result<Manifest> {
        let path = self.folder.join(MANIFEST);
        let unreadable = |reason: String| {
            let help = format!("{FOLDER_VARIABLE} must name a folder that `orthoscope kernels --out` wrote");
            Error::file(&path, format!("{reason}; {help}"))
        };
        let bytes = bytes_of(&path, bounded::TEXT, |reason| unreadable(format!("cannot be read: {reason}")))?;
        serde_json::from_slice(&bytes).map_err(|error| unreadable(format!("is not a manifest of compiled kernels: {error}")))
    }
}

/// The bytes of a file. `explain` makes the error where the system refuses to read it, from the reason.
fn bytes_of(path: &Path, limit: u64, explain: impl FnOnce(String) -> Error) -> Result<Vec<u8>> {
    match bounded::read(path, limit) {
        Err(Error::Io { source, .. }) => Err(explain(system_words(&source))),
        read => read,
    }
}

/// Tells the user what to do about a CUBIN that cannot be used.
fn remedy(arch: &Arch) -> String {
    format!("compile it again with `orthoscope kernels --arch {arch} --out DIR`, or unset {FOLDER_VARIABLE}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cuda::compiler::Version;

    static FILE: File = File { name: "some.cu", text: "kernel", only: None };
    static NEWER: File = File { name: "some.cu", text: "another kernel", only: None };
    static OTHER: File = File { name: "other.cu", text: "kernel", only: None };

    fn arch(name: &str) -> &'static Arch {
        Arch::named(name).unwrap()
    }

    fn cubin(arch: &'static Arch, code: &[u8]) -> Cubin {
        let kernels = vec![Resources { name: "k".into(), stack: 8, ..Resources::default() }];
        let version = Version { major: 12, minor: 9 };
        Cubin { file: &FILE, arch, version, code: code.to_vec(), kernels, origin: Origin::Compiled }
    }

    #[test]
    fn architectures_are_added_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let precompiled = Precompiled::new(folder.path().join("new"));
        precompiled.write(&[cubin(arch("sm_80"), b"a"), cubin(arch("sm_90"), b"b")], false).unwrap();
        precompiled.write(&[cubin(arch("sm_90"), b"c")], false).unwrap();
        assert_eq!(precompiled.architectures().unwrap(), ["sm_80", "sm_90"]);
        for (name, code) in [("sm_80", b"a"), ("sm_90", b"c")] {
            let read = precompiled.read(&FILE, arch(name)).unwrap().unwrap();
            assert_eq!(
                (&read.code[..], &read.kernels, read.origin),
                (&code[..], &cubin(arch(name), b"").kernels, Origin::Precompiled)
            );
        }
        assert!(precompiled.read(&FILE, arch("sm_89")).unwrap().is_none());
        assert!(precompiled.read(&OTHER, arch("sm_90")).unwrap().is_none());
    }

    #[test]
    fn writers_at_the_same_time_lose_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(round.to_string());
            let names = ["sm_80", "sm_86", "sm_89", "sm_90"];
            std::thread::scope(|scope| {
                for name in names {
                    scope.spawn(|| Precompiled::new(path.clone()).write(&[cubin(arch(name), b"a")], false).unwrap());
                }
            });
            let mut found = Precompiled::new(path.clone()).architectures().unwrap();
            found.sort();
            assert_eq!(found, names);
        }
    }

    #[test]
    fn a_file_of_somebody_else_in_place_of_a_cubin_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (precompiled, arch) = (Precompiled::new(folder.path().to_owned()), arch("sm_90"));
        let path = precompiled.cubin_path(&FILE, arch);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let text = precompiled.write(&[cubin(arch, b"a")], false).unwrap_err().to_string();
        assert!(text.contains("some.cubin: is there already, and `orthoscope kernels` did not write it"), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        precompiled.write(&[cubin(arch, b"a")], true).unwrap();
        precompiled.write(&[cubin(arch, b"b")], false).unwrap();
        // A folder of an earlier version has no record, and one whose manifest could not be written no entry.
        std::fs::remove_file(folder.path().join(crate::disk::RECORD)).unwrap();
        precompiled.write(&[cubin(arch, b"c")], false).unwrap();
        std::fs::remove_file(folder.path().join(MANIFEST)).unwrap();
        precompiled.write(&[cubin(arch, b"d")], false).unwrap();
        std::fs::write(&path, "changed").unwrap();
        assert!(precompiled.write(&[cubin(arch, b"e")], false).is_err());
    }

    #[test]
    fn a_manifest_of_somebody_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MANIFEST), "mine").unwrap();
        let precompiled = Precompiled::new(folder.path().to_owned());
        let text = precompiled.write(&[cubin(arch("sm_90"), b"cubin")], false).unwrap_err().to_string();
        assert!(text.contains("is not a manifest of compiled kernels"), "{text}");
        assert_eq!(std::fs::read(folder.path().join(MANIFEST)).unwrap(), b"mine");
    }

    #[test]
    fn stale_or_damaged_cubins_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let precompiled = Precompiled::new(folder.path().to_owned());
        let sentence = |file| precompiled.read(file, arch("sm_90")).unwrap_err().to_string();
        assert!(sentence(&FILE).contains("kernels.json: cannot be read"), "{}", sentence(&FILE));
        precompiled.write(&[cubin(arch("sm_90"), b"cubin")], false).unwrap();
        let stale = sentence(&NEWER);
        assert!(stale.contains("some.cubin: was compiled from other sources"), "{stale}");
        assert!(stale.contains("`orthoscope kernels --arch sm_90 --out DIR`"), "{stale}");
        let path = precompiled.cubin_path(&FILE, arch("sm_90"));
        std::fs::write(&path, "cubim").unwrap();
        assert!(sentence(&FILE).contains("some.cubin: is damaged"));
        std::fs::remove_file(path).unwrap();
        assert!(sentence(&FILE).contains("some.cubin: "));
        std::fs::write(folder.path().join(MANIFEST), "{}").unwrap();
        assert!(sentence(&FILE).contains("is not a manifest of compiled kernels"));
    }
}
