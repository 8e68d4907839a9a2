//! Which mask belongs to which image, by their paths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::image::Image;

/// The path of an image or a mask below its folder without extension, as bytes with `/` between the parts: names need not be
/// text.
pub(super) type Key = Vec<u8>;

/// The key of a path that is relative to its folder.
pub(super) fn key(relative: &Path) -> Key {
    let stem = relative.with_extension("");
    stem.components().map(|part| part.as_os_str().as_encoded_bytes()).collect::<Vec<_>>().join(&b'/')
}

/// The names that an image has for its masks: its key, and the same with its extension.
pub(super) fn names(relative: &Path) -> BTreeSet<Key> {
    let extension = relative.extension().map(|extension| [b".", extension.as_encoded_bytes()].concat());
    [key(relative), [key(relative), extension.unwrap_or_default()].concat()].into()
}

/// Gives every mask to the name that it is for: the masks of each name in the order of the list, and those that are for none.
pub(super) fn pair<T>(images: &BTreeMap<Key, T>, masks: Vec<(Key, PathBuf)>) -> (BTreeMap<Key, Vec<PathBuf>>, Vec<PathBuf>) {
    let (mut paired, mut others): (BTreeMap<Key, Vec<PathBuf>>, _) = (BTreeMap::new(), Vec::new());
    for (key, path) in masks {
        match owner(&key, images) {
            Some(image) => paired.entry(image.to_owned()).or_default().push(path),
            None => others.push(path),
        }
    }
    (paired, others)
}

/// The image `a` of a mask `a`, `a_mask`, `a_1`, `a_mask_1` or `a/anything`, that with the longest name: if there is an image
/// `a_1`, the mask `a_1` is its own.
pub(super) fn owner<'a, T>(mask: &'a [u8], images: &BTreeMap<Key, T>) -> Option<&'a [u8]> {
    let unnumbered = without_number(mask);
    let names = [Some(mask), without_suffix(mask), unnumbered, unnumbered.and_then(without_suffix)];
    let folders = (0..mask.len()).rev().filter(|&at| mask[at] == b'/').map(|at| &mask[..at]);
    names.into_iter().flatten().chain(folders).find(|name| images.contains_key(*name))
}

/// The image that a file would be a mask of by an ending `_mask` or `_mask_12`.
pub(super) fn without_mask_ending(name: &[u8]) -> Option<&[u8]> {
    without_suffix(name).or_else(|| without_number(name).and_then(without_suffix))
}

/// The images whose names are those of masks of others in the list, as `a_mask` is of `a`.
pub(crate) fn beside_their_images(images: &[PathBuf]) -> BTreeSet<&PathBuf> {
    let keys: BTreeSet<Key> = images.iter().map(|path| key(path)).collect();
    let is_mask = |path: &&PathBuf| without_mask_ending(&key(path)).is_some_and(|name| keys.contains(name));
    images.iter().filter(is_mask).collect()
}

/// Whether an image has the values black and white, and no other, as the mask of a defect has.
pub(crate) fn is_black_and_white(image: &Image) -> bool {
    image.iter().all(|&value| value == 0.0 || value == 1.0)
        && [0.0, 1.0].iter().all(|wanted| image.iter().any(|value| value == wanted))
}

fn without_suffix(name: &[u8]) -> Option<&[u8]> {
    name.strip_suffix(b"_mask")
}

/// `a` of `a_12`.
fn without_number(name: &[u8]) -> Option<&[u8]> {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    name[..name.len() - digits].strip_suffix(b"_").filter(|_| digits > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_belongs_to_the_image_that_its_path_names_most_closely() {
        let images = ["a", "a_1", "k/b", "k/b_mask", "k/c.d"].map(|name| (name.as_bytes().to_owned(), ()));
        let images: BTreeMap<Key, ()> = images.into();
        for (mask, image) in [
            ("a.png", Some("a")),
            ("a_mask.PNG", Some("a")),
            ("a_mask_2.png", Some("a")),
            ("a_2.png", Some("a")),
            ("a_1.png", Some("a_1")),
            ("a_1_mask.png", Some("a_1")),
            ("a_1_7.png", Some("a_1")),
            ("a_mask_1.png", Some("a")),
            ("a/left.png", Some("a")),
            ("a/deep/right.png", Some("a")),
            ("k/b_mask.png", Some("k/b_mask")),
            ("k/b_mask_1.png", Some("k/b_mask")),
            ("k/b_3.png", Some("k/b")),
            ("k/c.d.png", Some("k/c.d")),
            ("k/c.d_mask.tif", Some("k/c.d")),
            ("b.png", None),
            ("k/a.png", None),
            ("a_mask_1b.png", None),
            ("a_.png", None),
            ("ab.png", None),
            ("7.png", None),
        ] {
            let key = key(Path::new(mask));
            assert_eq!(owner(&key, &images).map(<[u8]>::to_owned), image.map(|name| name.as_bytes().to_owned()), "{mask}");
        }
        assert_eq!(names(Path::new("k/c.d.png")), [&b"k/c.d"[..], b"k/c.d.png"].map(<[u8]>::to_owned).into());
        let masks = ["a_mask.png", "x.png", "a_2.png"].map(|name| (key(Path::new(name)), PathBuf::from(name)));
        let (paired, others) = pair(&images, masks.into());
        assert_eq!(paired[b"a".as_slice()], ["a_mask.png", "a_2.png"].map(PathBuf::from));
        assert!(paired.len() == 1 && others == [PathBuf::from("x.png")]);
    }
}
