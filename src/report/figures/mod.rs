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
//! | `drawing` | the names of the figures, and a figure with its caption |

mod ablation;
mod accuracy;
mod cases;
mod corruption;
mod drawing;
mod index;
mod panels;

use std::path::{Path, PathBuf};

use super::chart;
use super::curves::curves_file;
use super::loss_curve::loss_curve;
use super::network::network;
use crate::data::TrainingSet;
use crate::disk::Outputs;
use crate::error::Result;
use crate::model::{Architecture, Graph};
use crate::ops::Backend;
use crate::run::LogEntry;
use crate::shape::Shape;
use crate::theory::figure::{AxisSpec, Chart, Series};

pub use ablation::{Ablation, METRICS};
pub use cases::{Pick, Test};
pub use drawing::{Content, Drawing, Name, Source};

/// An input, or why there is none.
pub type Input<T> = std::result::Result<T, String>;

/// The inputs of the figures.
pub struct Inputs<'a, B: Backend> {
    /// Networks, each with the side of its input image in pixels.
    pub networks: Vec<(Architecture, usize)>,
    /// An evaluated model.
    pub test: Input<Test<'a, B>>,
    /// Training images with the settings of their corruption, and the number of images in a step.
    pub training_set: Input<(TrainingSet, usize)>,
    /// The log of the run.
    pub log: Input<Vec<LogEntry>>,
    /// The record of an ablation.
    pub ablation: Input<Ablation>,
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
        Name::Corruption => transposed(inputs.training_set.as_ref(), |(set, batch)| Ok(vec![corruption::steps(set, *batch)?])),
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

/// The lists of the figures, for programs and for people.
pub const LISTS: [&str; 2] = ["figures.json", "index.html"];

/// Writes the pictures, `figures.json` and `index.html`, which replace those of an earlier run together. `skipped` are figures
/// without input, with the reason.
///
/// # Errors
/// A file that cannot be written, or one in its place that is not ours; the files of the earlier run then stay.
pub fn write(
    outputs: &Outputs,
    heading: &str,
    protocol: Option<&str>,
    drawings: &[Drawing],
    skipped: &[(Name, String)],
) -> Result<()> {
    let [json, page] = LISTS.map(|name| outputs.folder().join(name));
    let picture = |drawing: &Drawing| Ok((outputs.folder().join(drawing.file()), drawing.bytes()?));
    let mut files = drawings.iter().map(picture).collect::<Result<Vec<_>>>()?;
    files.push((json, index::json(protocol, drawings, skipped)?.into_bytes()));
    files.push((page, index::page(heading, protocol, drawings, skipped).into_bytes()));
    outputs.replace_together(&files, &outdated(outputs, drawings, skipped))
}

/// The pictures of an earlier run that belong to one of these figures and are not drawn now, because their input is missing or
/// they have another suffix.
fn outdated(outputs: &Outputs, drawings: &[Drawing], skipped: &[(Name, String)]) -> Vec<PathBuf> {
    let names: Vec<Name> = drawings.iter().map(|own| own.name).chain(skipped.iter().map(|(name, _)| *name)).collect();
    let is_of =
        |stem: &str, name: &Name| stem.strip_prefix(name.key()).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    let is_known = |path: &Path| {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        stem.is_some_and(|stem| names.iter().any(|name| is_of(stem, name)))
    };
    let is_drawn = |path: &Path| drawings.iter().any(|own| path.ends_with(own.file()));
    let entries = std::fs::read_dir(outputs.folder()).into_iter().flatten().flatten().map(|entry| entry.path());
    let earlier = entries.filter(|path| is_known(path) && !is_drawn(path));
    earlier.filter(|path| outputs.is_own(path).unwrap_or(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            terms: None,
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
