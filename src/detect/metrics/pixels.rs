//! All pixels of a test set in one ranking.

use super::ranking::Sample;
use super::{Components, Ranking};
use crate::data::Plane;
use crate::error::{Error, Result};

/// The pixels of all test images of a category, good images included, ranked by score, and what component each lies in.
#[derive(Clone, Debug)]
pub struct RankedPixels {
    /// All pixels, the score of each as in its map.
    pub ranking: Ranking<f32>,
    /// Pixels of each component of all masks; those of the first image come first.
    pub areas: Vec<u64>,
}

impl RankedPixels {
    /// Ranks the pixels of `(anomaly map, mask)` pairs. A mask is anomalous above one half; that of a good image is all zero.
    /// Images may differ in size, a map and its mask may not.
    ///
    /// # Errors
    /// Sizes of a map and its mask differ, a score is NaN or infinite, or no pixel is anomalous, or none normal.
    pub fn new<'a>(images: impl IntoIterator<Item = (&'a Plane, &'a Plane)>) -> Result<Self> {
        let (mut samples, mut areas) = (Vec::new(), Vec::new());
        for (index, (map, mask)) in images.into_iter().enumerate() {
            if (map.height, map.width) != (mask.height, mask.width) {
                let sizes = format!("{}x{}, its mask {}x{}", map.height, map.width, mask.height, mask.width);
                return Err(Error::shape("pixel metrics", format!("map of image {index} is {sizes}")));
            }
            let components = Components::of(mask);
            let earlier = areas.len() as u32;
            let global = |label: u32| if label == 0 { 0 } else { earlier + label };
            let labelled = map.values.iter().zip(&components.labels);
            samples.extend(labelled.map(|(&score, &label)| Sample { score, component: global(label) }));
            areas.extend(components.areas);
        }
        Ok(Self { ranking: Ranking::from_samples("pixel AUROC", samples)?, areas })
    }
}
