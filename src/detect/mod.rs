//! Detection, metrics, evaluation.

pub mod metrics;
