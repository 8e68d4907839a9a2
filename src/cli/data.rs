use std::path::PathBuf;

use orthoscope::data::sheet::{contact_sheet, grey};
use orthoscope::data::{Family, GenerateOptions, Image, generate_all, write_png};
use orthoscope::run::{Config, load_training_set};

use super::output::say;

/// Subcommands of `data`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Generate a dataset of textures with defects and masks, in the MVTec folder layout
    Generate(Generate),
    /// Write a contact sheet of training samples: image, corrupted, mask, change
    Preview(Preview),
}

/// Arguments of `data generate`.
#[derive(clap::Args)]
pub struct Generate {
    /// Folder in which the category folder is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Material: cloth, grid, wood, tiles or pebbles; all of them where left out
    #[arg(long)]
    family: Option<Family>,
    /// Height and width in pixels
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// Normal training images
    #[arg(long, default_value_t = 100)]
    train: u32,
    /// Normal test images
    #[arg(long, default_value_t = 20)]
    good: u32,
    /// Test images of each kind of defect
    #[arg(long, default_value_t = 10)]
    defects: u32,
    /// Seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Arguments of `data preview`.
#[derive(clap::Args)]
pub struct Preview {
    /// Category folder with train/good
    #[arg(long, value_name = "ROOT/CATEGORY")]
    data: PathBuf,
    /// Config file; defaults where left out
    #[arg(long, value_name = "TOML")]
    config: Option<PathBuf>,
    /// Folder of replacement textures, instead of the config's
    #[arg(long, value_name = "DIR")]
    textures: Option<PathBuf>,
    /// Picture to write
    #[arg(long, value_name = "PNG")]
    out: PathBuf,
    /// Number of samples
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    count: u16,
    /// Training step whose batch is shown
    #[arg(long, default_value_t = 0)]
    step: u32,
}

/// Runs a subcommand.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Generate(own) => generate_families(own),
        Command::Preview(own) => preview(own),
    }
}

fn generate_families(arguments: &Generate) -> anyhow::Result<()> {
    let families = arguments.family.map_or(Family::ALL.to_vec(), |family| vec![family]);
    let options = |family| GenerateOptions {
        family,
        size: arguments.size,
        train: arguments.train,
        good: arguments.good,
        defects_per_kind: arguments.defects,
        seed: arguments.seed,
    };
    let options: Vec<_> = families.into_iter().map(options).collect();
    let folders = generate_all(&arguments.out, &options)?;
    folders.iter().try_for_each(|folder| say(format_args!("wrote {}", folder.display())))
}

fn preview(arguments: &Preview) -> anyhow::Result<()> {
    let mut config = match &arguments.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    if let Some(textures) = &arguments.textures {
        config.data.textures = Some(textures.clone());
    }
    let (set, _) = load_training_set(&config, &arguments.data)?;
    let samples = set.samples(arguments.step.into(), arguments.count.into())?;
    let column = |part: &dyn Fn(&Image, &orthoscope::data::corruption::Corrupted) -> Image| -> Vec<Image> {
        samples.iter().map(|(x, corrupted)| part(x, corrupted)).collect()
    };
    let columns = [
        column(&|x, _| x.clone()),
        column(&|_, corrupted| corrupted.image.clone()),
        column(&|_, corrupted| grey(&corrupted.mask)),
        column(&|x, corrupted| change(x, &corrupted.image)),
    ];
    let sheet = contact_sheet(&columns.each_ref().map(Vec::as_slice))?;
    write_png(&arguments.out, &sheet)?;
    say(format_args!("wrote {}: image, corrupted, mask, change (one row a sample)", arguments.out.display()))
}

/// `|x̂ - x|`.
fn change(x: &Image, corrupted: &Image) -> Image {
    let pixels = x.pixels.iter().zip(&corrupted.pixels).map(|(a, b)| (a - b).abs()).collect();
    Image { pixels, ..*x }
}
