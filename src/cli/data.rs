use std::path::{Path, PathBuf};

use crate::data::{
    Family, GenerateOptions, check_output_folder, check_validation_folder, encode_png, generate_all, write_validation_set,
};
use crate::disk::Outputs;
use crate::report::preview as report;
use crate::run::{Config, TrainingImages, VALIDATION_SEED, config_for_training, load_training_set};
use anyhow::ensure;

use super::images::TrainingFolder;
use super::numbers::{OF_CONFIG, OF_THINGS, whole};
use super::output::{note, say};
use super::validate::counts;

/// Subcommands of `data`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Generate a dataset of textures with defects and masks, in the MVTec folder layout
    Generate(Generate),
    /// Draw training samples as one figure: image, corrupted image, mask, change
    Preview(Preview),
    /// Put drawn defects on the normal images that a config holds out, as a test set for choosing between configs
    Validation(Validation),
}

/// Arguments of `data validation`.
#[derive(clap::Args)]
pub struct Validation {
    #[command(flatten)]
    images: TrainingFolder,
    /// Config file of the training; later ones override earlier ones [default: the settings that `orthoscope doctor --config`
    /// prints]
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the training, which selects the images; overrides the config
    #[arg(long, value_parser = whole::<u64>(0..=OF_CONFIG))]
    seed: Option<u64>,
}

/// Arguments of `data generate`.
#[derive(clap::Args)]
pub struct Generate {
    /// Folder in which the category folder is created
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Material: cloth, grid, wood, tiles or pebbles [default: all of them]
    #[arg(long)]
    family: Option<Family>,
    /// Height and width in pixels
    #[arg(long, default_value_t = 128, value_parser = whole::<usize>(32..=8192))]
    size: usize,
    /// Normal training images
    #[arg(long, default_value_t = 100, value_parser = whole::<u32>(1..=OF_THINGS))]
    train: u32,
    /// Normal test images
    #[arg(long, default_value_t = 20, value_parser = whole::<u32>(0..=OF_THINGS))]
    good: u32,
    /// Test images of each kind of defect
    #[arg(long, default_value_t = 10, value_parser = whole::<u32>(0..=OF_THINGS))]
    defects: u32,
    /// Seed
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
}

/// Arguments of `data preview`.
#[derive(clap::Args)]
pub struct Preview {
    #[command(flatten)]
    images: TrainingFolder,
    /// Config file; later ones override earlier ones [default: the settings that `orthoscope doctor --config` prints]
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Folder of replacement textures; overrides the config
    #[arg(long, value_name = "DIR")]
    textures: Option<PathBuf>,
    /// PNG file to write
    #[arg(long, value_name = "PNG")]
    out: PathBuf,
    /// Number of samples
    #[arg(long, default_value_t = 8, value_parser = whole::<u16>(1..=64))]
    count: u16,
    /// Training step whose batch to show
    #[arg(long, default_value_t = 0, value_parser = whole::<u32>(0..=OF_THINGS))]
    step: u32,
    /// Replace a file that `data preview` did not write, or that was changed since; training images are never replaced
    #[arg(long)]
    overwrite: bool,
}

/// Runs a subcommand.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Generate(own) => generate_families(own),
        Command::Preview(own) => preview(own),
        Command::Validation(own) => validation(own),
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
    let mut failed = 0;
    let is_only = options.len() == 1;
    for made in generate_all(&arguments.out, &options)? {
        match made {
            Ok(folder) => say(format_args!("wrote {}", folder.display()))?,
            Err(error) if is_only => return Err(error.into()),
            Err(error) => {
                note(format_args!("error: {error}"));
                failed += 1;
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} categories could not be made", options.len());
    Ok(())
}

fn validation(arguments: &Validation) -> anyhow::Result<()> {
    let mut config = Config::read_layers(&arguments.config, None)?;
    config.seed = arguments.seed.unwrap_or(config.seed);
    let data = arguments.images.dataset();
    check_output_folder(&arguments.out)?;
    data.check_outside(&arguments.out)?;
    check_validation_folder(&arguments.out)?;
    let loaded = load_training_set(&config, &data)?;
    loaded.warn(&data);
    let TrainingImages { set, held_out, .. } = loaded;
    // The same defects for every seed of the training.
    let defects = write_validation_set(&arguments.out, &held_out, VALIDATION_SEED)?;
    say(format_args!("wrote {}: {}", arguments.out.display(), counts(&set, &held_out, defects)))
}

/// Checks that a file to be written is named as what it will be.
fn check_png(path: &Path) -> crate::Result<()> {
    match path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        true => Ok(()),
        false => Err(crate::Error::file(path, "will be a PNG file; choose a name that ends in .png")),
    }
}

fn preview(arguments: &Preview) -> anyhow::Result<()> {
    let data = arguments.images.dataset();
    let inputs = [data.train_images()?.images, arguments.config.clone()].concat();
    let outputs = Outputs::single(&arguments.out, "data preview", arguments.overwrite, &inputs)?;
    data.check_outside(outputs.folder())?;
    check_png(&arguments.out)?;
    let config = config_for_training(&arguments.config, arguments.textures.as_deref())?;
    let loaded = load_training_set(&config, &data)?;
    loaded.warn(&data);
    let set = loaded.set;
    let is_weighted = config.corruption.region_weight.slope > 0.0;
    let picture = report::preview(&set, is_weighted, arguments.step.into(), arguments.count.into())?;
    outputs.write(&arguments.out, &encode_png(&picture)?)?;
    say(format_args!("wrote {}: image, corrupted, mask, change (one row per sample)", arguments.out.display()))
}
