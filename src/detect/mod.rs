//! Detection (Method §6): pixels that the network changes are anomalous. Heatmaps, thresholds, metrics, evaluation.

mod confusion;
mod detector;
mod evaluate;
mod examination;
mod expected;
pub mod metrics;
mod residual;
mod settings;

pub use confusion::Confusion;
pub use detector::{Detector, ImageScores, Inspection};
pub use evaluate::{Evaluation, ImageResult, Partial, Resolution, evaluate, evaluate_partial};
pub use examination::{Cutoffs, Examination, Origin, Region, Threshold};
pub use expected::Expected;
pub use residual::Residual;
pub use settings::{DetectionConfig, Provenance, Settings, Smoothing, TOP_SHARE, Thresholds, is_share, quantile};
