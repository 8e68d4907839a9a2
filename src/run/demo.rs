use std::path::{Path, PathBuf};

use super::config::{Config, DataConfig};
use crate::data::{AugmentConfig, Family, Fit, GenerateOptions, generate};
use crate::detect::DetectionConfig;
use crate::detect::metrics::Score;
use crate::error::Result;
use crate::model::{Autoencoder, DILATIONS};
use crate::ops::Penalty;
use crate::train::{ObjectiveConfig, OptimiserConfig};

/// The texture of the demo.
pub const DEMO_FAMILY: Family = Family::Tiles;

/// Side of the demo's images, and of the crops it trains on.
const SIZE: usize = 96;
const CROP: usize = 64;

/// The demo's config: a small Model II that trains in about a minute on two cores. Scratches are thin, so the heatmap is smoothed
/// only a little, and the image score is its maximum.
pub fn demo_config(seed: u64) -> Config {
    Config {
        seed,
        model: Autoencoder { model: 2, width: 16, dilations: DILATIONS.to_vec() },
        data: DataConfig { size: CROP, fit: Fit::Crop, ..DataConfig::default() },
        augment: AugmentConfig { flip_horizontal: true, flip_vertical: true, quarter_turns: false, ..AugmentConfig::default() },
        objective: ObjectiveConfig { penalty: Penalty::Charbonnier, epsilon: 0.03, ..ObjectiveConfig::default() },
        train: OptimiserConfig { steps: 1800, batch: 4, learning_rate: 2e-3, ema_decay: 0.99, ..OptimiserConfig::default() },
        detection: DetectionConfig { window: 3, repeats: 3, score: Score::Max, ..DetectionConfig::default() },
        ..Config::default()
    }
}

/// Writes the demo's images into `out` and returns the category folder.
///
/// # Errors
/// `out` cannot be written or is not empty.
pub fn generate_demo_data(out: &Path, seed: u64) -> Result<PathBuf> {
    let options = GenerateOptions { family: DEMO_FAMILY, size: SIZE, train: 120, good: 20, defects_per_kind: 8, seed };
    generate(out, &options)
}
