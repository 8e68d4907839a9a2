use std::path::Path;

use serde::{Deserialize, Serialize};

use super::arrays::copied;
use super::decode::MAX_PIXELS;
use super::file::read_with_levels;
use super::image::{Image, sides};
use super::levels::Levels;
use super::resize::resize;
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// How an image of any size is resized to the working resolution of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// To `size x size`, ignoring the aspect ratio: for objects that fill the image.
    #[default]
    Stretch,
    /// Keeps the aspect ratio and resizes the shorter side to `shorter_side` (0: no resizing). Training takes random crops of
    /// `size x size`, detection the whole image. For textures.
    Crop,
    /// Never resizes. Training takes random crops of `size x size` of every image at its own scale, and detection covers the
    /// image with tiles. For images much larger than what the network is trained on.
    Native,
}

/// The working resolution of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// Side of a training image in pixels, a multiple of 8.
    pub size: usize,
    /// How images are fitted.
    pub fit: Fit,
    /// Shorter side after resizing with [`Fit::Crop`]; 0 keeps the size.
    pub shorter_side: usize,
    /// The value that is white in images with more than 8 bits per sample; 0 means as the format says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub white_level: f64,
}

/// Whether a white level is that of the format, which weight files of earlier versions do not name.
fn is_zero(level: &f64) -> bool {
    *level == 0.0
}

/// White levels that a file may have: the least bright floating-point image, and 32 bits.
const WHITE_LEVELS: std::ops::RangeInclusive<f64> = 1e-6..=4_294_967_295.0;

impl Preparation {
    /// No resizing at all.
    pub const NATIVE: Self = Self { size: 0, fit: Fit::Crop, shorter_side: 0, white_level: 0.0 };

    /// Whether every image keeps its size.
    pub fn keeps_size(&self) -> bool {
        match self.fit {
            Fit::Stretch => false,
            Fit::Crop => self.shorter_side == 0,
            Fit::Native => true,
        }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// A training size that is not a positive multiple of 8; a shorter side below it, or with [`Fit::Native`] any; a white level
    /// that no file can hold.
    pub fn validate(&self) -> Result<()> {
        let Self { size, shorter_side, white_level, .. } = *self;
        if white_level != 0.0 && !WHITE_LEVELS.contains(&white_level) {
            let [least, most] = [WHITE_LEVELS.start(), WHITE_LEVELS.end()];
            return Err(Error::config("data.white_level", format!("must be 0 or {least:e} to {most}, got {white_level}")));
        }
        if size == 0 || !size.is_multiple_of(8) || size > 8192 {
            return Err(Error::config("data.size", format!("must be a multiple of 8 from 8 to 8192, got {size}")));
        }
        if self.fit == Fit::Crop && shorter_side != 0 && shorter_side < size {
            return Err(Error::config(
                "data.shorter_side",
                format!("must be 0 or at least data.size = {size}, got {shorter_side}"),
            ));
        }
        if self.fit == Fit::Native && shorter_side != 0 {
            let reason = format!("resizes images, which data.fit = \"native\" does not; must be 0 with it, got {shorter_side}");
            return Err(Error::config("data.shorter_side", reason));
        }
        Ok(())
    }

    /// Reads an image file, at its own size, with this white level.
    ///
    /// # Errors
    /// As [`read_with_levels`].
    pub fn read(&self, path: &Path) -> Result<Image> {
        self.read_with_levels(path).map(|(image, _)| image)
    }

    /// The same with the largest value in the file, if it has more than 8 bits per sample.
    ///
    /// # Errors
    /// As [`read_with_levels`].
    pub fn read_with_levels(&self, path: &Path) -> Result<(Image, Option<Levels>)> {
        read_with_levels(path, self.white_level)
    }

    /// The image at working resolution.
    ///
    /// # Errors
    /// A result of more than [`MAX_PIXELS`]; too little memory.
    pub fn apply(&self, image: &Image) -> Result<Image> {
        let (h, w) = sides("prepare", image)?;
        let (height, width) = self.working_size(h, w);
        if height.saturating_mul(width) as u64 > MAX_PIXELS {
            let text = format!("{} become {height}x{width} as prepared, the limit is {MAX_PIXELS} pixels", in_pixels(h, w));
            return Err(Error::argument(text));
        }
        if (height, width) == (h, w) {
            return copied(&image.view());
        }
        resize(image, height, width)
    }

    /// Height and width of a picture at working resolution.
    pub fn working_size(&self, height: usize, width: usize) -> (usize, usize) {
        match (self.fit, self.shorter_side) {
            (Fit::Stretch, _) => (self.size, self.size),
            (Fit::Crop, 0) | (Fit::Native, _) => (height, width),
            (Fit::Crop, side) => {
                // In whole numbers, so that half a pixel is rounded upwards whatever the sides; exported models do the same.
                let shorter = height.min(width) as u128;
                let scaled = |extent: usize| ((2 * extent as u128 * side as u128 + shorter) / (2 * shorter)) as usize;
                let scaled = |extent: usize| scaled(extent).max(side);
                (scaled(height), scaled(width))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_sizes() {
        let stretch = Preparation { size: 64, fit: Fit::Stretch, ..Preparation::NATIVE };
        assert_eq!(stretch.working_size(10, 300), (64, 64));
        let crop = Preparation { size: 64, fit: Fit::Crop, shorter_side: 100, ..Preparation::NATIVE };
        assert_eq!(crop.working_size(50, 75), (100, 150));
        assert_eq!(crop.working_size(301, 200), (151, 100));
        // 1127 x 8 / 784 is 11.5, but 1127 times the nearest f64 to 8 / 784 is less.
        let narrow = Preparation { size: 8, fit: Fit::Crop, shorter_side: 8, white_level: 0.0 };
        assert_eq!(narrow.working_size(784, 1127), (8, 12));
        assert_eq!(Preparation::NATIVE.working_size(7, 9), (7, 9));
        let strip = Image::from_elem((1, 4000, 3), 0.5);
        let text =
            crop.apply(&strip).map(drop).and(Preparation { shorter_side: 500, ..crop }.apply(&strip)).unwrap_err().to_string();
        assert!(text.starts_with("1x4000 pixels (height x width) become 500x2000000 as prepared"), "{text}");
        assert!(Preparation { size: 60, ..stretch }.validate().is_err());
        assert!(Preparation { shorter_side: 32, ..crop }.validate().is_err());
        let native = Preparation { size: 64, fit: Fit::Native, ..Preparation::NATIVE };
        assert_eq!(native.working_size(50, 700), (50, 700));
        assert!(native.keeps_size() && Preparation::NATIVE.keeps_size() && !crop.keeps_size() && !stretch.keeps_size());
        let text = Preparation { shorter_side: 64, ..native }.validate().unwrap_err().to_string();
        assert!(text.contains("data.shorter_side") && text.contains("native"), "{text}");
        for white_level in [-1.0, 1e-9, f64::NAN, f64::INFINITY, 1e10] {
            let error = Preparation { white_level, ..stretch }.validate().unwrap_err().to_string();
            assert!(error.starts_with("config key `data.white_level`: must be 0 or 1e-6 to 4294967295, got "), "{error}");
        }
        assert!(Preparation { white_level: 4095.0, ..stretch }.validate().is_ok());
    }
}
