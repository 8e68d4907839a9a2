use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::data::encode_png;
use crate::disk::{Outputs, files_below, make_folder, npy};
use crate::report::claims::ClaimsPage;
use crate::report::curves::curves_file;
use crate::report::gallery::gallery;
use crate::report::spell::file_stem;
use crate::theory::figure::{Content, Figure};
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

/// Writes `claims.json`, `claims.csv`, `index.html`, `figures/` and `arrays/` in place of those of an earlier run.
///
/// # Errors
/// An invalid image, or a file that cannot be written.
pub fn write(outputs: &Outputs, records: &[Record], page: &ClaimsPage<'_>) -> Result<()> {
    let [json, csv, html] = FILES.map(|name| outputs.folder().join(name));
    let text = serde_json::to_string_pretty(records).map_err(|error| Error::file(&json, error))?;
    let table = table(records).map_err(|error| Error::file(&csv, error))?;
    let files = [(json, format!("{text}\n").into_bytes()), (csv, table), (html, page.render()?.into_bytes())];
    // Complete before anything goes: if the disk is full, most likely for them.
    let drafts = files.iter().map(|(path, bytes)| outputs.filled(path, bytes)).collect::<Result<Vec<_>>>()?;
    outputs.replace_together(&[], &earlier(outputs)?)?;
    for (_, figure) in page.figures {
        write_figure(outputs, figure)?;
        write_arrays(outputs, figure)?;
    }
    outputs.replace_by_drafts(drafts, &[])
}

/// All files of an earlier run, the page first. Figures and arrays are too many to be replaced together, because each would be
/// an open file; so none of them stays beside new ones.
fn earlier(outputs: &Outputs) -> Result<Vec<PathBuf>> {
    let out = outputs.folder();
    let mut files: Vec<PathBuf> = FILES.iter().rev().map(|name| out.join(name)).collect();
    for folder in [FIGURES, ARRAYS] {
        files.extend(files_below(&out.join(folder))?);
    }
    files.retain(|path| path.is_file() && outputs.is_own(path).unwrap_or(false));
    Ok(files)
}

fn table(records: &[Record]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    records.iter().try_for_each(|record| writer.serialize(record))?;
    Ok(writer.into_inner()?)
}

/// `STEM.svg` for a chart, `STEM.png` for a gallery.
fn write_figure(outputs: &Outputs, figure: &Figure) -> Result<()> {
    let Figure { stem, title, .. } = figure;
    let path = |ending: &str| outputs.folder().join(FIGURES).join(format!("{stem}.{ending}"));
    match &figure.content {
        Content::Chart(chart) => outputs.write(&path("svg"), curves_file(title, chart).as_bytes()),
        Content::Gallery(rows) => {
            let sheet = gallery(rows).map_err(|error| error.within(format!("figure {stem}")))?;
            outputs.write(&path("png"), &encode_png(&sheet)?)
        }
    }
}

/// `[k, 2]` for each series, `[h, w]` for each image.
fn write_arrays(outputs: &Outputs, figure: &Figure) -> Result<()> {
    let folder = outputs.folder().join(ARRAYS).join(&figure.stem);
    let mut taken = HashSet::new();
    let mut write = |name: &str, shape: [usize; 2], values: &[f64]| {
        let stem = file_stem(name);
        let numbered = (1..).map(|number| if number == 1 { stem.clone() } else { format!("{stem}_{number}") });
        let free = numbered.into_iter().find(|name| taken.insert(name.clone())).unwrap_or(stem.clone());
        let path = folder.join(format!("{free}.npy"));
        let array = Array2::from_shape_vec(shape, values.to_vec()).map_err(|error| Error::file(&path, error))?;
        outputs.write(&path, &npy::encode(&array)?)
    };
    match &figure.content {
        Content::Chart(chart) => chart.series.iter().try_for_each(|series| {
            let values: Vec<f64> = series.points.iter().flat_map(|&(x, y)| [x, y]).collect();
            write(&series.name, [series.points.len(), 2], &values)
        }),
        Content::Gallery(rows) => {
            rows.iter().flat_map(|row| row.images.iter().map(move |image| (row, image))).try_for_each(|(row, image)| {
                let (height, width) = image.values.dim();
                let values: Vec<f64> = image.values.iter().copied().collect();
                write(&format!("{} {}", row.label, image.caption), [height, width], &values)
            })
        }
    }
}
