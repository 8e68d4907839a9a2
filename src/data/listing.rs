//! The images in a folder and all folders below it, and what of them cannot be used.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::decode::{OTHERS, extension};
use super::file::{READ, READ_FORMATS};
use super::walk::Walk;
use crate::disk::bounded::kind;
use crate::disk::hint;
use crate::error::{Error, Result};

/// Folders that systems and other programs leave; some hold small copies of the images.
const FOREIGN: [&str; 6] = ["__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "#recycle", "lost+found"];

/// Most files that a sentence names.
const NAMED: usize = 5;

/// A file that cannot be used, or a folder that cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its path; bytes that are not UTF-8 are written as `\xff`.
    pub file: String,
    /// Why it cannot be used.
    pub reason: String,
    /// The path itself, because the text of a part is not always a part of the text of the whole.
    #[serde(skip)]
    pub(super) path: PathBuf,
    /// Path and reason for a sentence, in which a file has the path that leads to it.
    #[serde(skip)]
    words: String,
}

impl Skipped {
    /// The file at `path`, because of `error`, which names it already or names another one, a mask for example.
    pub fn new(path: &Path, error: &Error) -> Self {
        let text = error.to_string();
        let reason = text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned();
        let file = shown(path.as_os_str());
        Self { words: format!("{file}: {reason}"), file, reason, path: path.to_owned() }
    }

    /// The same with paths below `root` written as `name` and the rest, so that they do not depend on the place of the folder.
    /// There is no folder of that name, so a sentence has the path as it was; without a name, `root` is named before it.
    #[must_use]
    pub(super) fn below(self, root: &Path, name: &str) -> Self {
        let [from, to] = [root, Path::new(name)].map(|path| path.join("").display().to_string());
        let reason = self.reason.strip_prefix(&from).map_or_else(|| self.reason.clone(), |rest| format!("{to}{rest}"));
        let path = match self.path.strip_prefix(root) {
            Ok(rest) if rest != Path::new("") => Path::new(name).join(rest),
            _ => self.path,
        };
        let file = shown(path.as_os_str());
        let words = if name.is_empty() { format!("{file}: {reason}") } else { self.words };
        Self { file, reason, path, words }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// How many files could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedShare {
    /// Their number.
    pub skipped: usize,
    /// The number of all files.
    pub of: usize,
}

impl SkippedShare {
    /// That of these files among them and `used` others; none if there are none.
    pub fn new(skipped: &[Skipped], used: usize) -> Option<Self> {
        (!skipped.is_empty()).then_some(Self { skipped: skipped.len(), of: skipped.len() + used })
    }

    /// The number, and the first of the files with their reasons.
    pub fn sentence(self, skipped: &[Skipped]) -> String {
        let named: Vec<String> = skipped.iter().take(NAMED).map(Skipped::to_string).collect();
        let more = skipped.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more, which -v names") } else { String::new() };
        format!("{self}: {}{more}", named.join("; "))
    }
}

impl fmt::Display for SkippedShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} files skipped", self.skipped, self.of)
    }
}

/// Warns of the files of `place` that are not among the `used` ones.
pub fn warn_of_skipped(place: impl fmt::Display, skipped: &[Skipped], used: usize) {
    let Some(share) = SkippedShare::new(skipped, used) else { return };
    log::warn!("{place}: {}", share.sentence(skipped));
    skipped.iter().skip(NAMED).for_each(|one| log::info!("skipped {one}"));
}

/// The images below a folder. Nothing is decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files with the extension of an image, in the order of their paths without extension.
    pub images: Vec<PathBuf>,
    /// Folders that cannot be listed or are reached a second time through a link, links in a circle or out of the folder
    /// upwards, and pictures that are results of this program.
    pub skipped: Vec<Skipped>,
}

impl Listing {
    /// Lists a folder. Links are followed; hidden entries, other files and folders of other programs are passed over.
    ///
    /// # Errors
    /// No such folder, or one that cannot be listed.
    pub fn of(folder: &Path) -> Result<Self> {
        check_folder(folder)?;
        let Walk { mut images, doubtful, results, passed } = Walk::through(folder)?;
        images.sort_by_cached_key(|path| (path.with_extension(""), path.clone()));
        let others = [doubtful, results, passed].into_iter().flatten();
        let mut skipped: Vec<Skipped> = others.map(|(path, error)| Skipped::new(&path, &error)).collect();
        skipped.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Self { images, skipped })
    }
}

/// All images in a folder and its subfolders, sorted by path; or `path` itself if it is a file. Links are followed. Subfolders
/// that cannot be listed or are reached a second time, and results of this program, are passed over with a warning; hidden
/// entries, files without an image extension and folders of other programs are skipped.
///
/// # Errors
/// No such file or folder, one that cannot be listed, or no image in it.
pub fn list_images(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    check_place(path)?;
    let Walk { images, doubtful, results, passed } = Walk::through(path)?;
    passed.iter().for_each(|(_, error)| log::warn!("{error}, so it is passed over"));
    // What is wrong with a link in a circle is said when it is its turn.
    let mut found: Vec<PathBuf> = images.into_iter().chain(doubtful.into_iter().map(|(path, _)| path)).collect();
    let own = results.len();
    if found.is_empty() {
        return Err(if own > 0 {
            Error::file(path, format!("contains no image but {own} results of orthoscope"))
        } else {
            no_image(path)
        });
    }
    if own > 0 {
        log::warn!("{}: {own} pictures that are results of orthoscope are passed over", path.display());
    }
    found.sort();
    Ok(found)
}

/// Checks that there is a folder at a path that is no file.
fn check_place(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => Ok(()),
        Ok(about) => Err(Error::file(path, format!("is {}; a file or a folder is needed here", kind(&about)))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::file(path, format!("there is no such file or folder{}", hint(path))))
        }
        Err(error) => Err(Error::read(path, error)),
    }
}

/// The error of a folder without images.
pub(super) fn no_image(folder: &Path) -> Error {
    Error::file(folder, format!("contains no image; {READ_FORMATS} are read"))
}

/// Checks that there is a folder at `path`.
///
/// # Errors
/// There is none.
pub(super) fn check_folder(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => Ok(()),
        Ok(about) if about.is_file() => Err(Error::file(path, "is a file; a folder is needed here")),
        Ok(about) => Err(Error::file(path, format!("is {}; a folder is needed here", kind(&about)))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::file(path, format!("there is no such folder{}", hint(path))))
        }
        Err(error) => Err(Error::read(path, error)),
    }
}

/// Whether a path leads to a folder.
///
/// # Errors
/// The system does not say, because of permissions or the length of the path.
pub(super) fn is_folder(path: &Path) -> Result<bool> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match std::fs::metadata(path) {
        Ok(about) => Ok(about.is_dir()),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(false),
        Err(error) => Err(Error::read(path, error)),
    }
}

/// The entries of a folder without hidden ones, sorted.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let refuse = |error| Error::io(folder, "cannot be listed", error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a folder is one of another program or of the system.
pub(super) fn is_foreign(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| FOREIGN.iter().any(|foreign| name == *foreign))
}

/// Whether the extension is that of an image, also of a format that cannot be read: such a file is named when it is its turn, so
/// that no data are lost silently.
pub(super) fn is_picture(path: &Path) -> bool {
    let extension = extension(path);
    READ.iter().chain(OTHERS.iter().flat_map(|other| other.extensions)).any(|known| *known == extension)
}

/// A name as text. Bytes that are not UTF-8 are written as `\xff`; a name that has such bytes or such a text has each of its own
/// backslashes twice, so that different names stay different. Where the backslash separates folders it stays.
pub fn shown(name: &OsStr) -> String {
    let bytes = name.as_encoded_bytes();
    let is_ambiguous = bytes.utf8_chunks().any(|chunk| !chunk.invalid().is_empty() || chunk.valid().contains("\\x"));
    let doubles = is_ambiguous && std::path::MAIN_SEPARATOR != '\\';
    let written = |chunk: std::str::Utf8Chunk<'_>| {
        let rest: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let valid = if doubles { chunk.valid().replace('\\', "\\\\") } else { chunk.valid().to_owned() };
        format!("{valid}{rest}")
    };
    bytes.utf8_chunks().map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(root: &Path, name: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }

    fn names(root: &Path, listing: &Listing) -> Vec<String> {
        listing.images.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[cfg(unix)]
    #[test]
    fn different_names_are_shown_differently() {
        use std::os::unix::ffi::OsStrExt;
        let of = |bytes: &[u8]| shown(OsStr::from_bytes(bytes));
        for (bytes, text) in [
            (&b"d\xff"[..], "d\\xff"),
            (b"d\\xff", "d\\\\xff"),
            (b"d\\\xff", "d\\\\\\xff"),
            (b"d\\\\xff", "d\\\\\\\\xff"),
            (b"a\\b", "a\\b"),
            ("\u{e4}".as_bytes(), "\u{e4}"),
        ] {
            assert_eq!(of(bytes), text);
        }
    }

    #[test]
    fn folders_are_searched_to_any_depth_and_junk_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        // The order is that without extensions, in which "a" is before "a-b".
        let wanted = ["a.png", "a/b/c/d.JPG", "a/x.bmp", "a-b.png", "b.a.png", "b.jpeg", "b.png"];
        for name in wanted {
            file(root, name);
        }
        for junk in ["Thumbs.db", ".DS_Store", "._a.png", "a/._x.bmp", "desktop.ini", "__MACOSX/a.png", "@eaDir/a.png/thumb.jpg"]
        {
            file(root, junk);
        }
        let found = Listing::of(root).unwrap();
        assert_eq!(names(root, &found), ["a.png", "a/b/c/d.JPG", "a/x.bmp", "a-b.png", "b.jpeg", "b.png", "b.a.png"]);
        assert!(found.skipped.is_empty());
        let refused = |name: &str| Listing::of(&root.join(name)).unwrap_err().to_string();
        assert!(refused("none").ends_with("none: there is no such folder"));
        assert!(refused("a.png").ends_with("a.png: is a file; a folder is needed here"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_once() {
        use std::os::unix::fs::symlink;
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        file(folder.path(), "in/a.png");
        file(other.path(), "far/b.png");
        symlink(other.path(), folder.path().join("link")).unwrap();
        symlink(folder.path(), other.path().join("back")).unwrap();
        symlink("in", folder.path().join("same")).unwrap();
        symlink("none", folder.path().join("broken.png")).unwrap();
        symlink("..", folder.path().join("in/up")).unwrap();
        symlink("../..", folder.path().join("in/above")).unwrap();
        let found = Listing::of(folder.path()).unwrap();
        assert_eq!(names(folder.path(), &found), ["broken.png", "in/a.png", "link/far/b.png"]);
        let skipped: Vec<&str> = found.skipped.iter().map(|one| one.file.rsplit_once('/').unwrap().1).collect();
        assert_eq!(skipped, ["above", "up", "back", "same"]);
        let reasons: Vec<&str> = found.skipped.iter().map(|one| one.reason.as_str()).collect();
        let (held, listed) = ("is a link to a folder that holds this one", "is reached a second time, through a link");
        assert_eq!(reasons, [held, held, held, listed], "what is beside the folder does not belong to it");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_has_its_own_name_whatever_links_lead_to_it() {
        use std::os::unix::fs::symlink;
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        file(folder.path(), "zzz/deep/a.png");
        file(other.path(), "far/b.png");
        symlink("zzz", folder.path().join("aaa")).unwrap();
        symlink("zzz/deep", folder.path().join("bbb")).unwrap();
        symlink(folder.path().join("zzz"), other.path().join("back")).unwrap();
        symlink(other.path().join("far"), folder.path().join("link")).unwrap();
        symlink(other.path(), folder.path().join("longer")).unwrap();
        let found = Listing::of(folder.path()).unwrap();
        assert_eq!(names(folder.path(), &found), ["link/b.png", "zzz/deep/a.png"]);
        let skipped: Vec<String> = found.skipped.into_iter().map(|one| one.below(folder.path(), "").to_string()).collect();
        let wanted =
            ["aaa", "bbb", "longer/back", "longer/far"].map(|name| format!("{name}: is reached a second time, through a link"));
        assert_eq!(skipped, wanted);
        assert_eq!(list_images(folder.path()).unwrap().len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn the_name_of_a_skipped_file_does_not_depend_on_the_place_of_its_folder() {
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &[u8]| Path::new(OsStr::from_bytes(bytes)).to_owned();
        for root in [&b"/data/cloth"[..], b"/da\\ta/cloth", b"/d\xaa/cloth", b"/d\\xff/\\cloth"] {
            for (name, text) in [(&b"a.png"[..], "a.png"), (b"a\\b.png", "a\\b.png"), (b"\xff\\.png", "\\xff\\\\.png")] {
                let (root, name) = (path(root), path(name));
                let file = root.join(&name);
                let one = Skipped::new(&file, &Error::file(&file, "is empty"));
                assert_eq!(one.clone().below(&root, "").to_string(), format!("{text}: is empty"), "{}", root.display());
                assert_eq!(one.below(&root, "masks").file, format!("masks/{text}"), "{}", root.display());
            }
        }
    }

    #[test]
    fn a_sentence_has_the_number_and_the_first_files() {
        let one = |number: usize| {
            let path = PathBuf::from(format!("data/cloth/{number}.png"));
            Skipped::new(&path, &Error::file(&path, "is empty")).below(Path::new("data/cloth"), "")
        };
        let few: Vec<Skipped> = (0..2).map(one).collect();
        let share = |skipped: &[Skipped]| SkippedShare::new(skipped, 39).map(|share| share.sentence(skipped));
        assert_eq!(share(&few).unwrap(), "2 of 41 files skipped: 0.png: is empty; 1.png: is empty");
        assert!(share(&[]).is_none());
        let many: Vec<Skipped> = (0..9).map(one).collect();
        assert!(share(&many).unwrap().ends_with("4.png: is empty; and 4 more, which -v names"));
        let mask =
            Skipped::new(Path::new("ok/a.png"), &Error::file("truth/a.png", "is black")).below(Path::new("truth"), "masks");
        assert_eq!((&mask.file[..], &mask.reason[..]), ("ok/a.png", "masks/a.png: is black"));
        let both = mask.below(Path::new("ok/"), "normal");
        assert_eq!((&both.file[..], &both.reason[..]), ("normal/a.png", "masks/a.png: is black"));
        assert_eq!(both.to_string(), "ok/a.png: truth/a.png: is black", "with paths that lead to the files");
    }
}
