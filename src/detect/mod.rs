//! Detection (Method §6): what the network changes is what is anomalous. Heatmaps, thresholds, metrics, evaluation.

mod detector;
mod evaluate;
pub mod metrics;
mod settings;

pub use detector::{Detector, ImageScores, Inspection, threshold_mask};
pub use evaluate::{Evaluation, ImageResult, Resolution, evaluate};
pub use settings::{DetectionConfig, Provenance, Settings, Thresholds, quantile};
