use std::collections::BTreeSet;

use super::overlay::outlined;
use crate::data::arrays::mapped;
use crate::data::{Image, encode_mask_png, encode_png};
use crate::detect::Examination;
use crate::disk::npy;
use crate::error::Result;
use crate::report::colour::{Scale, overlay};

/// Ending of the file that says what was found in a picture.
pub const JSON: &str = ".json";

/// A file that is written for a picture beside `NAME.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The heatmap in numbers.
    Map,
    /// The heatmap in colours over the picture in grey.
    Heatmap,
    /// White where the heatmap exceeds the pixel threshold.
    Mask,
    /// The picture with the outlines of the mask.
    Overlay,
    /// f(x).
    Reconstruction,
}

impl Part {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::Map, Self::Heatmap, Self::Mask, Self::Overlay, Self::Reconstruction];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Heatmap => "heatmap",
            Self::Mask => "mask",
            Self::Overlay => "overlay",
            Self::Reconstruction => "reconstruction",
        }
    }

    /// What follows `NAME` in the name of its file.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Map => "_map.npy",
            Self::Heatmap => "_heatmap.png",
            Self::Mask => "_mask.png",
            Self::Overlay => "_overlay.png",
            Self::Reconstruction => "_reconstruction.png",
        }
    }

    /// The content of its file for a picture `[height, width, 3]`.
    ///
    /// # Errors
    /// A result that is too large for PNG; a mask of another size than the picture.
    pub fn encode(self, image: &Image, found: &Examination) -> Result<Vec<u8>> {
        match self {
            Self::Map => npy::encode(&found.heatmap),
            Self::Heatmap => {
                let scale = Scale::for_heatmap(&found.heatmap, found.cutoffs.pixel.map(|threshold| threshold.value));
                encode_png(&overlay(image, &found.heatmap, scale)?)
            }
            Self::Mask => encode_mask_png(&mapped(&found.mask.view(), f32::from)?),
            Self::Overlay => encode_png(&outlined(image, &found.mask)?),
            Self::Reconstruction => encode_png(&found.reconstruction),
        }
    }
}

/// The files that are wanted for each picture.
pub type Parts = BTreeSet<Part>;
