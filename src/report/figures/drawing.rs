//! The names of the figures, and a figure with its caption.

use std::fmt;
use std::str::FromStr;

use crate::data::{Image, encode_png};
use crate::error::{Error, Result};

/// A figure that the command line can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Figure 1: input, heatmap over the input, mask, ground truth.
    Defects,
    /// Figure 2: input, reconstruction, ground truth.
    Reconstructions,
    /// Figure 3: the steps from the input to the mask.
    Detection,
    /// Figure 4: the steps from an image to a corrupted image.
    Corruption,
    /// Figure 5: the network.
    Network,
    /// ROC curves of images and pixels.
    Roc,
    /// The curve whose area is AU-PRO.
    Pro,
    /// Histogram of the image scores.
    Scores,
    /// The anomalous images with the lowest scores.
    Misses,
    /// The good images with the highest scores.
    FalseAlarms,
    /// Loss and learning rate over the steps.
    Training,
    /// Variants of a config with their spread.
    Ablation,
}

/// What a figure is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The architecture.
    Network,
    /// A model and the test set of a category.
    Test,
    /// The training images and a config.
    TrainingSet,
    /// The log of a training run.
    Log,
    /// The record of an ablation.
    Ablation,
}

impl Name {
    /// All figures, in the order of the page.
    pub const ALL: [Self; 12] = [
        Self::Defects,
        Self::Reconstructions,
        Self::Detection,
        Self::Corruption,
        Self::Network,
        Self::Roc,
        Self::Pro,
        Self::Scores,
        Self::Misses,
        Self::FalseAlarms,
        Self::Training,
        Self::Ablation,
    ];

    /// The name on the command line and the beginning of its file names.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Defects => "defects",
            Self::Reconstructions => "reconstructions",
            Self::Detection => "detection",
            Self::Corruption => "corruption",
            Self::Network => "network",
            Self::Roc => "roc",
            Self::Pro => "pro",
            Self::Scores => "scores",
            Self::Misses => "misses",
            Self::FalseAlarms => "false_alarms",
            Self::Training => "training",
            Self::Ablation => "ablation",
        }
    }

    /// What it is drawn from.
    pub const fn source(self) -> Source {
        match self {
            Self::Corruption => Source::TrainingSet,
            Self::Network => Source::Network,
            Self::Training => Source::Log,
            Self::Ablation => Source::Ablation,
            _ => Source::Test,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::key).join(", ");
        let found = Self::ALL.into_iter().find(|name| name.key() == text);
        found.ok_or_else(|| Error::argument(format!("there is no figure `{text}`; there are {names}")))
    }
}

/// A figure with its caption.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// Which figure it is.
    pub name: Name,
    /// File name without extension.
    pub stem: String,
    /// The heading.
    pub title: String,
    /// What is seen, and how the images were chosen.
    pub caption: String,
    /// The test images shown, `KIND/NAME`, from top to bottom.
    pub images: Vec<String>,
    /// The picture.
    pub content: Content,
}

/// A picture.
#[derive(Clone, Debug)]
pub enum Content {
    /// Pixels.
    Png(Image),
    /// A drawing.
    Svg(String),
}

impl Drawing {
    /// A drawing without test images, `stem` being the name of the figure.
    pub(super) fn svg(name: Name, title: impl Into<String>, caption: impl Into<String>, svg: String) -> Self {
        Self {
            name,
            stem: name.key().into(),
            title: title.into(),
            caption: caption.into(),
            images: Vec::new(),
            content: Content::Svg(svg),
        }
    }

    /// The same with another file name, which begins with the name of the figure.
    pub(super) fn with_suffix(self, suffix: &str) -> Self {
        Self { stem: format!("{}_{suffix}", self.name), ..self }
    }

    /// Name of the file.
    pub fn file(&self) -> String {
        let extension = if matches!(self.content, Content::Png(_)) { "png" } else { "svg" };
        format!("{}.{extension}", self.stem)
    }

    /// The bytes of the file.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        match &self.content {
            Content::Png(image) => encode_png(image),
            Content::Svg(svg) => Ok(svg.clone().into_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for name in Name::ALL {
            assert_eq!(name.key().parse::<Name>().unwrap(), name);
        }
        let error = "figure1".parse::<Name>().unwrap_err().to_string();
        assert!(error.contains("`figure1`") && error.contains("false_alarms"), "{error}");
    }
}
