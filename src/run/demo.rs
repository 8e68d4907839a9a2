use std::path::{Path, PathBuf};

use super::config::{Config, DataConfig};
use crate::data::{Family, GenerateOptions, generate};
use crate::error::Result;
use crate::model::{Autoencoder, DILATIONS};
use crate::train::OptimiserConfig;

/// The material of the demo.
pub const DEMO_FAMILY: Family = Family::Cloth;

/// The demo's config: a small Model II that trains in about a minute on two cores.
pub fn demo_config(seed: u64) -> Config {
    Config {
        seed,
        model: Autoencoder { model: 2, width: 12, dilations: DILATIONS.to_vec() },
        data: DataConfig { size: 64, ..DataConfig::default() },
        train: OptimiserConfig { steps: 600, batch: 8, rate: 2e-3, ..OptimiserConfig::default() },
        ..Config::default()
    }
}

/// Writes the demo's pictures into `out` and returns the category folder.
///
/// # Errors
/// `out` cannot be written or is not empty.
pub fn generate_demo_data(out: &Path, seed: u64) -> Result<PathBuf> {
    let options = GenerateOptions { family: DEMO_FAMILY, size: 64, train: 120, good: 20, defects_per_kind: 8, seed };
    generate(out, &options)
}
