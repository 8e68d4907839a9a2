//! Detection (Method §6): pixels that the network changes are anomalous. Heatmaps, thresholds, metrics, evaluation.

mod detector;
mod evaluate;
mod examination;
mod false_alarms;
pub mod metrics;
mod order_statistic;
mod residual;
mod settings;

pub use detector::{Detector, ImageScores, Inspection};
pub use evaluate::{Evaluation, ImageResult, Resolution, evaluate};
pub use examination::{Cutoffs, Examination, Origin, Region, Threshold};
pub use false_alarms::{ExpectedRate, ObservedRate, ThresholdReport};
pub use residual::Residual;
pub use settings::{
    Calibration, DetectionConfig, Provenance, Settings, Smoothing, Source, TOP_SHARE, Thresholds, is_share, quantile,
};
