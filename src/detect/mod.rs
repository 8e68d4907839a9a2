//! Detection (Method §6): pixels that the network changes are anomalous. Heatmaps, thresholds, metrics, evaluation.

mod appearance;
mod bands;
mod confusion;
mod detector;
mod evaluate;
mod examination;
mod expected;
mod false_alarms;
pub mod metrics;
mod order_statistic;
mod regions;
mod residual;
mod scores;
mod settings;
mod strips;
mod tiling;

pub use appearance::{Appearance, Unlike};
pub use confusion::Confusion;
pub use detector::{Detector, Inspection, LeaveOneOut};
pub use evaluate::{Evaluation, ImageResult, Resolution, evaluate, evaluate_partial};
pub use examination::{Cutoffs, Examination, Origin, Threshold};
pub use expected::Expected;
pub use false_alarms::{ExpectedRate, ObservedRate, ThresholdReport};
pub use regions::{MOST_REGIONS, Region, Regions};
pub use residual::Residual;
pub(crate) use residual::{CHROMA, LINEAR_LIGHT, WHITE, XYZ};
pub use scores::ImageScores;
pub use settings::{
    Calibration, DetectionConfig, Interval, Provenance, Settings, Smoothing, Source, TOP_SHARE, Thresholds, is_share, quantile,
};
pub use strips::{StripExamination, StripSink};
pub use tiling::Tiling;
