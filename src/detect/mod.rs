//! Detection, metrics, evaluation.
