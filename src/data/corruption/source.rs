use serde::Serialize;

use crate::data::Image;

/// Where the replacement y of a patch comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A random place of a texture file: mirrored beyond its border, turned over, scaled by 1/2 to 2, and half of the time
    /// recoloured.
    Texture,
    /// Another place of one of the training images.
    OtherImage,
    /// One random colour.
    Constant,
    /// The patch itself, as earlier patches left it, with changed contrast, brightness and colour.
    Brightness,
    /// Gaussian-smoothed (hence band-limited) noise around a random colour.
    Noise,
    /// The patch itself, elastically deformed; taken from the image before any patch was laid.
    Elastic,
}

impl Source {
    /// Every source, in the order in which weights are cumulated.
    pub const ALL: [Self; 6] = [Self::Texture, Self::OtherImage, Self::Constant, Self::Brightness, Self::Noise, Self::Elastic];

    /// Name of its weight in the config.
    pub fn key(self) -> &'static str {
        match self {
            Self::Texture => "texture",
            Self::OtherImage => "other_image",
            Self::Constant => "constant",
            Self::Brightness => "brightness",
            Self::Noise => "noise",
            Self::Elastic => "elastic",
        }
    }
}

/// Replacement material at working scale; pictures of any size. A source without material is never chosen: its weight
/// counts as 0, which leaves the others their proportions. If no source is left, constants are used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// For [`Source::Texture`].
    pub textures: &'a [Image],
    /// For [`Source::OtherImage`]; the image that is corrupted may be among them.
    pub images: &'a [Image],
}
