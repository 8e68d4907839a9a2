//! One image of a test set with its ground truth.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::file::{read_mask, read_size, read_with_levels};
use super::image::{Image, Plane};
use super::levels::Levels;
use super::listing::shown;
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// Name of the folder of normal images, and of their kind among test images.
pub const GOOD: &str = "good";

/// One image of the test set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestImage {
    /// The image file.
    pub path: PathBuf,
    /// `good`, or the kind of defect: the name of its folder, as [`shown`] writes it.
    pub defect: String,
    /// The ground-truth masks, whose union counts; none if there is no ground truth for the image. A good image may have some,
    /// which must be black.
    pub masks: Vec<PathBuf>,
    /// The name of the image in outputs, as a path: the folder of its kind, subfolders and file, `hole/camera1/000.png`. No two
    /// images of a test set have the same one.
    pub place: PathBuf,
    /// What the names of files about the image begin with: [`TestImage::place`] without extension, unless another test image needs
    /// that name ([`output_names`](super::output_names)).
    pub output_name: PathBuf,
}

impl TestImage {
    /// Number of pixels, from the headers of the image and its masks.
    ///
    /// # Errors
    /// A file that is no image or too large, a mask of another size than its image.
    pub(super) fn pixels(&self) -> Result<u64> {
        let size = read_size(&self.path)?;
        self.masks.iter().try_for_each(|path| check_mask_size(path, read_size(path)?, size))?;
        Ok(size.map(u64::from).iter().product())
    }

    /// `KIND/NAME.png` with subfolders, as text.
    pub fn full_name(&self) -> String {
        shown(self.place.as_os_str())
    }

    /// The same without the kind.
    pub fn name(&self) -> String {
        let mut parts = self.place.components();
        parts.next();
        shown(parts.as_path().as_os_str())
    }

    /// The path of a file about the image in a folder of outputs: [`TestImage::output_name`] below it, and `ending`.
    pub fn output(&self, folder: &Path, ending: &str) -> PathBuf {
        // Not with_extension, which would cut a name such as `a.b`.
        let mut path = folder.join(&self.output_name).into_os_string();
        path.push(ending);
        path.into()
    }

    /// Whether the image is normal.
    pub fn is_good(&self) -> bool {
        self.defect == GOOD
    }

    /// The image `[h, w, 3]`, of which this value is white ([`read_with_levels`]), and its ground truth `[h, w]`: 1 where
    /// anomalous, all 0 for a good image. Published datasets contain a few black masks for defect images. These are used
    /// unchanged and mark no pixel.
    ///
    /// # Errors
    /// A file that cannot be read (see [`read_with_levels`] and [`read_mask`]), a mask whose size differs from its image's, or
    /// one of a good image that marks a pixel.
    pub fn read(&self, white_level: f64) -> Result<(Image, Plane)> {
        let (image, mask, _) = self.read_files(white_level)?;
        self.check_mask(&mask)?;
        Ok((image, mask))
    }

    /// The same without the check of the masks of a good image, and with the largest value in the file of the image, if that has
    /// more than 8 bits per sample.
    ///
    /// # Errors
    /// A file that cannot be read, or a mask of another size than its image.
    pub fn read_files(&self, white_level: f64) -> Result<(Image, Plane, Option<Levels>)> {
        let (image, levels) = read_with_levels(&self.path, white_level)?;
        let mut united = Plane::zeros((image.dim().0, image.dim().1));
        for path in &self.masks {
            let mask = read_mask_of(path, &image)?;
            united.zip_mut_with(&mask, |value, &other| *value = value.max(other));
        }
        Ok((image, united, levels))
    }

    /// Checks that the united mask of a good image is black.
    ///
    /// # Errors
    /// It marks a pixel.
    pub fn check_mask(&self, mask: &Plane) -> Result<()> {
        let marked = mask.iter().filter(|&&value| value > 0.0).count();
        match self.masks.first().filter(|_| self.is_good() && marked > 0) {
            None => Ok(()),
            Some(path) => {
                let reason = format!("marks {marked} pixels of {}, which is among the good images", self.path.display());
                Err(Error::file(path, reason))
            }
        }
    }
}

fn read_mask_of(path: &Path, image: &Image) -> Result<Plane> {
    let mask = read_mask(path)?;
    let ((h, w), (ih, iw, _)) = (mask.dim(), image.dim());
    check_mask_size(path, [h, w], [ih, iw])?;
    Ok(mask)
}

fn check_mask_size<T: PartialEq + Display>(path: &Path, [h, w]: [T; 2], [ih, iw]: [T; 2]) -> Result<()> {
    match h == ih && w == iw {
        true => Ok(()),
        false => {
            let turned = if h == iw && w == ih { "; one of them is turned, perhaps by its EXIF data" } else { "" };
            Err(Error::file(path, format!("the mask has {}, its image {}{turned}", in_pixels(h, w), in_pixels(ih, iw))))
        }
    }
}
