//! What the images of a category are, in a short text, by which other images are noticed.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::file::MAX_BYTES;
use super::folder::{entries, is_read};
use crate::disk::bounded;
use crate::error::Result;

/// The folder of the training images.
const TRAINING: &str = "train/good";

/// The first 16 hexadecimal digits of a SHA-256 of the names and contents of all images of a category. It reads every file but decodes
/// nothing, and does not depend on where the category lies. Missing folders count as empty.
///
/// # Errors
/// A folder that cannot be listed or a file that cannot be read.
pub fn fingerprint(root: &Path) -> Result<String> {
    let mut folders = vec![root.join(TRAINING)];
    for part in ["test", "ground_truth"] {
        let kinds = listed(&root.join(part))?;
        folders.extend(kinds.into_iter().filter(|path| path.is_dir()));
    }
    of_folders(root, &folders)
}

/// The same of the training images alone.
///
/// # Errors
/// As [`fingerprint`].
pub fn training_fingerprint(root: &Path) -> Result<String> {
    of_folders(root, &[root.join(TRAINING)])
}

/// The entries of a folder; none if it does not exist.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.is_dir() { entries(folder) } else { Ok(Vec::new()) }
}

/// Of the images directly in these folders, as [`Category`](super::Category) lists them.
fn of_folders(root: &Path, folders: &[PathBuf]) -> Result<String> {
    let mut files = Vec::new();
    for folder in folders {
        files.extend(listed(folder)?.into_iter().filter(|path| !path.is_dir() && is_read(path)));
    }
    files.sort();
    let one = |path: &PathBuf| -> Result<[u8; 32]> {
        let content = bounded::read(path, MAX_BYTES)?;
        let name = path.strip_prefix(root).unwrap_or(path);
        let parts: Vec<&[u8]> = name.components().map(|part| part.as_os_str().as_encoded_bytes()).collect();
        // A name has no zero byte, so that no two files give the same bytes.
        let text = [parts.join(&b'/').as_slice(), b"\0", content.as_slice()].concat();
        Ok(Sha256::digest(text).into())
    };
    let digests: Vec<[u8; 32]> = files.par_iter().map(one).collect::<Result<_>>()?;
    Ok(Sha256::digest(digests.concat()).iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_change_of_an_image_or_its_name_is_noticed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join("cloth").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let now = || fingerprint(&root.path().join("cloth")).unwrap();
        write("train/good/a.png", "one");
        write("train/good/b.PNG", "two");
        write("test/hole/a.png", "three");
        write("ground_truth/hole/a_mask.png", "four");
        let first = now();
        assert_eq!(first.len(), 16);
        write("train/readme.txt", "nothing");
        write("train/good/.hidden.png", "nothing");
        write("report/a.png", "nothing");
        write("train/good/below/a.png", "nothing");
        assert_eq!(now(), first);
        fs::rename(root.path().join("cloth"), root.path().join("other")).unwrap();
        assert_eq!(fingerprint(&root.path().join("other")).unwrap(), first, "the place does not count");
        fs::rename(root.path().join("other"), root.path().join("cloth")).unwrap();
        for (name, text) in [("train/good/a.png", "One"), ("test/hole/a.png", "x"), ("ground_truth/hole/a_mask.png", "x")] {
            let (path, before) = (root.path().join("cloth").join(name), now());
            let original = fs::read(&path).unwrap();
            write(name, text);
            assert_ne!(now(), before, "{name}");
            fs::write(&path, original).unwrap();
        }
        assert_eq!(now(), first);
        #[cfg(unix)]
        {
            write("elsewhere/a.png", "one");
            std::os::unix::fs::symlink(root.path().join("cloth/elsewhere"), root.path().join("cloth/test/linked")).unwrap();
            let linked = now();
            write("elsewhere/a.png", "two");
            assert!(linked != first && now() != linked, "a link to a folder is followed, as when images are listed");
            fs::remove_file(root.path().join("cloth/test/linked")).unwrap();
        }
        let training = || training_fingerprint(&root.path().join("cloth")).unwrap();
        let before = training();
        write("test/hole/b.png", "five");
        assert_eq!(training(), before);
        fs::remove_file(root.path().join("cloth/test/hole/b.png")).unwrap();
        write("train/good/c.png", "");
        assert_ne!(now(), first);
        assert_ne!(training(), before);
        fs::remove_file(root.path().join("cloth/train/good/c.png")).unwrap();
        fs::rename(root.path().join("cloth/train/good/a.png"), root.path().join("cloth/train/good/z.png")).unwrap();
        assert_ne!(now(), first);
    }
}
