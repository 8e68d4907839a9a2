use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Error;
use crate::report::claims::{self, ClaimsPage};
use crate::run::COMMIT;
use crate::theory::claim::{Claim, Effort, MAX_SEED, Setting};
use crate::theory::claims::{ALL, among};
use crate::theory::journal::Journal;
use crate::theory::record::{Record, Worst, records, worst_of_seeds};
use crate::theory::runner::{self, Outlook};
use anyhow::{Context, anyhow};
use clap::CommandFactory;
use clap::builder::StringValueParser;
use clap::error::ErrorKind;
use sha2::{Digest, Sha256};

use super::Arguments as Invocation;
use super::device::cpu;
use super::evidence;
use super::lists::Trimmed;
use super::numbers::whole;
use super::output::{note, print, say_json, screen};
use super::progress::ClaimProgress;
use super::signals::{NOTHING_MORE, leave, on_interrupt};

/// Arguments of `verify`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Claims, C1 to C16, separated by commas [default: all]
    #[arg(long, value_name = "CLAIM,...", value_delimiter = ',', value_parser = Trimmed(StringValueParser::new()))]
    claim: Vec<String>,
    /// Seed, an integer from 0 to 9007199254740991
    #[arg(long, default_value = "0", value_name = "S", value_parser = whole::<u64>(0..=MAX_SEED))]
    seed: u64,
    /// All claims in at most a minute on two cores (the default)
    #[arg(long)]
    quick: bool,
    /// More seeds, larger n, tighter tolerances: about 100 minutes on two cores, 3 of them without C9
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Print the statements without measuring anything
    #[arg(long, conflicts_with_all = ["out", "json"])]
    describe: bool,
    /// Folder for claims.json, claims.csv, index.html, figures/ and arrays/
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also replace files in the output folder that `verify` did not write
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Print the contents of claims.json instead of a table
    #[arg(long)]
    json: bool,
}

/// Where measurements are kept until all are made. They are used again only by this program file, with the same effort and
/// instructions.
fn journal(out: &Path, setting: &Setting) -> anyhow::Result<Journal> {
    let program = std::env::current_exe().and_then(std::fs::read).context("cannot read the program file")?;
    let digest = Sha256::digest(&program);
    let program: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(Journal::new(&out.join("measured"), format!("{program} {:?} {:?}", setting.effort(), setting.cpu()?.isa())))
}

/// What will be measured, and how long it takes.
fn plan(chosen: &[&'static Claim], setting: &Setting, journal: Option<&Journal>) -> String {
    let cores = rayon::current_num_threads();
    let Outlook { findings, known, seconds } = runner::outlook(chosen, setting, journal, cores);
    let before = if known > 0 { format!(", {known} of them made before") } else { String::new() };
    let time = if seconds < 90.0 { format!("{seconds:.0} seconds") } else { format!("{:.0} minutes", (seconds / 60.0).ceil()) };
    let then = match journal {
        Some(_) => "if interrupted, the same command with the same program file goes on",
        None => "with --out it can be interrupted and resumed",
    };
    let unusable = match journal.map_or(0, Journal::unusable) {
        0 => String::new(),
        count => format!("; {count} of another program file or other instructions in the folder are not used"),
    };
    let cores = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    format!("claims: {}, measurements: {findings}{before}{unusable}; about {time} on {cores}; {then}", chosen.len())
}

/// Ends the program as the parser does where a value is wrong.
fn misused(error: &Error) -> ! {
    Invocation::command().error(ErrorKind::InvalidValue, error).exit()
}

/// Measures claims. The error lists the checks that fail and the controls that pass.
pub fn run(arguments: &Arguments, own: &[&'static Claim]) -> anyhow::Result<()> {
    let known: Vec<&'static Claim> = ALL.iter().chain(own).copied().collect();
    // An unknown claim is wrong usage, as any value that the parser refuses.
    let chosen = among(&known, &arguments.claim).unwrap_or_else(|error| misused(&error));
    if arguments.describe {
        let statements: Vec<String> = chosen.iter().map(|claim| claims::statement(claim, screen().columns.min(100))).collect();
        return print(statements.join("\n"));
    }
    let is_kept = arguments.full && arguments.out.is_some();
    // The measurements in `DIR/measured` are used by the next run.
    let line = if is_kept { "interrupted; the same command goes on" } else { NOTHING_MORE };
    on_interrupt(move || leave(line, || ()))?;
    let prepare = |out: &PathBuf| evidence::prepare(out, arguments.full, arguments.overwrite);
    let outputs = arguments.out.as_ref().map(prepare).transpose()?;
    let start = Instant::now();
    let effort = if arguments.full { Effort::Full } else { Effort::Quick };
    let setting = Setting::new(arguments.seed, effort)?.on(&cpu()?);
    let journal = arguments.out.as_deref().filter(|_| arguments.full).map(|out| journal(out, &setting)).transpose()?;
    if arguments.full {
        note(plan(&chosen, &setting, journal.as_ref()));
    }
    let progress = ClaimProgress::new(runner::count(&chosen, &setting));
    let findings = runner::resume(&chosen, &setting, journal.as_ref(), |finding| progress.found(finding));
    progress.finish();
    let (findings, wall) = (findings?, start.elapsed());
    let records = records(&findings);
    let checks = worst_of_seeds(&records);
    if let Some(outputs) = &outputs {
        let version = format!("{} commit {COMMIT}", env!("CARGO_PKG_VERSION"));
        let figures = runner::figures(&findings)?;
        let page = ClaimsPage { findings: &findings, checks: &checks, figures: &figures, setting: &setting, wall, version };
        evidence::write(outputs, &records, &page)?;
    }
    if let Some(journal) = journal {
        journal.clear(&findings);
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
        return say_json(records);
    }
    print(format_args!("{}\n{summary}\n", claims::table(checks, screen())))
}
