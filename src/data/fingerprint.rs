//! What the images of a dataset are, in a short text, by which other images are noticed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::dataset::TRAINING;
use super::file::MAX_BYTES;
use super::listing::{Listing, entries};
use crate::disk::bounded;
use crate::error::{Error, Result};

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 16;

/// The first 16 hexadecimal digits of a SHA-256 of the names and contents of all images of a category. It reads every file but
/// decodes nothing, and does not depend on where the category lies. Missing folders count as empty, and of a file that cannot be
/// read only the name counts.
///
/// # Errors
/// A folder of the category that cannot be listed.
pub fn fingerprint(root: &Path) -> Result<String> {
    let mut folders = vec![root.join(TRAINING)];
    for part in ["test", "ground_truth"].map(|part| root.join(part)) {
        folders.extend(if part.is_dir() { entries(&part)? } else { Vec::new() });
    }
    let mut files = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        files.extend(Listing::of(folder)?.images);
    }
    files.sort();
    let one = |path: &PathBuf| {
        let name = path.strip_prefix(root).unwrap_or(path);
        digest(name, path).unwrap_or_else(|_| begun(name).finalize().into())
    };
    Ok(joined(files.par_iter().map(one).collect()))
}

/// The same of chosen files, as pairs of a name, which stands for the place, and the file itself.
///
/// # Errors
/// A file that cannot be read.
pub fn fingerprint_of(mut files: Vec<(PathBuf, &Path)>) -> Result<String> {
    files.sort();
    let one = |(name, path): &(PathBuf, &Path)| digest(name, path);
    Ok(joined(files.par_iter().map(one).collect::<Result<_>>()?))
}

/// The digest of a file and its name. The file is never in memory as a whole.
fn digest(name: &Path, path: &Path) -> Result<[u8; 32]> {
    let (file, _) = bounded::open(path, MAX_BYTES)?;
    let (mut hash, mut source) = (begun(name), BufReader::with_capacity(BLOCK, file.take(MAX_BYTES)));
    loop {
        let block = source.fill_buf().map_err(|error| Error::read(path, error))?;
        if block.is_empty() {
            return Ok(hash.finalize().into());
        }
        hash.update(block);
        let length = block.len();
        source.consume(length);
    }
}

/// The digest after the name of a file and before its content.
fn begun(name: &Path) -> Sha256 {
    let parts: Vec<&[u8]> = name.components().map(|part| part.as_os_str().as_encoded_bytes()).collect();
    // A name has no zero byte, so that no two files give the same bytes.
    Sha256::new().chain_update(parts.join(&b'/')).chain_update(b"\0")
}

fn joined(digests: Vec<[u8; 32]>) -> String {
    Sha256::digest(digests.concat()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
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
        assert_eq!(now(), first);
        write("train/good/below/a.png", "nothing");
        assert_ne!(now(), first, "folders are searched to any depth");
        fs::remove_file(root.path().join("cloth/train/good/below/a.png")).unwrap();
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
        write("train/good/c.png", "");
        assert_ne!(now(), first);
        fs::remove_file(root.path().join("cloth/train/good/c.png")).unwrap();
        fs::rename(root.path().join("cloth/train/good/a.png"), root.path().join("cloth/train/good/z.png")).unwrap();
        assert_ne!(now(), first);
    }

    #[test]
    fn chosen_files_count_with_the_names_that_they_are_given() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.png", "b.png"].map(|name| folder.path().join(name));
        fs::write(&a, "one").unwrap();
        fs::write(&b, "two").unwrap();
        let named =
            |files: [(&str, &Path); 2]| fingerprint_of(files.map(|(name, path)| (PathBuf::from(name), path)).into()).unwrap();
        let first = named([("x", &a), ("y", &b)]);
        // As sha256sum gives it: weights of earlier versions have such fingerprints.
        assert_eq!(first, "becc2aa82ef03bd6");
        fs::write(folder.path().join("long"), vec![b'z'; 3 * BLOCK + 7]).unwrap();
        let long = fingerprint_of(vec![(PathBuf::from("d/long"), &folder.path().join("long"))]).unwrap();
        assert_eq!(long, "37265ebf675292fb");
        assert_eq!(named([("y", &b), ("x", &a)]), first, "the order does not count");
        assert_ne!(named([("x", &b), ("y", &a)]), first);
        assert_ne!(named([("x", &a), ("z", &b)]), first);
        assert!(fingerprint_of(vec![(PathBuf::from("x"), &folder.path().join("none"))]).is_err());
        fs::create_dir_all(folder.path().join("cloth/train/good")).unwrap();
        for (name, path) in [("a.png", &a), ("b.png", &b)] {
            fs::copy(path, folder.path().join("cloth/train/good").join(name)).unwrap();
        }
        let whole = fingerprint(&folder.path().join("cloth")).unwrap();
        assert_eq!(named([("train/good/a.png", &a), ("train/good/b.png", &b)]), whole, "a category without a test set");
    }
}
