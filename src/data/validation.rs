//! A test set made of normal images that were held out of training, and copies of them with drawn defects.
//!
//! It decides between configs without a look at the real test set. Its defects ([`Defect::ON_PHOTOGRAPHS`]) are of kinds that no
//! training corruption contains.

use std::path::{Path, PathBuf};

use ndarray::Axis;
use rayon::prelude::*;

use super::file::{to_byte, write_mask_png, write_png};
use super::image::{Image, Plane};
use super::test_image::GOOD;
use super::texture::Defect;
use crate::disk::{Unfinished, is_in_work, make_folder, remove_leftovers};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// Number of the random stream of the first kind; those of generated datasets and of textures are far away.
const FIRST_STEP: u32 = 1 << 20;

/// The folder with a set in the hidden one, as long as it has not served its purpose.
const DRAFT: &str = "validation";

/// The validation set in memory, with the values that its files have: multiples of 1/255.
pub struct ValidationSet {
    normal: Vec<Image>,
    defects: Vec<Drawn>,
}

/// A drawn defect, as the pixels that differ from a normal image.
struct Drawn {
    defect: Defect,
    /// Number of the normal image.
    number: usize,
    /// Row, column and new values.
    pixels: Vec<([usize; 2], [f32; 3])>,
}

/// An image of the validation set.
#[derive(Clone, Debug)]
pub struct ValidationImage {
    /// The kind of defect; none for a normal image.
    pub defect: Option<Defect>,
    /// Number of the held-out image.
    pub number: usize,
    /// The image, `[height, width, 3]`.
    pub image: Image,
    /// 1 where the defect is, `[height, width]`.
    pub mask: Plane,
}

impl ValidationSet {
    /// Draws a defect of every kind on every image, where it can be seen: a small or dark image gets fewer kinds. The places of
    /// the defects depend on the seed and on the number and size of the image; a place where the defect cannot be seen is drawn
    /// again.
    ///
    /// # Errors
    /// No image; no defect that can be seen on any of them.
    pub fn draw(held_out: &[Image], seed: u64) -> Result<Self> {
        if held_out.is_empty() {
            return Err(Error::argument("there is no held-out image to put a defect on"));
        }
        let kinds = (FIRST_STEP..).zip(Defect::ON_PHOTOGRAPHS);
        let places: Vec<_> = kinds.flat_map(|kind| (0..held_out.len()).map(move |number| (kind, number))).collect();
        let draw = |&((step, defect), number): &((u32, Defect), usize)| {
            let mut stream = Stream::new(seed, Purpose::Texture, step, number as u32);
            let Some(drawn) = defect.on_photograph(&held_out[number], &mut stream)? else { return Ok(None) };
            let (image, marked) = (&drawn.image, drawn.mask.indexed_iter().filter(|(_, marked)| **marked > 0.0));
            let pixel = |((row, column), _)| ([row, column], [0, 1, 2].map(|channel| rounded(image[[row, column, channel]])));
            Ok(Some(Drawn { defect, number, pixels: marked.map(pixel).collect() }))
        };
        let drawn: Vec<Result<Option<Drawn>>> = places.par_iter().map(draw).collect();
        let defects: Vec<Drawn> = drawn.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
        if defects.is_empty() {
            let count = held_out.len();
            return Err(Error::argument(format!("no defect can be seen on any of {count} held-out images; they are too small")));
        }
        Ok(Self { normal: held_out.par_iter().map(|image| image.mapv(rounded)).collect(), defects })
    }

    /// Number of images, the normal ones included.
    pub fn count(&self) -> usize {
        self.normal.len() + self.defects.len()
    }

    /// The image of this number: first the normal ones, then those with a defect, kind by kind. None from
    /// [`ValidationSet::count`] on.
    pub fn image(&self, index: usize) -> Option<ValidationImage> {
        let drawn = match index.checked_sub(self.normal.len()) {
            Some(index) => Some(self.defects.get(index)?),
            None => None,
        };
        let number = drawn.map_or(index, |drawn| drawn.number);
        let mut image = self.normal.get(number)?.clone();
        let mut mask = Plane::zeros((image.len_of(Axis(0)), image.len_of(Axis(1))));
        for &([row, column], values) in drawn.iter().flat_map(|drawn| &drawn.pixels) {
            mask[[row, column]] = 1.0;
            (0..3).for_each(|channel| image[[row, column, channel]] = values[channel]);
        }
        Some(ValidationImage { defect: drawn.map(|drawn| drawn.defect), number, image, mask })
    }

    /// Writes the set into the folder `out`, once `purpose` has got the folder in which it lies until then.
    fn write_for<T>(&self, out: &Path, purpose: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        // The last to go.
        let _around = Unfinished::if_empty(out)?;
        let hidden = Unfinished::hidden(out).map_err(|error| Error::write(out, error))?;
        let draft = hidden.path().join(DRAFT);
        // The draft no longer exists when a message is read.
        let in_place = |path: PathBuf| match path.strip_prefix(&draft) {
            Ok(rest) if rest == Path::new("") => out.to_owned(),
            Ok(rest) => out.join(rest),
            Err(_) => path,
        };
        let done = self.write(&draft).and_then(|()| purpose(&draft)).map_err(|error| error.map_path(in_place))?;
        hidden.release_content(&draft, out).map(|()| done)
    }

    fn write(&self, out: &Path) -> Result<()> {
        let folder = |image: &ValidationImage, part: &str| out.join(part).join(image.defect.map_or(GOOD, Defect::name));
        make_folder(&out.join("test/good"))?;
        for drawn in &self.defects {
            make_folder(&out.join("test").join(drawn.defect.name()))?;
            make_folder(&out.join("ground_truth").join(drawn.defect.name()))?;
        }
        (0..self.count()).into_par_iter().filter_map(|index| self.image(index)).try_for_each(|image| {
            let number = image.number;
            write_png(&folder(&image, "test").join(format!("{number:03}.png")), &image.image)?;
            match image.defect {
                Some(_) => write_mask_png(&folder(&image, "ground_truth").join(format!("{number:03}_mask.png")), &image.mask),
                None => Ok(()),
            }
        })
    }
}

/// The number of the held-out image that a test image of a written validation set is a copy of.
///
/// # Errors
/// A name that is no number.
pub fn held_out_number(path: &Path) -> Result<usize> {
    let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
    number.ok_or_else(|| Error::file(path, "is not named by the number of a held-out image"))
}

/// The value that an 8-bit file has for `value`.
fn rounded(value: f32) -> f32 {
    f32::from(to_byte(value)) / 255.0
}

/// Writes `test/good` with the held-out images, and for each kind of defect `test/KIND` with every image on which it can be seen
/// and its mask in `ground_truth/KIND`, as [`ValidationSet::draw`]. Returns the number of defects.
///
/// # Errors
/// As [`ValidationSet::draw`]; a folder `out` that exists and is not empty, or that cannot be read or written.
pub fn write_validation_set(out: &Path, held_out: &[Image], seed: u64) -> Result<usize> {
    write_validation_set_for(out, held_out, seed, |_, defects| Ok(defects))
}

/// As [`write_validation_set`], for a purpose, which gets the folder in which the set lies until then, and the number of defects.
/// What it writes there belongs to the set. If it fails or a signal ends the process, the set is removed again, and what a kill
/// leaves is removed by the next attempt: a set without its purpose would look like another test set. A folder `out` that is
/// empty then is removed, too.
///
/// # Errors
/// As [`write_validation_set`]; those of the purpose; something was put in the place of a part meanwhile.
pub fn write_validation_set_for<T>(
    out: &Path,
    held_out: &[Image],
    seed: u64,
    purpose: impl FnOnce(&Path, usize) -> Result<T>,
) -> Result<T> {
    check_validation_folder(out)?;
    let set = ValidationSet::draw(held_out, seed)?;
    // Once more, because drawing takes a while.
    check_validation_folder(out)?;
    set.write_for(out, |draft| purpose(draft, set.defects.len()))
}

/// Checks that a validation set may be written into the folder `out`, in which nothing else may be. What a killed process has
/// left there of one is removed.
///
/// # Errors
/// It exists and is not empty, or cannot be listed.
pub fn check_validation_folder(out: &Path) -> Result<()> {
    remove_leftovers(out);
    match std::fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) if is_in_work(out, DRAFT) => {
            Err(Error::file(out, "is being filled by another process; wait for its end or choose another folder"))
        }
        Ok(false) => Err(Error::file(out, "exists and is not empty; choose another folder or remove it first")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io(out, "cannot be listed", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Category, Family};

    fn held_out() -> [Image; 2] {
        [0, 1].map(|index| Family::Wood.render(&mut Stream::new(1, Purpose::Test, 0, index), 64, 48).unwrap())
    }

    #[test]
    fn the_set_is_a_category_with_a_defect_of_every_kind_on_every_image() {
        let folder = tempfile::tempdir().unwrap();
        let held_out = held_out();
        let out = folder.path().join("validation");
        write_validation_set(&out, &held_out, 5).unwrap();
        let category = Category::open(&out).unwrap();
        assert_eq!(category.test.len(), 2 * 5);
        for test in &category.test {
            let (image, mask) = test.read(0.0).unwrap();
            assert_eq!(image.dim(), (64, 48, 3));
            assert_eq!(mask.iter().any(|&marked| marked > 0.0), !test.is_good());
            let same = held_out.iter().any(|own| image.iter().zip(own).all(|(a, b)| (a - b).abs() < 0.003));
            assert_eq!(same, test.is_good(), "{}", test.path.display());
        }
        let error = write_validation_set(&out, &held_out, 5).unwrap_err().to_string();
        assert!(error.ends_with("exists and is not empty; choose another folder or remove it first"), "{error}");
        assert!(write_validation_set(&folder.path().join("none"), &[], 5).is_err());
    }

    /// A test that runs with all rights can list every folder, so that a file stands for one that cannot be listed.
    #[test]
    fn what_cannot_be_listed_is_not_taken_for_empty() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("file");
        std::fs::write(&out, "mine").unwrap();
        let error = write_validation_set(&out, &held_out(), 5).unwrap_err().to_string();
        assert!(error.contains("file: cannot be listed: "), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let out = folder.path().join("hidden");
            std::fs::create_dir_all(out.join("test")).unwrap();
            // It can be written into, but not listed.
            std::fs::set_permissions(&out, PermissionsExt::from_mode(0o300)).unwrap();
            assert!(write_validation_set(&out, &held_out(), 5).is_err());
            assert!(out.join("test").exists());
            std::fs::set_permissions(&out, PermissionsExt::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn a_set_that_serves_no_purpose_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("validation");
        let fails = |mine: Option<&Path>| {
            let purpose = |draft: &Path, _| {
                assert!(draft.join("test/good/000.png").exists() && !out.join("test").exists());
                mine.map_or(Ok(()), |mine| std::fs::write(mine, "mine").map_err(|error| Error::write(mine, error)))?;
                Err::<(), _>(Error::file(draft.join("test"), "no purpose"))
            };
            write_validation_set_for(&out, &held_out(), 5, purpose).unwrap_err()
        };
        assert_eq!(fails(None).to_string(), format!("{}: no purpose", out.join("test").display()));
        assert!(!out.exists());
        fails(Some(&out.join("mine")));
        let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["mine"]);
    }

    #[test]
    fn what_comes_into_the_folder_while_the_set_is_drawn_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ground_truth")).unwrap();
        std::fs::write(folder.path().join("ground_truth/mine"), "mine").unwrap();
        let set = ValidationSet::draw(&held_out(), 5).unwrap();
        let error = set.write_for(folder.path(), |_| Ok(())).unwrap_err().to_string();
        assert!(error.ends_with("ground_truth: was put there meanwhile, and is not replaced"), "{error}");
        assert!(folder.path().join("ground_truth/mine").exists() && !folder.path().join("test").exists());
    }

    #[test]
    fn what_a_killed_process_has_left_of_a_set_is_not_in_the_way_and_what_is_in_work_is() {
        let folder = tempfile::tempdir().unwrap();
        let [left, test] = [".orthoscope-Ab12xY.part", "test"].map(|name| folder.path().join(name));
        std::fs::create_dir_all(left.join(DRAFT).join("test/good")).unwrap();
        std::fs::write(left.join(".lock"), "").unwrap();
        let purpose = |draft: &Path, _| {
            let error = write_validation_set(folder.path(), &held_out(), 5).unwrap_err().to_string();
            assert!(error.ends_with("is being filled by another process; wait for its end or choose another folder"), "{error}");
            std::fs::write(draft.join("metrics.json"), "{}").map_err(|error| Error::write(draft, error))
        };
        write_validation_set_for(folder.path(), &held_out(), 5, purpose).unwrap();
        assert!(!left.exists() && test.exists() && folder.path().join("metrics.json").exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_kind_that_cannot_be_seen_on_an_image_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let black = Image::zeros((64, 64, 3));
        let is_visible = |(step, defect): (u32, Defect)| {
            let drawn = defect.on_photograph(&black, &mut Stream::new(0, Purpose::Texture, step, 0)).unwrap();
            drawn.map(|_| defect.name().to_owned())
        };
        let mut visible: Vec<String> = (FIRST_STEP..).zip(Defect::ON_PHOTOGRAPHS).filter_map(is_visible).collect();
        assert!((1..4).contains(&visible.len()), "{visible:?}");
        assert_eq!(write_validation_set(folder.path(), std::slice::from_ref(&black), 0).unwrap(), visible.len());
        visible.push("good".to_owned());
        visible.sort_unstable();
        let kinds: Vec<String> = Category::open(folder.path()).unwrap().test.into_iter().map(|test| test.defect).collect();
        assert_eq!(kinds, visible);
        let error = ValidationSet::draw(&[Image::from_elem((4, 4, 3), 0.5)], 0).err().unwrap().to_string();
        assert!(error.contains("no defect can be seen on any of 1 held-out images"), "{error}");
    }

    #[test]
    fn the_images_in_memory_are_those_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let held_out = held_out();
        write_validation_set(folder.path(), &held_out, 5).unwrap();
        let mut files = Category::open(folder.path()).unwrap().test;
        let set = ValidationSet::draw(&held_out, 5).unwrap();
        assert_eq!(files.len(), set.count());
        for index in 0..set.count() {
            let own = set.image(index).unwrap();
            let name = format!("test/{}/{:03}.png", own.defect.map_or("good", Defect::name), own.number);
            let at = files.iter().position(|file| file.path.ends_with(&name)).unwrap();
            assert_eq!(files.remove(at).read(0.0).unwrap(), (own.image, own.mask), "{name}");
        }
        assert!(set.image(set.count()).is_none());
    }

    #[test]
    fn drawn_defects_are_those_of_the_texture_room() {
        let held_out = held_out();
        let set = ValidationSet::draw(&held_out, 5).unwrap();
        let own = set.image(2 + 2 * 3 + 1).unwrap();
        assert_eq!((own.defect, own.number), (Some(Defect::Hole), 1));
        let mut stream = Stream::new(5, Purpose::Texture, FIRST_STEP + 3, 1);
        let drawn = Defect::Hole.on_photograph(&held_out[1], &mut stream).unwrap().unwrap();
        assert!(own.mask == drawn.mask && own.image == drawn.image.mapv(rounded));
    }
}
