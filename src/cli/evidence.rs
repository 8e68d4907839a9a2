use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::data::encode_png;
use crate::disk::{Outputs, files_below, make_folder, npy};
use crate::report::claims::ClaimsPage;
use crate::report::curves::curves_file;
use crate::report::gallery::gallery;
use crate::report::spell::file_stem;
use crate::theory::figure::{Content, Figure, GalleryImage, GalleryRow};
use crate::theory::record::Record;
use crate::{Error, Result};
use ndarray::Array2;

/// The files beside the folders of figures and arrays.
const FILES: [&str; 3] = ["claims.json", "claims.csv", "index.html"];
const FIGURES: &str = "figures";
const ARRAYS: &str = "arrays";

/// Creates the folders and checks that files can be created in them and that nothing of others is in the way, before anything is
/// measured; with `measured` for a run that can be resumed.
///
/// # Errors
/// A folder cannot be created, no file can be created in it, or it has a file that `verify` did not write, unless `overwrite` is
/// true.
pub fn prepare(out: &Path, is_journaled: bool, overwrite: bool) -> Result<Outputs> {
    let outputs = Outputs::new(out, "verify", overwrite)?;
    FILES.iter().try_for_each(|name| outputs.check(&out.join(name)))?;
    let folders = [FIGURES, ARRAYS].map(|name| out.join(name));
    // The names of the figures depend on the measurements.
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        files_below(folder)?.iter().try_for_each(|path| outputs.check(path))?;
    }
    let measured = is_journaled.then(|| out.join("measured"));
    for folder in [out].into_iter().chain(folders.iter().map(PathBuf::as_path)).chain(measured.as_deref()) {
        make_folder(folder)?;
    }
    Ok(outputs)
}

/// Writes `claims.json`, `claims.csv`, `index.html`, `figures/` and `arrays/` in place of those of an earlier run, all together.
///
/// # Errors
/// An invalid image, or a file that cannot be written; the files of the earlier run are then where they were.
pub fn write(outputs: &Outputs, records: &[Record], page: &ClaimsPage<'_>) -> Result<()> {
    let [json, csv, html] = FILES.map(|name| outputs.folder().join(name));
    let text = serde_json::to_string_pretty(records).map_err(|error| Error::file(&json, error))?;
    let table = table(records).map_err(|error| Error::file(&csv, error))?;
    let mut files = Vec::new();
    for (_, figure) in page.figures {
        files.push(figure_file(outputs.folder(), figure)?);
        files.extend(array_files(outputs.folder(), figure)?);
    }
    // The page is the last, which says that the others are complete.
    files.extend([(json, format!("{text}\n").into_bytes()), (csv, table), (html, page.render()?.into_bytes())]);
    let new: HashSet<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
    let mut obsolete = earlier(outputs)?;
    obsolete.retain(|path| !new.contains(path.as_path()));
    outputs.replace_together(&files, &obsolete)
}

/// All figures and arrays of an earlier run.
fn earlier(outputs: &Outputs) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in [FIGURES, ARRAYS] {
        files.extend(files_below(&outputs.folder().join(folder))?);
    }
    files.retain(|path| path.is_file() && outputs.is_own(path).unwrap_or(false));
    Ok(files)
}

fn table(records: &[Record]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    records.iter().try_for_each(|record| writer.serialize(record))?;
    Ok(writer.into_inner()?)
}

/// `STEM.svg` for a chart, `STEM.png` for a gallery, below `out`.
fn figure_file(out: &Path, figure: &Figure) -> Result<(PathBuf, Vec<u8>)> {
    let Figure { stem, title, .. } = figure;
    let path = |ending: &str| out.join(FIGURES).join(format!("{stem}.{ending}"));
    match &figure.content {
        Content::Chart(chart) => Ok((path("svg"), curves_file(title, chart).into_bytes())),
        Content::Gallery(rows) => {
            let sheet = gallery(rows).map_err(|error| error.within(format!("figure {stem}")))?;
            Ok((path("png"), encode_png(&sheet)?))
        }
    }
}

/// `[k, 2]` for each series, `[h, w]` for each image, below `out`.
fn array_files(out: &Path, figure: &Figure) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = out.join(ARRAYS).join(&figure.stem);
    let mut taken = HashSet::new();
    let mut file = |name: &str, shape: [usize; 2], values: Vec<f64>| {
        let stem = file_stem(name);
        let numbered = (1..).map(|number| if number == 1 { stem.clone() } else { format!("{stem}_{number}") });
        let free = numbered.into_iter().find(|name| taken.insert(name.clone())).unwrap_or(stem.clone());
        let path = folder.join(format!("{free}.npy"));
        let array = Array2::from_shape_vec(shape, values).map_err(|error| Error::file(&path, error))?;
        Ok((path, npy::encode(&array)?))
    };
    match &figure.content {
        Content::Chart(chart) => {
            let values = |points: &[(f64, f64)]| points.iter().flat_map(|&(x, y)| [x, y]).collect();
            chart.series.iter().map(|series| file(&series.name, [series.points.len(), 2], values(&series.points))).collect()
        }
        Content::Gallery(rows) => {
            let images = rows.iter().flat_map(|row| row.images.iter().map(move |image| (row, image)));
            let array = |(row, image): (&GalleryRow, &GalleryImage)| {
                let (height, width) = image.values.dim();
                file(&format!("{} {}", row.label, image.caption), [height, width], image.values.iter().copied().collect())
            };
            images.map(array).collect()
        }
    }
}
