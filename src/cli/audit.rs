use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::audit::{self, Card, Commands, FolderImages, ImageSamples, Limits, Map, Network, Options, Program, image_samples};
use crate::data::{Dataset, Fit, Preparation, check_output_folder};
use crate::detect::Detector;
use crate::disk::Outputs;
use crate::ops::Backend;
use crate::report::audit::{AuditPage, notes, table};
use crate::report::wrap::wrap;
use crate::run::{COMMIT, CONFIG_FILE, Config, config_for_training};
use crate::{Error, Result};
use anyhow::Context;

use super::device::{DeviceOption, on_device};
use super::numbers::whole;
use super::output::{print, say, say_record, screen};
use super::progress;
use super::signals::{leave, on_interrupt};

/// Name of the fact that differs from run to run.
const TIME: &str = "time";
/// Baselines beside every map, for the length of the progress bar.
const BASELINES: usize = 4;

/// The files that are written.
const RECORD_FILE: &str = "audit.json";
const PAGE_FILE: &str = "index.html";

/// Arguments of `audit`.
#[derive(clap::Args)]
#[command(
    override_usage = "orthoscope audit [OPTIONS] --data <DIR> --model <SAFETENSORS>\n       orthoscope audit [OPTIONS] --data <DIR> --command <PROGRAM>"
)]
pub struct Arguments {
    /// Weight file
    #[arg(long, value_name = "SAFETENSORS", required_unless_present = "command", conflicts_with = "command")]
    model: Option<PathBuf>,
    /// Program for `sh -c` that maps images: it reads .npy arrays, f32 [N, H, W, 3], from standard input until its end,
    /// and writes one of the same shape to standard output for each
    #[arg(long, value_name = "PROGRAM")]
    command: Option<String>,
    /// Program that reads two arrays, x and v, and writes J v; without it, differences of f are used
    #[arg(long, value_name = "PROGRAM", requires = "command", conflicts_with = "model")]
    jvp: Option<String>,
    /// Program that reads two arrays, x and u, and writes Jᵀ u; without it there are no singular values
    #[arg(long, value_name = "PROGRAM", requires = "command", conflicts_with = "model")]
    vjp: Option<String>,
    /// Seconds that a program may take for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds, allow_hyphen_values = true, conflicts_with = "model")]
    time_limit: f64,
    /// Category folder, or any folder of normal images
    #[arg(long, value_name = "DIR", visible_alias = "normal")]
    data: PathBuf,
    /// Side in pixels to which the images are resized for a program [default: their own size]
    #[arg(long, value_name = "PIXELS", value_parser = whole::<usize>(1..=8192), conflicts_with = "model")]
    size: Option<usize>,
    /// Largest number of images: of test/good if it has at least 5, else of the normal images
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = whole::<u16>(5..=4096))]
    images: u16,
    /// Largest number of further normal images, for dimension, tangents and baselines
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = whole::<u16>(2..=8192))]
    reference: u16,
    /// Random directions per image
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole::<u16>(1..=1024))]
    probes: u16,
    /// Leading singular values, of five of the images
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole::<u16>(1..=128))]
    singular_values: u16,
    /// Config file with the corruption; later ones override earlier ones [default: config.toml beside the weights, or the
    /// defaults]
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Seed of corruption, probes and intervals
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Folder for audit.json and index.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files in the output folder that `audit` did not write, or that were changed since
    #[arg(long)]
    overwrite: bool,
    /// Print audit.json instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

fn seconds(text: &str) -> Result<f64> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86400.0).contains(seconds));
    seconds.ok_or_else(|| Error::argument("a number of seconds from 0.001 to 86400 is needed"))
}

/// What a card says about the map besides its numbers.
struct Described {
    /// A short name.
    name: &'static str,
    /// What is audited on what.
    subtitle: String,
    derivatives: &'static str,
    /// Hash of the config of the corruption.
    corruption: String,
    device: String,
    /// Training of a model.
    model: Option<String>,
}

/// Measures a map and prints its card.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(out) = &arguments.out {
        check_output_folder(out)?;
        Dataset::from(&arguments.data).check_outside(out)?;
        outputs(arguments, out)?;
    }
    match (&arguments.model, &arguments.command) {
        (Some(path), _) => on_device!(arguments.device.open()?, |backend| audit_model(arguments, path, &backend)),
        (None, Some(command)) => audit_program(arguments, command),
        (None, None) => anyhow::bail!("give --model or --command"),
    }
}

fn audit_model(arguments: &Arguments, path: &Path, backend: &impl Backend) -> anyhow::Result<()> {
    let detector = Detector::read(backend, path)?;
    let settings = detector.settings();
    let config = config(arguments, Some(path))?;
    let images = images(arguments, &settings.preparation, &config)?;
    let samples = image_samples(&images.audited, &images.set)?;
    let described = Described {
        name: "model",
        subtitle: format!("{} on {}", path.display(), images.words),
        derivatives: "exact",
        corruption: format!("config {}", config.hash()?),
        device: backend.description(),
        model: settings.provenance.as_ref().map(|own| {
            let training = own.training.as_deref().unwrap_or("unknown training");
            format!("{training}, {} steps, seed {}, config {}", own.steps, own.seed, own.config_hash)
        }),
    };
    let mut network = Network::new(backend, detector.parameters(), &samples.extents)
        .with_context(|| format!("{} on {}", path.display(), arguments.data.display()))?;
    conclude(arguments, &mut network, &samples, &described)
}

fn audit_program(arguments: &Arguments, command: &str) -> anyhow::Result<()> {
    let preparation =
        arguments.size.map_or(Preparation::NATIVE, |size| Preparation { size, fit: Fit::Stretch, ..Preparation::NATIVE });
    let config = config(arguments, None)?;
    let images = images(arguments, &preparation, &config)?;
    let sizes = images.audited.iter().chain(&images.set.images).map(|image| image.dim()).collect::<BTreeSet<_>>();
    anyhow::ensure!(sizes.len() < 2, "{}: images of {} sizes; give them one with --size", arguments.data.display(), sizes.len());
    let samples = image_samples(&images.audited, &images.set)?;
    let described = Described {
        name: "program",
        subtitle: format!("{command} on {}", images.words),
        derivatives: if arguments.jvp.is_some() { "of the program" } else { "central differences" },
        corruption: format!("config {}", config.hash()?),
        device: "of the program".to_owned(),
        model: None,
    };
    // The programs do not hear Ctrl-C themselves.
    on_interrupt(|| leave("interrupted; nothing is written", Program::stop_all))?;
    let limit = Duration::from_secs_f64(arguments.time_limit);
    let commands = Commands { map: command.to_owned(), jvp: arguments.jvp.clone(), vjp: arguments.vjp.clone(), limit };
    conclude(arguments, &mut Program::start(&commands, samples.extents)?, &samples, &described)
}

fn images(arguments: &Arguments, preparation: &Preparation, config: &Config) -> anyhow::Result<FolderImages> {
    let limits = Limits { audited: arguments.images.into(), reference: arguments.reference.into() };
    Ok(FolderImages::read(&arguments.data, preparation, limits, config, arguments.seed)?)
}

/// The config of the corruption.
fn config(arguments: &Arguments, model: Option<&Path>) -> anyhow::Result<Config> {
    let beside = model.map(|model| model.with_file_name(CONFIG_FILE)).filter(|path| path.exists());
    Ok(match (arguments.config.is_empty(), beside) {
        (true, Some(path)) => Config::read(&path)?,
        _ => config_for_training(&arguments.config, None)?,
    })
}

/// The output folder, with nothing in the way.
fn outputs(arguments: &Arguments, out: &Path) -> Result<Outputs> {
    let inputs = arguments.config.iter().chain(&arguments.model);
    let outputs = Outputs::new(out, "audit", arguments.overwrite)?.protecting(inputs);
    [RECORD_FILE, PAGE_FILE].iter().try_for_each(|name| outputs.check(&out.join(name)))?;
    Ok(outputs)
}

fn conclude(arguments: &Arguments, map: &mut dyn Map, samples: &ImageSamples<'_>, described: &Described) -> anyhow::Result<()> {
    let options =
        Options { probes: arguments.probes.into(), singular_values: arguments.singular_values.into(), seed: arguments.seed };
    let start = Instant::now();
    let bar = progress::image_bar(samples.samples.count() * (1 + BASELINES));
    let card = audit::audit(map, &samples.samples, Some(samples.extents), options, &|| bar.inc(1));
    bar.finish_and_clear();
    let card = card?;
    let Described { name, subtitle, .. } = described;
    let facts = facts(&card, samples, described, start.elapsed());
    let json = json(&card, subtitle, &facts)?;
    if let Some(out) = &arguments.out {
        let outputs = outputs(arguments, out)?;
        let page = AuditPage { card: &card, name: (*name).to_owned(), subtitle: subtitle.clone(), facts };
        let record = (out.join(RECORD_FILE), format!("{json}\n").into_bytes());
        outputs.replace_together(&[(out.join(PAGE_FILE), page.render().into_bytes()), record], &[])?;
    }
    if arguments.json {
        return say_record(&json);
    }
    print(table(&card, name, screen()))?;
    notes(&card).iter().flat_map(|note| wrap(note, screen().columns)).try_for_each(say)?;
    say(subtitle)?;
    match &arguments.out {
        Some(out) => say(format_args!("wrote {} and index.html", out.join("audit.json").display())),
        None => Ok(()),
    }
}

fn json(card: &Card, subtitle: &str, facts: &[(String, String)]) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(card)?;
    if let Some(map) = value.as_object_mut() {
        map.insert("audited".to_owned(), subtitle.into());
        // The time would make equal audits differ.
        let stable = facts.iter().filter(|(name, _)| name != TIME);
        map.insert(
            "protocol".to_owned(),
            stable.map(|(name, value)| (name.clone(), value.as_str().into())).collect::<serde_json::Map<_, _>>().into(),
        );
    }
    Ok(serde_json::to_string_pretty(&value)?)
}

fn facts(card: &Card, samples: &ImageSamples<'_>, described: &Described, wall: Duration) -> Vec<(String, String)> {
    let [height, width, channels] = samples.extents;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("images", card.images.to_string()),
        fact("values n", format!("{height} × {width} × {channels} = {}", card.ambient)),
        fact("reference images", card.reference.to_string()),
        fact("probes per image", card.options.probes.to_string()),
        fact("derivatives", described.derivatives.to_owned()),
        fact("corruption", described.corruption.clone()),
        fact("seed", card.options.seed.to_string()),
        fact("device", described.device.clone()),
        fact(TIME, format!("{:.0} s", wall.as_secs_f64())),
        fact("orthoscope", version()),
    ];
    facts.extend(described.model.iter().map(|model| fact("model", model.clone())));
    facts
}

fn version() -> String {
    format!("{} commit {COMMIT}", env!("CARGO_PKG_VERSION"))
}
