//! `compare`: runs side by side.

use std::path::PathBuf;

use crate::disk::{Outputs, check_output_folder};
use crate::report::comparison::{Comparison, MAX_RUNS};
use crate::report::wrap::wrap;
use crate::run::ComparedRun;
use anyhow::ensure;

use super::output::{print, say, screen};

/// The page.
const PAGE: &str = "index.html";

/// Arguments of `compare`.
#[derive(clap::Args)]
#[command(
    after_help = "Of each folder config.toml, log.jsonl and metrics.json are used, whichever are there: `evaluate --out RUN` puts the \
    results beside the run. Image AUROCs have 95 % intervals, and so have their differences from the first run on the same images."
)]
pub struct Arguments {
    /// Folders of two to six runs
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// Also write index.html, with the curves of loss and validation, into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also replace an index.html in the output folder that `compare` did not write
    #[arg(long, requires = "out")]
    overwrite: bool,
}

/// Compares runs.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(arguments.runs.len() <= MAX_RUNS, "at most {MAX_RUNS} runs can be compared, got {}", arguments.runs.len());
    let outputs = arguments.out.as_ref().map(|out| {
        check_output_folder(out)?;
        let outputs = Outputs::new(out, "compare", arguments.overwrite)?;
        outputs.check(&out.join(PAGE)).map(|()| outputs)
    });
    let outputs = outputs.transpose()?;
    let runs = arguments.runs.iter().map(|folder| ComparedRun::read(folder)).collect::<crate::Result<Vec<_>>>()?;
    let comparison = Comparison::new(&runs)?;
    comparison.legend().iter().try_for_each(say)?;
    print(format_args!("\n{}\n\n", comparison.text(screen())))?;
    comparison.sentences().iter().flat_map(|text| wrap(text, screen().columns)).try_for_each(say)?;
    if let Some(outputs) = outputs {
        let path = outputs.folder().join(PAGE);
        outputs.write(&path, comparison.page().as_bytes())?;
        say(format_args!("wrote {}", path.display()))?;
    }
    Ok(())
}
