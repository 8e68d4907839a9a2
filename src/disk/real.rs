//! Absolute paths without links, of many files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::atomic::folder_of;

/// Finds the absolute path without links of many files. The system is asked once for each folder instead of once for each part of
/// each path.
#[derive(Default)]
pub struct RealPaths(HashMap<PathBuf, Option<PathBuf>>);

impl RealPaths {
    /// As [`Path::canonicalize`]; None if there is nothing at `path`.
    pub fn of(&mut self, path: &Path) -> Option<PathBuf> {
        let is_link = path.symlink_metadata().ok()?.is_symlink();
        let Some(name) = path.file_name().filter(|_| !is_link) else { return path.canonicalize().ok() };
        let folder = folder_of(path);
        if !self.0.contains_key(folder) {
            self.0.insert(folder.to_owned(), folder.canonicalize().ok());
        }
        Some(self.0.get(folder)?.as_ref()?.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/x"), "").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
            std::os::unix::fs::symlink("x", at("a/b/y")).unwrap();
            std::os::unix::fs::symlink("none", at("a/b/lost")).unwrap();
        }
        let mut real = RealPaths::default();
        for name in
            ["a/b/x", "link/b/x", "link/b/y", "a/b/y", "a/b/lost", "a/none", "none/x", "a/b/..", "a/b", "link", "a/../a/b/x"]
        {
            assert_eq!(real.of(&at(name)), at(name).canonicalize().ok(), "{name}");
        }
        assert_eq!(real.of(Path::new("Cargo.toml")), Path::new("Cargo.toml").canonicalize().ok());
    }
}
