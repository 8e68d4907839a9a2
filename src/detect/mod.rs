//! Detection (Method §6): what the network changes is what is anomalous. Heatmaps, thresholds, metrics, evaluation.

mod detector;
mod evaluate;
mod examination;
pub mod metrics;
mod settings;

pub use detector::{Detector, ImageScores, Inspection};
pub use evaluate::{Evaluation, ImageResult, Resolution, evaluate};
pub use examination::{Cutoffs, Examination, Origin, Region, Threshold};
pub use settings::{DetectionConfig, Provenance, Settings, Thresholds, quantile};
