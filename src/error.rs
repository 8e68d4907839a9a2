//! Errors are sentences: they name the operation or file, the numbers that clash, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of every fallible function of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in the library. `Display` is one sentence fit for a user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Operands that do not fit an operation.
    #[error("{op}: {reason}")]
    Shape {
        /// Name of the operation.
        op: &'static str,
        /// What clashes, with the shapes.
        reason: String,
    },
    /// A file or folder that cannot be used, and why.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// A configuration value that cannot be used.
    #[error("config key `{key}`: {reason}")]
    Config {
        /// Dotted path of the key, e.g. `corruption.patches`.
        key: String,
        /// Why the value cannot be used.
        reason: String,
    },
    /// A metric that is not defined for the data given.
    #[error("{metric} is not defined here: {reason}")]
    Metric {
        /// Name of the metric.
        metric: &'static str,
        /// What is missing.
        reason: String,
    },
    /// An argument outside its domain.
    #[error("{0}")]
    Argument(String),
    /// A loss or weight became NaN or infinite.
    #[error("{what} became {value} at step {step}")]
    NonFinite {
        /// Which quantity.
        what: &'static str,
        /// Its value, `NaN` or `inf`.
        value: f64,
        /// Optimiser step, counted from 1.
        step: u64,
    },
    /// A compute device failed.
    #[error("{device}: {reason}")]
    Device {
        /// Name of the backend.
        device: &'static str,
        /// What it reported.
        reason: String,
    },
    /// A compute device has no room left.
    #[error("{device}: out of memory: {reason}")]
    OutOfMemory {
        /// Name of the backend.
        device: &'static str,
        /// What was asked for and what is free.
        reason: String,
    },
    /// Another error, and where in the network or run it happened.
    #[error("{source} in {place}")]
    Within {
        /// e.g. `e2.0`.
        place: String,
        /// The error itself.
        source: Box<Error>,
    },
}

impl Error {
    /// An operand error of operation `op`.
    pub fn shape(op: &'static str, reason: impl fmt::Display) -> Self {
        Self::Shape { op, reason: reason.to_string() }
    }

    /// A file error: `path` cannot be used because of `reason`.
    pub fn file(path: impl AsRef<Path>, reason: impl fmt::Display) -> Self {
        Self::File { path: path.as_ref().to_owned(), reason: reason.to_string() }
    }

    /// A file error in the system's words, without its number.
    pub fn system(path: impl AsRef<Path>, error: &std::io::Error) -> Self {
        Self::file(path, system_words(error))
    }

    /// A configuration error for the dotted `key`.
    pub fn config(key: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Config { key: key.into(), reason: reason.to_string() }
    }

    /// An argument error.
    pub fn argument(reason: impl fmt::Display) -> Self {
        Self::Argument(reason.to_string())
    }

    /// An undefined metric.
    pub fn metric(metric: &'static str, reason: impl fmt::Display) -> Self {
        Self::Metric { metric, reason: reason.to_string() }
    }

    /// Whether a device had no room left, wherever it happened.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::OutOfMemory { .. } => true,
            Self::Within { source, .. } => source.is_out_of_memory(),
            _ => false,
        }
    }

    /// The same error with the place where it happened.
    #[must_use]
    pub fn within(self, place: impl Into<String>) -> Self {
        Self::Within { place: place.into(), source: Box::new(self) }
    }
}

/// What the system says, without the number of its error.
pub fn system_words(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error ").next().unwrap_or_default().to_owned()
}
