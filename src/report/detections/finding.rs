use serde::Serialize;

use crate::detect::metrics::Score;
use crate::detect::{ImageScores, Regions, Unlike};

/// The content of `NAME.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Path of the picture.
    pub image: String,
    /// Image score, of the kind `score_kind`.
    pub score: f64,
    /// Image threshold.
    pub threshold: Option<f64>,
    /// Whether the score exceeds the threshold; None without one.
    pub anomalous: Option<bool>,
    /// Which of the scores.
    pub score_kind: Score,
    /// All image scores.
    #[serde(flatten)]
    pub scores: ImageScores,
    /// Heatmap threshold of the mask; without one there are no regions.
    pub pixel_threshold: Option<f64>,
    /// Pixels in the mask.
    pub anomalous_pixels: usize,
    /// Rows of the picture.
    pub height: usize,
    /// Columns of the picture.
    pub width: usize,
    /// Regions of the mask.
    #[serde(flatten)]
    pub regions: Regions,
    /// How the picture is unlike the training images, if it is.
    pub unlike_training: Option<Unlike>,
}

/// What is said about a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its score exceeds the threshold.
    Anomalous,
    /// It does not.
    Normal,
    /// There is no threshold.
    Unknown,
    /// It could not be inspected.
    Skipped,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Anomalous => "anomalous",
            Self::Normal => "normal",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    /// That of a picture which was inspected.
    pub(super) fn of(anomalous: Option<bool>) -> Self {
        match anomalous {
            Some(true) => Self::Anomalous,
            Some(false) => Self::Normal,
            None => Self::Unknown,
        }
    }
}

impl Finding {
    /// One line for a terminal: verdict, score, picture.
    pub fn line(&self) -> String {
        format!("{:<10} score {:.5}  {}", Verdict::of(self.anomalous).word(), self.score, self.image)
    }
}
