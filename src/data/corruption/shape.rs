use super::CorruptionConfig;
use super::field::Address;
use super::mask::Mask;
use super::perlin::Perlin;
use super::plan::Patch;
use super::replacement::Site;

/// The soft mask of a patch, of any shape.
pub(super) enum SoftMask {
    Disk(Mask),
    Perlin(Perlin),
}

impl SoftMask {
    /// The mask of `patch` in an image of `extent` [height, width].
    pub fn new(config: &CorruptionConfig, address: Address, patch: &Patch, extent: [usize; 2]) -> Self {
        match &patch.perlin {
            None => Self::Disk(Mask::new(address, patch, config.deformation.smoothing)),
            Some(plan) => Self::Perlin(Perlin::new(address, patch.number, plan, patch.softness, config.shape.threshold, extent)),
        }
    }

    /// M at a pixel, in [0, 1].
    pub fn at(&self, site: &Site) -> f32 {
        match self {
            Self::Disk(mask) => mask.at(site.p),
            Self::Perlin(perlin) => perlin.at(site.place),
        }
    }
}
