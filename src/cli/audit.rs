use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use orthoscope::audit::{
    self, Card, Commands, FolderImages, ImageSamples, Limits, Map, Network, Options, Program, image_samples,
};
use orthoscope::data::{Fit, Preparation, check_output_folder, make_folder, write_bytes};
use orthoscope::detect::Detector;
use orthoscope::report::audit::{AuditPage, notes, table};
use orthoscope::run::{COMMIT, CONFIG_FILE, Config};

use super::device::{DeviceOption, on_device};
use super::output::{print, say, screen};
use super::progress;

/// Baselines beside every map, for the length of the progress bar.
const BASELINES: usize = 4;

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
    #[arg(long, value_name = "PROGRAM", requires = "command")]
    jvp: Option<String>,
    /// Program that reads two arrays, x and u, and writes Jᵀ u; without it there are no singular values
    #[arg(long, value_name = "PROGRAM", requires = "command")]
    vjp: Option<String>,
    /// Seconds that a program may take for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds, requires = "command")]
    time_limit: f64,
    /// Category folder, or any folder of normal images
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Side in pixels to which the images are resized for a program [default: their own size]
    #[arg(long, value_name = "PIXELS", requires = "command")]
    size: Option<NonZeroUsize>,
    /// Largest number of images: of test/good if it has at least 5, else of the normal images
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    images: u16,
    /// Largest number of further normal images, for dimension, tangents and baselines
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(2..=8192))]
    reference: u16,
    /// Random directions per image
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    probes: u16,
    /// Leading singular values per image
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=128))]
    singular_values: u16,
    /// Config file with the corruption; later ones override earlier ones [default: config.toml beside the weights, or the defaults]
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Seed of corruption, probes and intervals
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for audit.json and index.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print audit.json instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

fn seconds(text: &str) -> anyhow::Result<f64> {
    let seconds: f64 = text.parse()?;
    anyhow::ensure!((0.001..=86400.0).contains(&seconds), "must be from 0.001 to 86400 seconds");
    Ok(seconds)
}

/// Measures a map and prints its card.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(out) = &arguments.out {
        check_output_folder(out)?;
    }
    match (&arguments.model, &arguments.command) {
        (Some(model), _) => on_device!(arguments.device.open()?, |backend| {
            let detector = Detector::read(&backend, model)?;
            let images = images(arguments, &detector.settings().preparation, Some(model))?;
            let samples = image_samples(&images.audited, &images.set)?;
            let mut network = Network::new(&backend, detector.parameters(), &samples.extents)
                .with_context(|| format!("{} on {}", model.display(), arguments.data.display()))?;
            conclude(arguments, &mut network, &samples, "model", &format!("{} on {}", model.display(), images.words))
        }),
        (None, Some(map)) => {
            let side = arguments.size.map(NonZeroUsize::get);
            let preparation = side.map_or(Preparation::NATIVE, |size| Preparation { size, fit: Fit::Stretch, shorter_side: 0 });
            let images = images(arguments, &preparation, None)?;
            let samples = image_samples(&images.audited, &images.set)
                .context("--size resizes them, a program itself may need another size")?;
            let limit = Duration::from_secs_f64(arguments.time_limit);
            let commands = Commands { map: map.clone(), jvp: arguments.jvp.clone(), vjp: arguments.vjp.clone(), limit };
            let mut program = Program::start(&commands, samples.extents)?;
            conclude(arguments, &mut program, &samples, "program", &format!("`{map}` on {}", images.words))
        }
        (None, None) => anyhow::bail!("give --model or --command"),
    }
}

fn images(arguments: &Arguments, preparation: &Preparation, model: Option<&Path>) -> anyhow::Result<FolderImages> {
    let limits = Limits { audited: arguments.images.into(), reference: arguments.reference.into() };
    let config = config(arguments, model)?;
    Ok(FolderImages::read(&arguments.data, preparation, limits, &config, arguments.seed)?)
}

fn config(arguments: &Arguments, model: Option<&Path>) -> anyhow::Result<Config> {
    let beside = model.map(|model| model.with_file_name(CONFIG_FILE)).filter(|path| path.exists());
    Ok(match (arguments.config.is_empty(), beside) {
        (true, Some(path)) => Config::read(&path)?,
        _ => Config::read_layers(&arguments.config, None)?,
    })
}

fn conclude(
    arguments: &Arguments,
    map: &mut dyn Map,
    samples: &ImageSamples<'_>,
    name: &str,
    subtitle: &str,
) -> anyhow::Result<()> {
    let options =
        Options { probes: arguments.probes.into(), singular_values: arguments.singular_values.into(), seed: arguments.seed };
    let start = Instant::now();
    let bar = progress::image_bar(samples.samples.count() * (1 + BASELINES));
    let card = audit::audit(map, &samples.samples, Some(samples.extents), options, &|| bar.inc(1));
    bar.finish_and_clear();
    let card = card?;
    let facts = facts(&card, samples, start.elapsed());
    let json = json(&card, subtitle)?;
    if let Some(out) = &arguments.out {
        make_folder(out)?;
        let page = AuditPage { card: &card, name: name.to_owned(), subtitle: subtitle.to_owned(), facts };
        write_bytes(&out.join("audit.json"), format!("{json}\n").as_bytes())?;
        write_bytes(&out.join("index.html"), page.render().as_bytes())?;
    }
    if arguments.json {
        return say(json);
    }
    print(table(&card, name, screen()))?;
    notes(&card).iter().try_for_each(say)?;
    say(subtitle)?;
    match &arguments.out {
        Some(out) => say(format_args!("wrote {} and index.html", out.join("audit.json").display())),
        None => Ok(()),
    }
}

fn json(card: &Card, subtitle: &str) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(card)?;
    if let Some(map) = value.as_object_mut() {
        map.insert("audited".to_owned(), subtitle.into());
        map.insert("orthoscope".to_owned(), version().into());
    }
    Ok(serde_json::to_string_pretty(&value)?)
}

fn facts(card: &Card, samples: &ImageSamples<'_>, wall: Duration) -> Vec<(String, String)> {
    let [height, width, channels] = samples.extents;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    vec![
        fact("images", card.images.to_string()),
        fact("values n", format!("{height} × {width} × {channels} = {}", card.ambient)),
        fact("reference images", card.reference.to_string()),
        fact("probes per image", card.options.probes.to_string()),
        fact("seed", card.options.seed.to_string()),
        fact("time", format!("{:.0} s", wall.as_secs_f64())),
        fact("orthoscope", version()),
    ]
}

fn version() -> String {
    format!("{} commit {COMMIT}", env!("CARGO_PKG_VERSION"))
}
