//! The figures of the paper, and those of an evaluation and an ablation, each from its own input.
//!
//! | file | draws |
//! |---|---|
//! | `cases` | test images and what the detector finds in them; which ones are shown |
//! | `panels` | Figures 1 to 3 of the paper, worst misses and worst false alarms |
//! | `corruption` | Figure 4 of the paper |
//! | `accuracy` | ROC and PRO curves, histogram of the scores |
//! | `ablation` | variants of a config with their spread over seeds |
//! | `index` | `index.html` and `figures.json` |

mod ablation;
mod accuracy;
mod cases;
mod corruption;
mod index;
mod panels;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::curves::curves_file;
use super::loss_curve::loss_curve;
use super::network::network;
use super::{chart, colour};
use crate::data::{Image, TrainingSet, make_folder, write_bytes, write_png};
use crate::error::{Error, Result};
use crate::model::{Architecture, Graph};
use crate::ops::Backend;
use crate::run::LogEntry;
use crate::shape::Shape;
use crate::theory::figure::{AxisSpec, Chart, Series};

pub use ablation::{Ablation, METRICS};
pub use cases::{Pick, Test};

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

/// An input, or why there is none.
pub type Input<T> = std::result::Result<T, String>;

/// The inputs of the figures.
pub struct Inputs<'a, B: Backend> {
    /// Networks, each with the side of its input image in pixels.
    pub networks: Vec<(Architecture, usize)>,
    /// An evaluated model.
    pub test: Input<Test<'a, B>>,
    /// Training images with the settings of their corruption.
    pub training_set: Input<TrainingSet>,
    /// The log of the run.
    pub log: Input<Vec<LogEntry>>,
    /// The record of an ablation.
    pub ablation: Input<Ablation>,
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
    fn svg(name: Name, title: impl Into<String>, caption: impl Into<String>, svg: String) -> Self {
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
    fn with_suffix(self, suffix: &str) -> Self {
        Self { stem: format!("{}_{suffix}", self.name), ..self }
    }

    /// Name of the file.
    pub fn file(&self) -> String {
        let extension = if matches!(self.content, Content::Png(_)) { "png" } else { "svg" };
        format!("{}.{extension}", self.stem)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(self.file());
        match &self.content {
            Content::Png(image) => write_png(&path, image),
            Content::Svg(svg) => write_bytes(&path, svg.as_bytes()),
        }
    }
}

/// The pictures of a figure, or why there are none.
///
/// # Errors
/// An image that cannot be read or examined.
pub fn draw<B: Backend>(name: Name, inputs: &Inputs<'_, B>) -> Result<Input<Vec<Drawing>>> {
    let of_test = |draw: fn(&Test<'_, B>) -> Result<Drawing>| transposed(inputs.test.as_ref(), |test| Ok(vec![draw(test)?]));
    match name {
        Name::Defects => of_test(panels::defects),
        Name::Reconstructions => of_test(panels::reconstructions),
        Name::Detection => of_test(panels::detection),
        Name::Misses => of_test(panels::misses),
        Name::FalseAlarms => of_test(panels::false_alarms),
        Name::Roc => of_test(accuracy::roc),
        Name::Pro => of_test(accuracy::pro),
        Name::Scores => of_test(accuracy::scores),
        Name::Corruption => transposed(inputs.training_set.as_ref(), |set| Ok(vec![corruption::steps(set)?])),
        Name::Network => inputs.networks.iter().map(|(own, side)| network_figure(own, *side)).collect::<Result<_>>().map(Ok),
        Name::Training => transposed(inputs.log.as_ref(), |log| Ok(training(log))),
        Name::Ablation => transposed(inputs.ablation.as_ref(), |ablation| Ok(ablation.draw())),
    }
}

/// `draw` of an input that there is.
fn transposed<T>(
    input: std::result::Result<&T, &String>,
    draw: impl Fn(&T) -> Result<Vec<Drawing>>,
) -> Result<Input<Vec<Drawing>>> {
    match input {
        Ok(input) => draw(input).map(Ok),
        Err(reason) => Ok(Err(reason.clone())),
    }
}

fn network_figure(architecture: &Architecture, side: usize) -> Result<Drawing> {
    let (input, words) = match architecture {
        Architecture::Autoencoder(_) => (Shape::new(&[1, side, side, 3])?, format!(", for an image of {side} × {side} pixels")),
        Architecture::Mlp(_) => (architecture.smallest_input()?, String::new()),
    };
    let graph = Graph::of(architecture, input)?;
    let title = format!("{architecture}{words}");
    let caption = "The network, drawn from the layers that the program runs: name, operation, height × width × channels of the \
        result, and number of parameters. Arrows are connections; layers of one resolution are in one band.";
    let drawing = Drawing::svg(Name::Network, &title, caption, network(&title, &graph));
    Ok(match architecture {
        Architecture::Autoencoder(own) => drawing.with_suffix(&format!("model_{}", own.model)),
        Architecture::Mlp(_) => drawing,
    })
}

/// The loss and the learning rate over the steps.
fn training(log: &[LogEntry]) -> Vec<Drawing> {
    let loss: Vec<(u64, f64)> = log.iter().map(|entry| (entry.step, entry.loss)).collect();
    let title = "Training loss";
    let loss = chart::standalone(&chart::titled(title, &loss_curve(&loss)));
    let rate = log.iter().map(|entry| (entry.step as f64, entry.rate)).collect();
    let rate_title = "Learning rate schedule";
    let [x, y] = [AxisSpec::linear("step"), AxisSpec::linear("learning rate")];
    let rate = curves_file(rate_title, &Chart { x, y, series: vec![Series::line("rate of each step", rate)] });
    vec![
        Drawing::svg(
            Name::Training,
            title,
            "Objective of each batch before its update, and its moving geometric mean; the vertical axis is logarithmic.",
            loss,
        )
        .with_suffix("loss"),
        Drawing::svg(Name::Training, rate_title, "Learning rate of each step.", rate).with_suffix("rate"),
    ]
}

/// Writes the pictures, `index.html` and `figures.json`. `skipped` are figures without input, with the reason.
///
/// # Errors
/// A file that cannot be written.
pub fn write(
    folder: &Path,
    heading: &str,
    protocol: Option<&str>,
    drawings: &[Drawing],
    skipped: &[(Name, String)],
) -> Result<()> {
    make_folder(folder)?;
    drawings.iter().try_for_each(|drawing| drawing.write(folder))?;
    write_bytes(&folder.join("figures.json"), index::json(protocol, drawings, skipped)?.as_bytes())?;
    write_bytes(&folder.join("index.html"), index::page(heading, protocol, drawings, skipped).as_bytes())
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

    #[test]
    fn a_network_names_its_model_and_side() {
        let drawing = network_figure(&Architecture::autoencoder(2, 8).unwrap(), 64).unwrap();
        assert_eq!(drawing.file(), "network_model_2.svg");
        assert!(drawing.title.starts_with("Model II, width 8") && drawing.title.ends_with("64 × 64 pixels"));
        assert!(network_figure(&Architecture::autoencoder(1, 8).unwrap(), 63).is_err());
    }

    #[test]
    fn the_training_curves_hold_every_step() {
        let entry = |step| LogEntry {
            step,
            loss: 1.0 / step as f64,
            rate: 1e-3,
            images_per_second: 1.0,
            step_ms: 1.0,
            batch_ms: 0.0,
            wait_ms: 0.0,
        };
        let drawings = training(&(1..6).map(entry).collect::<Vec<_>>());
        assert_eq!(drawings.iter().map(Drawing::file).collect::<Vec<_>>(), ["training_loss.svg", "training_rate.svg"]);
        for drawing in drawings {
            let Content::Svg(svg) = drawing.content else { panic!("not an SVG") };
            assert_eq!(svg.matches("<circle").count(), 5, "{svg}");
        }
    }
}
