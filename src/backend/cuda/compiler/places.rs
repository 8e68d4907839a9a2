//! Places where NVRTC and other NVIDIA libraries are searched for.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Environment variable with folders to search for NVRTC first, separated as in `PATH`.
pub const FOLDER_VARIABLE: &str = "ORTHOSCOPE_NVRTC_DIR";
/// Supported major versions, newest first.
pub(crate) const MAJORS: [u32; 2] = [13, 12];

/// A place to search for NVRTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder that may hold `libnvrtc.so.13` or another supported version.
    Folder(PathBuf),
    /// The search path of the system's dynamic loader.
    Loader,
}

/// All places in search order: the folders in [`FOLDER_VARIABLE`], the active Python environments, the loader's search path, and
/// CUDA toolkits in `/usr/local`.
pub fn default_places() -> Vec<Place> {
    places(std::env::var_os(FOLDER_VARIABLE).unwrap_or_default(), "cuda_nvrtc")
}

/// The places in search order for the library in the folder `package` of NVIDIA's Python packages. The folders in `named`,
/// separated as in `PATH`, come first.
pub(crate) fn places(named: OsString, package: &str) -> Vec<Place> {
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os);
    let mut places: Vec<Place> =
        std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).map(Place::Folder).collect();
    places.extend(environments.flat_map(|root| python_folders(Path::new(&root), package)).map(Place::Folder));
    places.push(Place::Loader);
    places.extend(toolkit_folders(Path::new("/usr/local")).into_iter().map(Place::Folder));
    places
}

/// Library folders of pip packages such as `nvidia-cuda-nvrtc` (CUDA 13) or `nvidia-cuda-nvrtc-cu12` in the environment `root`.
fn python_folders(root: &Path, package: &str) -> Vec<PathBuf> {
    let packages = children(&root.join("lib"), "python3").into_iter().map(|python| python.join("site-packages/nvidia"));
    packages.flat_map(|nvidia| ["cu13", package].map(|folder| nvidia.join(folder).join("lib"))).filter(|f| f.is_dir()).collect()
}

/// Library folders of the CUDA toolkits in `root`.
fn toolkit_folders(root: &Path) -> Vec<PathBuf> {
    let folders = children(root, "cuda").into_iter().flat_map(|toolkit| {
        let targets = children(&toolkit.join("targets"), "").into_iter().map(|target| target.join("lib"));
        std::iter::once(toolkit.join("lib64")).chain(targets).collect::<Vec<_>>()
    });
    folders.filter(|folder| folder.is_dir()).collect()
}

/// Entries of `folder` whose names start with `prefix`, sorted by name; empty if the folder cannot be read.
pub(crate) fn children(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let mut found: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// No usable NVRTC was found: the places searched, and the problem with each library found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Places without NVRTC.
    pub without: Vec<Place>,
    /// One clause for each library that cannot be used.
    pub unusable: Vec<String>,
}

/// A clause, such as `no libnvrtc.so.13 or libnvrtc.so.12 in /a, /b or on the loader's path`.
impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = MAJORS.map(library).join(" or ");
        let folders: Vec<String> = self.without.iter().filter_map(folder).collect();
        let mut looked: Vec<String> = Vec::new();
        if !folders.is_empty() {
            looked.push(format!("in {}", folders.join(", ")));
        }
        if self.without.contains(&Place::Loader) {
            looked.push("on the loader's path".to_owned());
        }
        let nowhere = (!looked.is_empty()).then(|| format!("no {names} {}", looked.join(" or ")));
        let clauses: Vec<String> = self.unusable.iter().cloned().chain(nowhere).collect();
        out.write_str(&clauses.join("; "))
    }
}

fn folder(place: &Place) -> Option<String> {
    match place {
        Place::Folder(path) => Some(path.display().to_string()),
        Place::Loader => None,
    }
}

/// File name of the library of one major version.
pub(crate) fn library(major: u32) -> String {
    format!("libnvrtc.so.{major}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(root: &Path, folders: &[&str]) -> Vec<PathBuf> {
        let paths: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
        paths.iter().for_each(|path| std::fs::create_dir_all(path).unwrap());
        paths
    }

    #[test]
    fn python_packages_are_found() {
        let root = tempfile::tempdir().unwrap();
        let packages = "lib/python3.12/site-packages/nvidia";
        let wanted = made(root.path(), &[&format!("{packages}/cu13/lib"), &format!("{packages}/cuda_nvrtc/lib")]);
        made(root.path(), &["lib/perl", "lib/python3.9"]);
        assert_eq!(python_folders(root.path(), "cuda_nvrtc"), wanted);
        assert_eq!(python_folders(&root.path().join("none"), "cuda_nvrtc"), [] as [PathBuf; 0]);
    }

    #[test]
    fn toolkits_are_found() {
        let root = tempfile::tempdir().unwrap();
        let wanted = made(root.path(), &["cuda/lib64", "cuda-12.9/targets/x86_64-linux/lib", "cuda-13.0/lib64"]);
        made(root.path(), &["bin", "cuda-11"]);
        assert_eq!(toolkit_folders(root.path()), wanted);
    }

    #[test]
    fn the_message_lists_the_places_searched() {
        let mut missing = Missing { without: vec![Place::Folder("/a".into()), Place::Loader], unusable: vec![] };
        missing.without.push(Place::Folder("/b".into()));
        let nowhere = "no libnvrtc.so.13 or libnvrtc.so.12 in /a, /b or on the loader's path";
        assert_eq!(missing.to_string(), nowhere);
        missing.unusable.push("/c/libnvrtc.so.13: file too short".into());
        assert_eq!(missing.to_string(), format!("/c/libnvrtc.so.13: file too short; {nowhere}"));
    }
}
