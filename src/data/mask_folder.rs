//! What was probably meant by a folder of masks, none of which belongs to an image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::masks::{Key, key, names, owner};

/// Images by all names that their masks may have.
type Known<'a> = BTreeMap<Key, &'a Path>;

/// The masks of a folder, and the images that have none.
pub(super) struct Unpaired<'a> {
    /// The folder of the masks.
    pub folder: &'a Path,
    /// The masks with the path of the folder.
    pub masks: Vec<&'a Path>,
    /// The folder of the images.
    pub abnormal: &'a Path,
    /// The images without the path of their folder.
    pub images: Vec<&'a Path>,
}

impl Unpaired<'_> {
    /// The folder that would have masks of the images, or the one in which a mask is looked for, as the end of a sentence; none
    /// if no name fits.
    pub fn meant(&self) -> Option<String> {
        let known = known(&self.images, |image| image);
        match self.below(&known).or_else(|| self.above(&known)) {
            Some(folder) => Some(format!("did you mean --masks {}?", folder.display())),
            None => self.elsewhere(),
        }
    }

    /// The folder below that would have masks; of several that with the name of the folder of the images.
    fn below(&self, known: &Known<'_>) -> Option<&Path> {
        let fits = |mask: &Path, folder: &Path| mask.strip_prefix(folder).is_ok_and(|mask| image_of(mask, known).is_some());
        let mut folders: BTreeSet<&Path> = BTreeSet::new();
        for mask in &self.masks {
            let above = mask.ancestors().skip(1).take_while(|above| *above != self.folder);
            folders.extend(above.filter(|above| fits(mask, above)));
        }
        let only = || folders.first().filter(|_| folders.len() == 1);
        folders.iter().find(|folder| folder.file_name() == self.abnormal.file_name()).or_else(only).copied()
    }

    /// The folder above, if the names of masks fit from there on.
    fn above(&self, known: &Known<'_>) -> Option<&Path> {
        let name = Path::new(self.folder.file_name()?);
        let from_above = |mask: &Path| mask.strip_prefix(self.folder).map(|mask| name.join(mask));
        let fits = |mask: &&Path| from_above(mask).is_ok_and(|mask| image_of(&mask, known).is_some());
        let above = self.folder.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
        self.masks.iter().any(fits).then_some(above)
    }

    /// Where the first mask is looked for whose file has the right name.
    fn elsewhere(&self) -> Option<String> {
        let known = known(&self.images, file_name);
        let found = self.masks.iter().find_map(|mask| Some((mask.parent()?, image_of(file_name(mask), &known)?)));
        let (place, image) = found?;
        let wanted = self.folder.join(image);
        let [wanted, place] = [wanted.parent().unwrap_or(self.folder), place].map(Path::display);
        let image = image.display();
        Some(format!("masks need the same subfolders as their images: that of {image} is looked for in {wanted}, not in {place}"))
    }
}

fn file_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

/// Images by the names of their masks, which begin with `part` of their paths.
fn known<'a>(images: &[&'a Path], part: impl Fn(&Path) -> &Path) -> Known<'a> {
    images.iter().flat_map(|&image| names(part(image)).into_iter().map(move |name| (name, image))).collect()
}

/// The image of a mask, if it is known.
fn image_of<'a>(mask: &Path, known: &Known<'a>) -> Option<&'a Path> {
    owner(&key(mask), known).and_then(|name| known.get(name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_found_that_would_have_the_masks() {
        let meant = |folder: &str, masks: &[&str], abnormal: &str, images: &[&str]| {
            let masks: Vec<_> = masks.iter().map(|mask| Path::new(folder).join(mask)).collect();
            let masks = masks.iter().map(AsRef::as_ref).collect();
            let (folder, abnormal) = (Path::new(folder), Path::new(abnormal));
            Unpaired { folder, masks, abnormal, images: images.iter().map(Path::new).collect() }.meant().unwrap_or_default()
        };
        let asked = |folder: &str| format!("did you mean --masks {folder}?");
        let both = ["hole/000_mask.png", "stain/000_mask.png"];
        assert_eq!(meant("gt/", &both, "test/stain", &["000.png"]), asked("gt/stain"));
        assert_eq!(meant("gt", &["k/l/000/left.png"], "test", &["000.png"]), asked("gt/k/l"));
        assert_eq!(meant("gt/hole", &["000_mask.png"], "test", &["hole/000.png", "stain/000.png"]), asked("gt"));
        assert_eq!(meant("hole", &["000_1.png"], "test", &["hole/000.png"]), asked("."));
        // No name says which of both it is.
        let rule = |image: &str, wanted: &str, place: &str| {
            format!("masks need the same subfolders as their images: that of {image} is looked for in {wanted}, not in {place}")
        };
        assert_eq!(meant("gt", &both, "test", &["000.png"]), rule("000.png", "gt", "gt/hole"));
        assert_eq!(meant("flat", &["a_mask.png"], "test", &["k/a.png"]), rule("k/a.png", "flat/k", "flat"));
        assert_eq!(meant("gt", &["other.png"], "test", &["k/a.png"]), "");
        assert_eq!(meant("gt", &[], "test", &["k/a.png"]), "");
    }
}
