use std::collections::HashSet;
use std::path::Path;

use crate::data::{make_folder, replace_together, write_atomically, write_bytes, write_png};
use crate::disk::npy;
use crate::report::claims::ClaimsPage;
use crate::report::curves::curves_file;
use crate::report::gallery::gallery;
use crate::report::spell::file_stem;
use crate::theory::figure::{Content, Figure};
use crate::theory::record::Record;
use crate::{Error, Result};
use ndarray::Array2;

/// Creates the folders and checks that files can be created in them, before anything is measured; with `measured` for a run that can be resumed.
///
/// # Errors
/// A folder cannot be created, or no file can be created in it.
pub fn prepare(out: &Path, is_journaled: bool) -> Result<()> {
    let measured = is_journaled.then(|| out.join("measured"));
    for folder in [out, &out.join("figures"), &out.join("arrays")].into_iter().chain(measured.as_deref()) {
        make_folder(folder)?;
        let probe = tempfile::tempfile_in(folder);
        probe.map_err(|error| Error::io(folder, "no file can be made in this folder", error))?;
    }
    Ok(())
}

/// Writes `claims.json`, `claims.csv`, `index.html`, `figures/` and `arrays/`. Existing files with these names are replaced. The folder
/// must exist: [`prepare`].
///
/// # Errors
/// An invalid image, or a file that cannot be written.
pub fn write(out: &Path, records: &[Record], page: &ClaimsPage<'_>) -> Result<()> {
    let json = serde_json::to_string_pretty(records).map_err(|error| Error::file(out.join("claims.json"), error))?;
    // First, so that an old page never shows new figures.
    replace_together(&[], &[out.join("index.html")])?;
    write_bytes(&out.join("claims.json"), format!("{json}\n").as_bytes())?;
    write_table(&out.join("claims.csv"), records)?;
    for (_, figure) in page.figures {
        write_figure(&out.join("figures"), figure)?;
        write_arrays(&out.join("arrays").join(&figure.stem), figure)?;
    }
    write_bytes(&out.join("index.html"), page.render()?.as_bytes())
}

fn write_table(path: &Path, records: &[Record]) -> Result<()> {
    write_atomically(path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        records.iter().try_for_each(|record| writer.serialize(record))?;
        writer.flush()
    })
}

/// `STEM.svg` for a chart, `STEM.png` for a gallery.
fn write_figure(folder: &Path, figure: &Figure) -> Result<()> {
    let Figure { stem, title, .. } = figure;
    match &figure.content {
        Content::Chart(chart) => write_bytes(&folder.join(format!("{stem}.svg")), curves_file(title, chart).as_bytes()),
        Content::Gallery(rows) => {
            let sheet = gallery(rows).map_err(|error| error.within(format!("figure {stem}")))?;
            write_png(&folder.join(format!("{stem}.png")), &sheet)
        }
    }
}

/// `[k, 2]` for each series, `[h, w]` for each image.
fn write_arrays(folder: &Path, figure: &Figure) -> Result<()> {
    make_folder(folder)?;
    let mut taken = HashSet::new();
    let mut write = |name: &str, shape: [usize; 2], values: &[f64]| {
        let stem = file_stem(name);
        let numbered = (1..).map(|number| if number == 1 { stem.clone() } else { format!("{stem}_{number}") });
        let free = numbered.into_iter().find(|name| taken.insert(name.clone())).unwrap_or(stem.clone());
        let path = folder.join(format!("{free}.npy"));
        let array = Array2::from_shape_vec(shape, values.to_vec()).map_err(|error| Error::file(&path, error))?;
        npy::write(&path, &array)
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
