use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, anyhow};
use orthoscope::Result;
use orthoscope::report::claims::{self, ClaimsPage};
use orthoscope::run::COMMIT;
use orthoscope::theory::claim::{Effort, MAX_SEED, Setting};
use orthoscope::theory::claims::find;
use orthoscope::theory::record::{Record, Worst, records, worst_of_seeds};
use orthoscope::theory::runner;

use super::device::cpu;
use super::evidence;
use super::output::{note, print, say, screen};
use super::progress::ClaimProgress;

/// Arguments of `verify`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Claims, C1 to C11, separated by commas [default: all]
    #[arg(long, value_name = "CLAIM,...", value_delimiter = ',', value_parser = known)]
    claim: Vec<&'static str>,
    /// Seed, an integer from 0 to 9007199254740991
    #[arg(long, default_value = "0", value_name = "S", value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
    /// All claims in at most a minute on two cores (the default)
    #[arg(long)]
    quick: bool,
    /// More seeds, larger n, tighter tolerances
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Print the statements without measuring anything
    #[arg(long, conflicts_with_all = ["out", "json"])]
    describe: bool,
    /// Folder for claims.json, claims.csv, index.html, figures/ and arrays/; existing files with these names are replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the contents of claims.json instead of a table
    #[arg(long)]
    json: bool,
}

/// The id of a claim, in upper or lower case.
fn known(name: &str) -> Result<&'static str> {
    find(&[name.trim()]).map(|claims| claims.first().map_or("", |claim| claim.id))
}

fn seed(text: &str) -> anyhow::Result<u64> {
    let seed: i128 = text.parse()?;
    let seed = u64::try_from(seed).map_err(|_| anyhow!("the seed must be 0 to {MAX_SEED}, got {seed}"))?;
    Setting::new(seed, Effort::Quick)?;
    Ok(seed)
}

/// Exits at once: files are only written after all measurements, and each of them atomically.
fn interrupted() {
    note("interrupted; nothing more is written");
    std::process::exit(i32::from(super::output::INTERRUPTED));
}

/// Measures claims. The error lists the checks that fail and the controls that pass.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let chosen = find(&arguments.claim)?;
    if arguments.describe {
        let statements: Vec<String> = chosen.iter().map(|claim| claims::statement(claim, screen().columns.min(100))).collect();
        return print(statements.join("\n"));
    }
    ctrlc::set_handler(interrupted).context("cannot listen for Ctrl-C")?;
    if let Some(out) = &arguments.out {
        evidence::prepare(out)?;
    }
    let start = Instant::now();
    let effort = if arguments.full { Effort::Full } else { Effort::Quick };
    let setting = Setting::new(arguments.seed, effort)?.on(&cpu()?);
    let progress = ClaimProgress::new(runner::count(&chosen, &setting));
    let findings = runner::run(&chosen, &setting, |finding| progress.found(finding));
    progress.finish();
    let (findings, wall) = (findings?, start.elapsed());
    let records = records(&findings);
    let checks = worst_of_seeds(&records);
    if let Some(out) = &arguments.out {
        let version = format!("{} commit {COMMIT}", env!("CARGO_PKG_VERSION"));
        let figures = runner::figures(&findings)?;
        let page = ClaimsPage { findings: &findings, checks: &checks, figures: &figures, setting: &setting, wall, version };
        evidence::write(out, &records, &page)?;
    }
    // Faults are reported even if the reader closes the pipe before the end of the table.
    let shown = show(arguments.json, &records, &checks, claims::summary(&findings, &checks, wall));
    match claims::complaint(&findings, &checks) {
        Some(sentence) => Err(anyhow!(sentence)),
        None => shown,
    }
}

fn show(as_json: bool, records: &[Record], checks: &[Worst], summary: String) -> anyhow::Result<()> {
    if as_json {
        return say(serde_json::to_string_pretty(records)?);
    }
    print(format_args!("{}\n{summary}\n", claims::table(checks, screen())))
}
