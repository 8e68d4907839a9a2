//! Errors are complete sentences. They name the operation or file, the numbers that do not fit, and the remedy if there is one.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Result of every fallible function of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of the library. `Display` is one complete sentence for the user, including the causes.
///
/// Errors from inside a file or a layer are wrapped in [`Error::InFile`] or [`Error::Within`]; [`Error::root`] unwraps them:
///
/// ```
/// use orthoscope::{Error, run::Config};
///
/// let error = Config::parse("[train]\nsteps = 0").unwrap_err().in_file("a.toml");
/// assert!(matches!(error.root(), Error::Config { key, .. } if key == "train.steps"));
/// assert_eq!(error.to_string(), "a.toml: line 2, config key `train.steps`: must be 1 to 4294967295, got 0");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Operands whose shapes do not fit an operation.
    #[error("{op}: {reason}")]
    Shape {
        /// Name of the operation.
        op: &'static str,
        /// What does not fit, with the shapes.
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
    /// The operating system refused to read or write a file or folder.
    #[error("{}: {}", path.display(), refusal(action, source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What failed, e.g. `cannot be written`.
        action: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// Content that does not have the expected form: bad TOML, a damaged weight file, a tensor of the wrong shape.
    #[error("{0}")]
    Format(String),
    /// An error, with the file that it concerns.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The error itself.
        source: Box<Error>,
    },
    /// A configuration value that cannot be used.
    #[error("{}config key `{key}`: {reason}", line.map_or_else(String::new, |line| format!("line {line}, ")))]
    Config {
        /// The line of the config's text, from 1, if the value is from there.
        line: Option<usize>,
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
    /// A compute device is missing or failed.
    #[error("{device}: {reason}")]
    Device {
        /// Name of the backend.
        device: &'static str,
        /// What it reported.
        reason: String,
    },
    /// A compute device has too little free memory.
    #[error("{device}: out of memory: {reason}")]
    OutOfMemory {
        /// Name of the backend.
        device: &'static str,
        /// What was requested and what is free.
        reason: String,
    },
    /// An error, with the place in the network or run where it happened.
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
        Self::File { path: path.as_ref().to_owned(), reason: bounded(reason) }
    }

    /// The system refused to read `path`.
    pub fn read(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::io(path, CANNOT_READ, source)
    }

    /// The system refused to write `path`.
    pub fn write(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::io(path, CANNOT_WRITE, source)
    }

    /// Whether the innermost error is that the system refused to write, because the disk is full for example.
    pub fn is_of_writing(&self) -> bool {
        matches!(self.root(), Self::Io { action: CANNOT_WRITE, .. })
    }

    /// The system refused to access `path`. `action` says what failed, e.g. `cannot be listed`.
    pub fn io(path: impl AsRef<Path>, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), action, source }
    }

    /// Content that does not have the expected form.
    pub fn format(reason: impl fmt::Display) -> Self {
        Self::Format(bounded(reason))
    }

    /// A configuration error for the dotted `key`.
    pub fn config(key: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Config { line: None, key: key.into(), reason: bounded(reason) }
    }

    /// An argument error.
    pub fn argument(reason: impl fmt::Display) -> Self {
        Self::Argument(bounded(reason))
    }

    /// An undefined metric.
    pub fn metric(metric: &'static str, reason: impl fmt::Display) -> Self {
        Self::Metric { metric, reason: reason.to_string() }
    }

    /// The innermost error, without files and places, for matching.
    pub fn root(&self) -> &Self {
        match self {
            Self::Within { source, .. } | Self::InFile { source, .. } => source.root(),
            other => other,
        }
    }

    /// Whether the innermost error is that a device ran out of memory.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self.root(), Self::OutOfMemory { .. })
    }

    /// The same error with the place where it happened.
    #[must_use]
    pub fn within(self, place: impl Into<String>) -> Self {
        Self::Within { place: place.into(), source: Box::new(self) }
    }

    /// The same error with the file that it concerns, unless it has it.
    #[must_use]
    pub fn in_file(self, path: impl AsRef<Path>) -> Self {
        match &self {
            Self::File { path: own, .. } | Self::Io { path: own, .. } | Self::InFile { path: own, .. }
                if own == path.as_ref() =>
            {
                return self;
            }
            _ => {}
        }
        Self::InFile { path: path.as_ref().to_owned(), source: Box::new(self) }
    }

    /// The same error with another path, for files that are written to a temporary place and then moved.
    #[must_use]
    pub fn map_path(self, map: impl FnOnce(PathBuf) -> PathBuf) -> Self {
        match self {
            Self::File { path, reason } => Self::File { path: map(path), reason },
            Self::Io { path, action, source } => Self::Io { path: map(path), action, source },
            Self::InFile { path, source } => Self::InFile { path: map(path), source },
            other => other,
        }
    }
}

const CANNOT_READ: &str = "cannot be read";
const CANNOT_WRITE: &str = "cannot be written";

/// Why the system refused. A missing file gives the same text wherever it is read.
fn refusal(action: &str, error: &io::Error) -> String {
    match error.kind() {
        // Words that are not the system's say it themselves.
        io::ErrorKind::NotFound if action == CANNOT_READ => {
            error.get_ref().map_or_else(|| "no such file".to_owned(), ToString::to_string)
        }
        _ => format!("{action}: {}", system_words(error)),
    }
}

/// Longest reason, in characters.
const LONGEST: usize = 2000;

/// A reason in one line, cut off where it is longer than anybody reads: libraries quote words of a file, which may be a megabyte
/// long and hold line feeds.
fn bounded(reason: impl fmt::Display) -> String {
    let reason = shortened(&reason.to_string(), LONGEST);
    if !reason.contains(char::is_control) {
        return reason;
    }
    let shown = |sign: char| if sign.is_control() { sign.escape_unicode().to_string() } else { sign.to_string() };
    reason.chars().map(shown).collect()
}

/// At most `length` characters of a text that may be that of a file, which has no limit.
pub fn shortened(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text of a system error without its number.
pub fn system_words(error: &io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_missing_file_is_named_without_numbers_and_keeps_its_source() {
        let missing = || io::Error::from_raw_os_error(2);
        let error = Error::read("x.toml", missing());
        assert_eq!(error.to_string(), "x.toml: no such file");
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
        let error = Error::write("x.toml", missing()).map_path(|path| path.with_extension("txt"));
        assert_eq!(error.to_string(), "x.txt: cannot be written: No such file or directory");
    }

    #[test]
    fn a_reason_that_quotes_a_whole_file_is_cut_off() {
        let word = "ü".repeat(1 << 20);
        for error in [Error::file("a.json", &word), Error::format(&word), Error::argument(&word), Error::config("seed", &word)] {
            let text = error.to_string();
            assert!(text.chars().count() < LONGEST + 30 && text.ends_with("ü…"), "{} characters", text.len());
        }
        assert_eq!(Error::format("short").to_string(), "short");
        assert_eq!(Error::format("unknown `a\nb\u{1b}`").to_string(), "unknown `a\\u{a}b\\u{1b}`");
    }

    #[test]
    fn the_innermost_error_can_be_matched() {
        let full = Error::OutOfMemory { device: "cuda", reason: "8 bytes of 4".into() };
        let error = full.within("e1.0").in_file("m.safetensors");
        assert!(error.is_out_of_memory() && !Error::format("bad").in_file("a").is_out_of_memory());
        assert_eq!(error.to_string(), "m.safetensors: cuda: out of memory: 8 bytes of 4 in e1.0");
    }
}
