//! What the file says of the model.

use safetensors::tensor::SafeTensors;

use crate::detect::Settings;
use crate::detect::metrics::Score;
use crate::error::{Error, Result};
use crate::model::WeightFile;

/// The metadata of the weight file, with what a program needs of them as plain values, sorted by key.
///
/// # Errors
/// Weights that cannot be encoded.
pub(super) fn of(file: &WeightFile, settings: &Settings) -> Result<Vec<(String, String)>> {
    let weights = file.encode()?;
    let (_, header) = SafeTensors::read_metadata(&weights).map_err(Error::format)?;
    let mut pairs: Vec<_> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let tiles = settings.detection.tiling(&file.architecture, &settings.preparation)?.map(|own| own.to_string());
    let tiles = tiles.map(|words| ("tiles", words));
    pairs.extend(plain(settings).chain(tiles).map(|(key, value)| (format!("orthoscope.{key}"), value)));
    pairs.sort();
    Ok(pairs)
}

fn plain(settings: &Settings) -> impl Iterator<Item = (&'static str, String)> {
    let score = Score::NAMES.iter().find(|(_, score)| *score == settings.detection.score).map(|(name, _)| (*name).to_owned());
    let thresholds = settings.thresholds;
    let known = [
        ("image_threshold", thresholds.map(|own| own.image.to_string())),
        ("pixel_threshold", thresholds.map(|own| own.pixel.to_string())),
        ("config_hash", settings.provenance.as_ref().map(|own| own.config_hash.clone())),
        ("score", score),
        ("version", Some(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    known.into_iter().filter_map(|(key, value)| Some((key, value?)))
}
