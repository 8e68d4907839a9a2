use serde::Serialize;

use crate::data::Image;

/// Where the replacement y of a patch comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A random crop of a texture file, reflected beyond its border, randomly flipped and rotated, scaled by 1/2 to 2, and
    /// recoloured with probability 1/2.
    Texture,
    /// Another position in one of the training images.
    OtherImage,
    /// One random colour.
    Constant,
    /// The patch itself after the earlier patches, with changed contrast, brightness and colour.
    Brightness,
    /// Gaussian-smoothed (hence band-limited) noise around a random colour.
    Noise,
    /// The patch itself, elastically deformed; taken from the image before any patch was applied.
    Elastic,
    /// The image itself before any patch, cut into 8 x 8 cells that are exchanged in random pairs, recoloured with probability
    /// 1/2.
    Structure,
    /// Another place in a training image, rescaled, its colours fitted to the image around the patch: an approximation of Poisson
    /// blending.
    Seamless,
}

impl Source {
    /// Every source, in the order in which weights are accumulated.
    pub const ALL: [Self; 8] = [
        Self::Texture,
        Self::OtherImage,
        Self::Constant,
        Self::Brightness,
        Self::Noise,
        Self::Elastic,
        Self::Structure,
        Self::Seamless,
    ];

    /// Name of its weight in the config.
    pub fn key(self) -> &'static str {
        match self {
            Self::Texture => "texture",
            Self::OtherImage => "other_image",
            Self::Constant => "constant",
            Self::Brightness => "brightness",
            Self::Noise => "noise",
            Self::Elastic => "elastic",
            Self::Structure => "structure",
            Self::Seamless => "seamless",
        }
    }
}

/// What corruption takes from the training set: replacement pictures at working scale, of any size. A source without pictures has
/// weight 0; the proportions of the other weights stay the same. If no source is left, constants are used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// For [`Source::Texture`].
    pub textures: &'a [Image],
    /// For [`Source::OtherImage`] and [`Source::Seamless`]; they may include the image being corrupted.
    pub images: &'a [Image],
    /// Grey values [low, high) of the object in the image being corrupted, for `foreground`. `None` finds them in the image
    /// itself.
    pub object: Option<[f32; 2]>,
}
