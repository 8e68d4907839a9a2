//! One experiment from config to metrics: what the commands `train`, `evaluate` and `demo` do, as a library.

mod broken_text;
mod budget;
mod calibration;
mod comparison;
mod config;
mod config_text;
mod demo;
mod early_warning;
mod evaluation;
mod held_out;
mod in_order;
mod keys;
mod large_numbers;
mod log;
mod log_lines;
mod measured_weights;
mod memory;
mod own_files;
pub mod reproduction;
mod resume;
mod room;
mod saved_files;
mod test_set;
mod training;
mod training_images;
mod training_set;
mod validation;
mod wrong_values;

pub use crate::model::MODEL_FILE;
pub use budget::{parse_minutes, steps_within, time_step};
pub use calibration::CalibrationImages;
pub use comparison::{ComparedRun, RunResults, ScoredImage, differing_keys};
pub use config::{Config, DEFAULT_CONFIG, DataConfig, OutputConfig};
pub use demo::{DEMO_FAMILY, check_demo_memory, demo_config, generate_demo_data};
pub use evaluation::{
    EvaluationReport, Measured, MetricsFile, PartialReport, Split, TestReport, evaluate_detector, evaluate_maps,
    evaluate_test_set, evaluate_with_maps, protocol,
};
pub use held_out::source_of_held_out;
pub use in_order::{Window, in_order};
pub use log::{Log, LogEntry, LogLine, ValidationEntry, ValidationScores, WarningEntry, WarningKind};
pub use measured_weights::MeasuredWeights;
pub use memory::{
    check_evaluation_memory, check_training_memory, check_validation_memory, check_weight_memory, free_memory, memory_words,
    training_memory,
};
pub use own_files::check_own_files;
pub use resume::{Accepted, Start, has_checkpoint, settings_of_checkpoint, steps_now};
pub use test_set::{ImageCounts, TestSet};
pub use training::{Outcome, TrainingJob};
pub use training_images::{TrainingImages, load_training_set};
pub use training_set::{config_for_training, load_textures};
pub use validation::{VALIDATION_SEED, ValidationReport, check_held_out, validate_detector};

/// File name of the complete config that a run writes.
pub const CONFIG_FILE: &str = "config.toml";
/// File name of the log that a run writes, one JSON object per line.
pub const LOG_FILE: &str = "log.jsonl";
/// File name of the checkpoint from which a run resumes.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";
/// File name of the checkpoint before the last one, which is used if that is damaged.
pub const PREVIOUS_FILE: &str = "checkpoint.previous.safetensors";
/// File name of the metrics that an evaluation writes.
pub const METRICS_FILE: &str = "metrics.json";

/// Commit that this binary was built from, with `-modified` if sources differed from it or `-unknown` if that is not known; or
/// `unknown`.
pub const COMMIT: &str = match option_env!("ORTHOSCOPE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
