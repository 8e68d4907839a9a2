use std::path::{Path, PathBuf};

use super::config::{Config, DataConfig};
use super::memory::{free_memory, memory_words, training_memory};
use crate::data::{AugmentConfig, Family, Fit, GenerateOptions, generate};
use crate::detect::DetectionConfig;
use crate::detect::metrics::Score;
use crate::error::{Error, Result};
use crate::model::{Autoencoder, DILATIONS};
use crate::ops::Penalty;
use crate::train::{ObjectiveConfig, OptimiserConfig};

/// The texture of the demo.
pub const DEMO_FAMILY: Family = Family::Tiles;

/// Side of the demo's images, and of the crops it trains on.
const SIZE: usize = 96;
const CROP: usize = 64;
/// Images that it trains on.
const TRAIN: u32 = 120;

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

/// Refuses a demo that cannot fit into the free memory. Its settings are not the user's, so that no key is named.
///
/// # Errors
/// Too little memory.
pub fn check_demo_memory(config: &Config, is_on_cpu: bool) -> Result<()> {
    let needed = training_memory(config, &[[SIZE as u32; 2]; TRAIN as usize], is_on_cpu)?;
    check(needed, free_memory())
}

fn check(needed: u64, free: Option<u64>) -> Result<()> {
    let Some(free) = free.filter(|&free| free < needed) else { return Ok(()) };
    let (needed, free) = (memory_words(needed), memory_words(free));
    let help = "end other programs, or raise the limit if there is one (`ulimit -v`)";
    Err(Error::argument(format!("a demo needs at least {needed}, and {free} of memory are free; {help}")))
}

/// Writes the demo's images into `out` and returns the category folder.
///
/// # Errors
/// `out` cannot be written or is not empty.
pub fn generate_demo_data(out: &Path, seed: u64) -> Result<PathBuf> {
    let options = GenerateOptions { family: DEMO_FAMILY, size: SIZE, train: TRAIN, good: 20, defects_per_kind: 8, seed };
    generate(out, &options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_without_memory_names_no_key_of_a_config() {
        let text = check(32 << 20, Some(16 << 20)).unwrap_err().to_string();
        let help = "end other programs, or raise the limit if there is one (`ulimit -v`)";
        assert_eq!(text, format!("a demo needs at least 32.0 MiB, and 16.0 MiB of memory are free; {help}"));
        assert!(check(32 << 20, Some(32 << 20)).is_ok() && check(32 << 20, None).is_ok());
        assert!(check_demo_memory(&demo_config(0), true).is_ok());
    }
}
