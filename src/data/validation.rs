//! A test set made of normal images that were held out of training, and copies of them with drawn defects.
//!
//! It decides between configs without a look at the real test set. Its defects ([`Defect::ON_PHOTOGRAPHS`]) are of kinds that no training
//! corruption contains.

use std::path::Path;

use rayon::prelude::*;

use super::file::{write_mask_png, write_png};
use super::image::Image;
use super::texture::Defect;
use crate::disk::make_folder;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// Number of the random stream of the first kind; those of generated datasets and of textures are far away.
const FIRST_STEP: u32 = 1 << 20;

/// Writes `test/good` with the held-out images, and for each kind of defect `test/KIND` with every image once and its mask in
/// `ground_truth/KIND`. The defects depend only on the seed and on the number and size of the image.
///
/// # Errors
/// No image; a folder `out` that exists and is not empty, or that cannot be written; an image that is too small for a defect.
pub fn write_validation_set(out: &Path, held_out: &[Image], seed: u64) -> Result<()> {
    if held_out.is_empty() {
        return Err(Error::argument("there is no held-out image to put a defect on"));
    }
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::file(out, "exists and is not empty; choose another folder or remove it first"));
    }
    let good = out.join("test/good");
    make_folder(&good)?;
    held_out.par_iter().enumerate().try_for_each(|(number, image)| write_png(&good.join(format!("{number:03}.png")), image))?;
    for (step, defect) in (FIRST_STEP..).zip(Defect::ON_PHOTOGRAPHS) {
        let (images, masks) = (out.join("test").join(defect.name()), out.join("ground_truth").join(defect.name()));
        make_folder(&images)?;
        make_folder(&masks)?;
        held_out.par_iter().enumerate().try_for_each(|(number, image)| {
            let drawn = defect.on_photograph(image, &mut Stream::new(seed, Purpose::Texture, step, number as u32))?;
            write_png(&images.join(format!("{number:03}.png")), &drawn.image)?;
            write_mask_png(&masks.join(format!("{number:03}_mask.png")), &drawn.mask)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Category, Family};

    #[test]
    fn the_set_is_a_category_with_a_defect_of_every_kind_on_every_image() {
        let folder = tempfile::tempdir().unwrap();
        let image = |index| Family::Wood.render(&mut Stream::new(1, Purpose::Test, 0, index), 64, 48).unwrap();
        let held_out = [image(0), image(1)];
        let out = folder.path().join("validation");
        write_validation_set(&out, &held_out, 5).unwrap();
        let category = Category::open(&out).unwrap();
        assert_eq!(category.test.len(), 2 * 6);
        for test in &category.test {
            let (image, mask) = test.read().unwrap();
            assert_eq!(image.dim(), (64, 48, 3));
            assert_eq!(mask.iter().any(|&marked| marked > 0.0), !test.is_good());
            let same = held_out.iter().any(|own| image.iter().zip(own).all(|(a, b)| (a - b).abs() < 0.003));
            assert_eq!(same, test.is_good(), "{}", test.path.display());
        }
        let error = write_validation_set(&out, &held_out, 5).unwrap_err().to_string();
        assert!(error.ends_with("exists and is not empty; choose another folder or remove it first"), "{error}");
        assert!(write_validation_set(&folder.path().join("none"), &[], 5).is_err());
    }
}
