//! Settings of the forms of corruption that the first paper does not have. All are off by default.

use super::range::check;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Gaussian noise that is added to the corrupted image and to the target (arXiv 2511.07233), so that the network learns to pass
/// it on. Its standard deviation is uniform in [min, max) for each image, in units of pixel value, in [0, 1]. 0 adds none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptNoise {
    /// Weakest.
    pub min: f32,
    /// Strongest.
    pub max: f32,
}

/// Whether the patches of an image may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colours {
    /// Grey if every training image is grey, so that no colour gives a patch away. [`CorruptionConfig::for_images`] decides;
    /// where nobody has asked it, patches are coloured.
    ///
    /// [`CorruptionConfig::for_images`]: super::CorruptionConfig::for_images
    Auto,
    /// Patches of any colour.
    Any,
    /// Grey patches, if images and textures are grey.
    Grey,
}

/// Shapes of patches. A patch is a deformed disk, or with probability `perlin` it covers the whole image and its mask is where
/// Perlin noise exceeds a threshold (Zavrtanik, Kristan, Skočaj, DRAEM, ICCV 2021).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// Probability that a patch has a Perlin shape, in [0, 1].
    pub perlin: f32,
    /// Probability that a Perlin shape is the union of two, in [0, 1].
    pub union: f32,
    /// Probability that it is the intersection of two; with `union` at most 1.
    pub intersection: f32,
    /// Maximum number of noise cells along an axis, a power of two from 1 to [`Shape::LIMIT`]. For each axis the number is drawn
    /// from 1, 2, 4, ... up to it.
    pub cells: u32,
    /// The noise, scaled by √2 as in DRAEM, is inside the shape above this, in [0, 0.9].
    pub threshold: f32,
}

/// Weight of a corrupted pixel in the objective: `M = 1 / (1 + exp(-k (d - d₀)))` of the change `d = 255/3 Σ_c |x̂_c - x_c|` in
/// grey levels (Schlüter et al., NSA, ECCV 2022). It is 0 outside the region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegionWeight {
    /// k, per grey level, in [0, 10]; with 0 every pixel of the region has weight 1.
    pub slope: f32,
    /// d₀, the change of weight 1/2, in grey levels, in [0, 255].
    pub midpoint: f32,
}

/// Patches on the object only, for images of an object before a background of another brightness. A pixel is on the object if its
/// grey value, the mean of its channels, is on the object's side of a threshold, which is found once for each training image. The
/// centres of the deformed disks are on the object, and the mask is 0 elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Foreground {
    /// How the threshold is found.
    pub method: ForegroundMethod,
    /// The threshold of [`ForegroundMethod::Threshold`], in (0, 1).
    pub threshold: f32,
    /// The object's side of the threshold.
    pub object: ObjectSide,
}

/// How the threshold between object and background is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForegroundMethod {
    /// Patches are anywhere.
    Off,
    /// Otsu's threshold of each image.
    Otsu,
    /// A fixed grey value.
    Threshold,
}

/// On which side of the threshold the object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectSide {
    /// On the side on which fewer of the pixels along the image's border are.
    Auto,
    /// Below the threshold.
    Darker,
    /// Above it.
    Brighter,
}

impl Default for Foreground {
    fn default() -> Self {
        Self { method: ForegroundMethod::Off, threshold: 0.5, object: ObjectSide::Auto }
    }
}

impl Foreground {
    pub(super) fn validate(&self) -> Result<()> {
        check("foreground.threshold", self.threshold, [0.001, 0.999])
    }
}

/// Scale of the patches of [`Source::Seamless`](super::Source::Seamless): normal with mean 1 and standard deviation 0.5, clipped
/// to [min, max], both in [0.25, 4].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seamless {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
}

impl Default for Seamless {
    fn default() -> Self {
        Self { min: 0.7, max: 1.3 }
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self { perlin: 0.0, union: 0.0, intersection: 0.0, cells: 32, threshold: 0.5 }
    }
}

impl Shape {
    /// Maximum number of noise cells along an axis.
    pub const LIMIT: u32 = 64;

    pub(super) fn validate(&self) -> Result<()> {
        check("shape.perlin", self.perlin, [0.0, 1.0])?;
        check("shape.union", self.union, [0.0, 1.0])?;
        check("shape.intersection", self.intersection, [0.0, 1.0])?;
        if self.union + self.intersection > 1.0 {
            let reason = format!("{} and shape.union {} sum to more than 1", self.intersection, self.union);
            return Err(Error::config("corruption.shape.intersection", reason));
        }
        if !self.cells.is_power_of_two() || self.cells > Self::LIMIT {
            let reason = format!("{} is not a power of two from 1 to {}", self.cells, Self::LIMIT);
            return Err(Error::config("corruption.shape.cells", reason));
        }
        check("shape.threshold", self.threshold, [0.0, 0.9])
    }
}

impl RegionWeight {
    pub(super) fn validate(&self) -> Result<()> {
        check("region_weight.slope", self.slope, [0.0, 10.0])?;
        check("region_weight.midpoint", self.midpoint, [0.0, 255.0])
    }
}
