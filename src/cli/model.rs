use std::path::PathBuf;

use crate::data::row_major;
use crate::detect::Settings;
use crate::disk::{Outputs, npy};
use crate::export;
use crate::model::{Architecture, Parameters, Plan, WeightFile};
use crate::ops::Backend;
use crate::report::table::{Column, Table};
use crate::report::wrap::wrap;
use crate::run::check_weight_memory;
use crate::shape::Shape;
use anyhow::Context;
use ndarray::ArrayD;

use super::device::{DeviceOption, cpu, on_device};
use super::numbers::{WIDTHS, multiple_of_8, whole};
use super::output::{print, say, say_json, screen};

/// Subcommands of `model`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write a network with random initial weights
    Init(Init),
    /// Run a network on an array
    Forward(Forward),
    /// List layers, shapes, parameters and FLOPs
    Summary(Summary),
    /// Write a trained model in another format
    Export(Export),
}

/// Arguments of `model init`.
#[derive(clap::Args)]
pub struct Init {
    /// 1: no skips; 2: skips through convex combination modules
    #[arg(long, value_parser = whole::<u8>(1..=2))]
    model: u8,
    /// Base width w
    #[arg(long, value_parser = whole::<usize>(WIDTHS))]
    width: usize,
    /// Seed of the weights
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Weight file to write
    #[arg(long, value_name = "SAFETENSORS")]
    out: PathBuf,
    /// Replace a file that `model init` did not write, such as trained weights
    #[arg(long)]
    overwrite: bool,
}

/// Arguments of `model forward`.
#[derive(clap::Args)]
pub struct Forward {
    /// Weight file
    #[arg(long, value_name = "SAFETENSORS")]
    model: PathBuf,
    /// Input array x: f32 or f64 [N, H, W, 3], H and W divisible by 8
    #[arg(long, value_name = "NPY")]
    input: PathBuf,
    /// Output array f(x): f32 [N, H, W, 3]
    #[arg(long, value_name = "NPY")]
    output: PathBuf,
    /// Replace a file that `model forward` did not write, or that was changed since; weights and input are never replaced
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// Arguments of `model summary`.
#[derive(clap::Args)]
pub struct Summary {
    /// Weight file; without one, --model and --width define the network
    #[arg(long, value_name = "SAFETENSORS", conflicts_with_all = ["model", "width"])]
    weights: Option<PathBuf>,
    /// Model I or II
    #[arg(long, default_value_t = 2, value_parser = whole::<u8>(1..=2))]
    model: u8,
    /// Base width w
    #[arg(long, default_value_t = 64, value_parser = whole::<usize>(WIDTHS))]
    width: usize,
    /// Side of the input image in pixels
    #[arg(long, default_value_t = 256, value_parser = multiple_of_8(8..=65528))]
    size: usize,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Arguments of `model export`.
#[derive(clap::Args)]
#[command(
    after_help = "The ONNX file does all of `detect`, with standard operators in f32. Its input is \"image\", f32 [N, 3, H, W], RGB in \
    [0, 1], of any size. Its outputs are \"score\", f32 [N], \"map\", f32 [N, H, W], and \"reconstruction\", f32 [N, 3, H, W]. An image \
    is anomalous if its score exceeds orthoscope.image_threshold in the metadata, a pixel if the map exceeds \
    orthoscope.pixel_threshold."
)]
pub struct Export {
    /// Weight file
    #[arg(long, value_name = "SAFETENSORS")]
    model: PathBuf,
    /// ONNX file to write
    #[arg(long, value_name = "ONNX")]
    onnx: PathBuf,
    /// Replace a file that `model export` did not write, or that was changed since; the weights are never replaced
    #[arg(long)]
    overwrite: bool,
}

/// Runs a subcommand.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Init(own) => init(own),
        Command::Forward(own) => on_device!(own.device.open()?, |backend| forward(own, &backend)),
        Command::Summary(own) => summary(own),
        Command::Export(own) => export(own),
    }
}

fn init(arguments: &Init) -> anyhow::Result<()> {
    let architecture = Architecture::autoencoder(arguments.model, arguments.width)?;
    check_weight_memory(&architecture)?;
    let outputs = Outputs::single(&arguments.out, "model init", arguments.overwrite, &[])?;
    let backend = cpu()?;
    let parameters = Parameters::initialise(&backend, &architecture, arguments.seed)?;
    let file = WeightFile { architecture, values: parameters.to_values(&backend)?, metadata: Default::default() };
    outputs.write(&arguments.out, &file.encode()?)?;
    say(format_args!("wrote {} ({})", arguments.out.display(), file.architecture))
}

fn forward(arguments: &Forward, backend: &impl Backend) -> anyhow::Result<()> {
    let inputs = [arguments.model.clone(), arguments.input.clone()];
    let outputs = Outputs::single(&arguments.output, "model forward", arguments.overwrite, &inputs)?;
    let file = WeightFile::read(&arguments.model)?;
    let parameters = Parameters::from_values(backend, &file.architecture, &file.values)?;
    let x: ArrayD<f32> = npy::read(&arguments.input)?;
    let named = || format!("{}", arguments.input.display());
    let shape = Shape::new(x.shape()).with_context(named)?;
    let y = parameters.infer(backend, shape, &row_major(&x)).with_context(named)?;
    outputs.write(&arguments.output, &npy::encode(&ArrayD::from_shape_vec(x.raw_dim(), y)?)?)?;
    say(format_args!("wrote {} {shape}", arguments.output.display()))
}

fn summary(arguments: &Summary) -> anyhow::Result<()> {
    let (architecture, settings) = match &arguments.weights {
        Some(path) => {
            let file = WeightFile::read(path)?;
            let settings = Settings::from_metadata(&file.metadata).map_err(|error| error.in_file(path))?;
            (file.architecture, Some(settings))
        }
        None => (Architecture::autoencoder(arguments.model, arguments.width)?, None),
    };
    let input = Shape::new(&[1, arguments.size, arguments.size, 3])?;
    let plan = architecture.plan(input)?;
    if arguments.json {
        return say_json(&as_json(&architecture, &plan, settings.as_ref()));
    }
    let columns = [
        Column::text("layer"),
        Column::text("operation"),
        Column::text("output"),
        Column::number("parameters"),
        Column::number("MFLOP"),
    ];
    let mut table = Table::new(format!("{architecture}, input {input}"), columns);
    let cells = |name: &str, kind: &str, output: String, parameters: usize, flops: u64| {
        [name.to_owned(), kind.to_owned(), output, parameters.to_string(), format!("{:.1}", flops as f64 / 1e6)]
    };
    for layer in &plan.layers {
        table.row(cells(&layer.name, &layer.kind, layer.output.to_string(), layer.parameters, layer.flops));
    }
    table.summary(cells("total", "forward", String::new(), plan.parameter_count(), plan.flops()));
    print(table.render(screen()))?;
    let training = plan.training_flops() as f64 / 1e6;
    say(format_args!("forward and backward {training:.1} MFLOP; two FLOPs per multiply-add, convolutions only"))?;
    settings.map_or(Ok(()), |settings| known(&settings).iter().flat_map(|line| wrap(line, screen().columns)).try_for_each(say))
}

fn export(arguments: &Export) -> anyhow::Result<()> {
    let outputs = Outputs::single(&arguments.onnx, "model export", arguments.overwrite, std::slice::from_ref(&arguments.model))?;
    let file = WeightFile::read(&arguments.model)?;
    let bytes = export::onnx(&file).map_err(|error| error.in_file(&arguments.model))?;
    outputs.write(&arguments.onnx, &bytes)?;
    say(format_args!("wrote {} ({}, ONNX opset {})", arguments.onnx.display(), file.architecture, export::OPSET))?;
    let settings = Settings::from_metadata(&file.metadata)?;
    if settings.thresholds.is_none() {
        log::warn!("{} has no thresholds, so neither has the ONNX file", arguments.model.display());
    }
    let tiling = settings.detection.tiling(&file.architecture, &settings.preparation)?;
    if let Some(tiling) = tiling.filter(|tiling| !tiling.is_exact()) {
        log::warn!("`detect` sees large pictures in {tiling}; the ONNX file sees them as a whole, with other results");
    }
    Ok(())
}

/// What a weight file knows about itself, in sentences.
fn known(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    match &settings.provenance {
        None => lines.push("trained by another program".to_owned()),
        Some(run) => {
            let category = run.category.as_ref().map_or_else(String::new, |name| format!(" on {name}"));
            let images = run.images.as_ref().map_or_else(String::new, |print| format!(", images {print}"));
            lines.push(format!("trained{category}: {} steps, seed {}, config {}{images}", run.steps, run.seed, run.config_hash));
            lines.extend([&run.training, &run.computed_on, &run.lengthened].into_iter().flatten().cloned());
        }
    }
    match settings.thresholds {
        None => lines.push("no thresholds, so no verdicts".to_owned()),
        Some(own) => {
            let of = own.calibration.map_or_else(|| "images of an unknown number".to_owned(), |images| images.to_string());
            let interval = own.image_interval.map_or_else(String::new, |interval| format!(" (95\u{a0}%: {interval})"));
            lines.push(format!(
                "thresholds from {of}: {:.5}{interval} for the image score ({} of the heatmap), {:.5} for a pixel",
                own.image,
                settings.detection.score.word(),
                own.pixel
            ));
        }
    }
    let appearance = if settings.appearance.is_some() { "knows" } else { "does not know" };
    lines.push(format!("{appearance} what its training images look like"));
    lines
}

fn as_json(architecture: &Architecture, plan: &Plan, settings: Option<&Settings>) -> serde_json::Value {
    let layer = |layer: &crate::model::Layer| {
        serde_json::json!({
            "name": layer.name, "operation": layer.kind, "output": layer.output.dims(),
            "parameters": layer.parameters, "flops": layer.flops, "training_flops": layer.training_flops,
        })
    };
    serde_json::json!({
        "architecture": architecture, "parameters": plan.parameter_count(), "flops": plan.flops(),
        "settings": settings,
        "training_flops": plan.training_flops(), "layers": plan.layers.iter().map(layer).collect::<Vec<_>>(),
    })
}
