//! A trained detector as an ONNX file, for programs that know nothing of this one.
//!
//! The file holds the whole of Method §6: an image of any size is resized to the working resolution, padded, reconstructed,
//! compared and smoothed, as [`Detector::inspect`](crate::detect::Detector::inspect) does. It uses standard operators only, in
//! f32 and i64.
//!
//! | name | type | meaning |
//! |---|---|---|
//! | input `image` | f32 `[N, 3, H, W]` | RGB in [0, 1], any N, H and W |
//! | output `reconstruction` | f32 `[N, 3, H, W]` | f(x̂), resized to the size of the image |
//! | output `map` | f32 `[N, H, W]` | the heatmap, resized to the size of the image |
//! | output `score` | f32 `[N]` | the image score that the threshold is for, from the heatmap at working resolution |
//!
//! Thresholds, and what else is known of the model, are in the metadata of the file.

mod builder;
mod heatmap;
mod metadata;
mod network;
mod protobuf;
mod resample;
mod residual;
mod similarity;

pub use builder::OPSET;
use builder::{Builder, Value};
use heatmap::{score, smoothed};
use network::Network;
use resample::{Sides, cropped, padded, prepared, resized_image, resized_map};
use residual::residual;

use crate::data::{Fit, Preparation};
use crate::detect::Settings;
use crate::error::{Error, Result};
use crate::model::{Architecture, WeightFile};

/// The largest message of protobuf in bytes.
const LARGEST: usize = i32::MAX as usize;

/// A detector as the bytes of an ONNX file.
///
/// # Errors
/// Weights of another network than Model I or II; damaged settings; a relative score without expected values; more than 2 GiB.
pub fn onnx(file: &WeightFile) -> Result<Vec<u8>> {
    if !matches!(file.architecture, Architecture::Autoencoder(_)) {
        return Err(Error::format(format!("holds the weights of {}; images need Model I or II", file.architecture)));
    }
    let settings = Settings::from_metadata(&file.metadata)?;
    if settings.detection.relative_score && settings.expected.is_none() {
        let reason = "needs the heatmap that is expected of normal images; these settings have none";
        return Err(Error::config("detection.relative_score", reason));
    }
    let mut graph = Builder::default();
    detection(&mut graph, file, &settings)?;
    let bytes = graph.model(&metadata::of(file, &settings)?);
    if bytes.len() > LARGEST {
        return Err(Error::format(format!(
            "would make an ONNX file of {} bytes; the format holds at most {LARGEST}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// From the image to the outputs.
fn detection(graph: &mut Builder, file: &WeightFile, settings: &Settings) -> Result<()> {
    let image = graph.input();
    let own_size = Sides::of(graph, image);
    let (x, size) = prepared(graph, image, own_size, settings.preparation);
    let reconstruction = reconstructed(graph, file, x, size, settings.preparation)?;
    let difference = residual(graph, [x, reconstruction], &settings.detection.residual);
    let heatmap = smoothed(graph, "map", difference, settings.detection.smoothing());
    let judged = match settings.detection.own_score_smoothing() {
        Some(own) => smoothed(graph, "score", difference, own),
        None => heatmap,
    };
    let score = score(graph, judged, size, settings)?;
    let reconstruction = resized_image(graph, reconstruction, size, own_size);
    let map = resized_map(graph, heatmap, size, own_size);
    graph.output("score", score, &["N"]);
    graph.output("map", map, &["N", "H", "W"]);
    graph.output("reconstruction", reconstruction, &["N", "3", "H", "W"]);
    Ok(())
}

/// f(x̂) at working resolution. Stretched images have sides divisible by 8; others are padded and cropped back.
fn reconstructed(graph: &mut Builder, file: &WeightFile, x: Value, size: Sides, preparation: Preparation) -> Result<Value> {
    if preparation.fit == Fit::Stretch {
        return file.architecture.describe(&mut Network::new(graph, file), x);
    }
    let padded = padded(graph, x, size);
    let output = file.architecture.describe(&mut Network::new(graph, file), padded)?;
    Ok(cropped(graph, output, size))
}
