use std::path::{Path, PathBuf};

use crate::data::TestImage;
use crate::detect::metrics::Score;
use crate::detect::{Resolution, TOP_SHARE, is_share};
use crate::disk::hint;
use crate::disk::npy::{self, Element};
use crate::report::results::Results;
use crate::run::{TestSet, check_evaluation_memory, evaluate_maps};
use crate::shape::in_pixels;
use crate::{Error, Result};
use anyhow::ensure;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ndarray::Array2;

use super::evaluate;
use super::images::TestFolders;

/// Arguments of `metrics`.
#[derive(clap::Args)]
#[command(after_help = "Every test image DEFECT/NAME.png needs a map DIR/DEFECT/NAME.npy: f32 or f64, [h, w], of \
    any size; further dimensions of 1 are allowed. Higher values are more anomalous. f64 maps are ranked in f64.")]
pub struct Arguments {
    /// Folder of anomaly maps
    #[arg(long, value_name = "DIR")]
    maps: PathBuf,
    #[command(flatten)]
    images: TestFolders,
    /// Resolution of the pixel metrics: native, model (that of the maps) or a side in pixels
    #[arg(long, default_value = "native")]
    resolution: Resolution,
    /// Image score used for image_auroc, image_ap and image_f1_max
    #[arg(long, default_value = "sum", value_parser = PossibleValuesParser::new(Score::NAMES.map(|(name, _)| name)).map(score_named))]
    score: Score,
    /// Share of the pixels with the largest values, whose mean is the score `top`
    #[arg(long, value_name = "SHARE", default_value_t = TOP_SHARE, value_parser = share, allow_hyphen_values = true)]
    top_share: f64,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

fn score_named(name: String) -> Score {
    Score::NAMES.into_iter().find(|(known, _)| *known == name).map_or(Score::Sum, |(_, score)| score)
}

fn share(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|&value| is_share(value));
    value.ok_or_else(|| "a number above 0 and at most 1 is needed".to_owned())
}

/// Computes the metrics of anomaly maps made by another program.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let data = arguments.images.dataset();
    let listed = data.complete_test_set()?;
    ensure!(
        arguments.maps.is_dir(),
        Error::file(&arguments.maps, format!("there is no such folder, or it is a file{}", hint(&arguments.maps)))
    );
    check_evaluation_memory(&listed, arguments.resolution, None)?;
    let test_set = TestSet::read(listed)?;
    evaluate::warn_of_files(&test_set, &data);
    let category = test_set.category;
    let score = arguments.score;
    let (resolution, kind) = (arguments.resolution, (score, arguments.top_share));
    let file = |test: &TestImage| map_file(&arguments.maps, test);
    // A map that cannot be read is an error when it is its turn.
    let is_wide = category.test.iter().any(|test| npy::is_f64(&file(test)).unwrap_or(false));
    let report = match is_wide {
        true => evaluate_maps(&category, resolution, kind, |test| read_map::<f64>(&file(test))),
        false => evaluate_maps(&category, resolution, kind, |test| read_map::<f32>(&file(test))),
    }?;
    evaluate::print(&report, &Results::new(&report, score, None), arguments.json)
}

/// The map of a test image: NAME.npy, or NAME_map.npy as `detect` calls it.
fn map_file(maps: &Path, test: &TestImage) -> PathBuf {
    let names = [".npy", "_map.npy"].map(|ending| test.output(maps, ending));
    names.iter().find(|path| path.exists()).unwrap_or(&names[0]).clone()
}

fn read_map<T: Element>(path: &Path) -> Result<Array2<T>> {
    let array = npy::read(path)?;
    let shape = array.shape().to_vec();
    let extents: Vec<usize> = shape.iter().copied().filter(|&extent| extent != 1).collect();
    match (&shape[..], &extents[..]) {
        (&[h, w], _) | (_, &[h, w]) if h * w > 0 => {
            Array2::from_shape_vec((h, w), array.into_iter().collect()).map_err(|error| Error::file(path, error))
        }
        (&[h, w], _) => Err(Error::file(path, format!("is empty: it has {}", in_pixels(h, w)))),
        _ => Err(Error::file(path, format!("an anomaly map must be [h, w], got {shape:?}"))),
    }
}
