//! Several shards of one plan as one report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::execute::{VALIDATION_FOLDER, finished};
use super::plan::{Plan, PlannedRun, name};
use super::report::{RunReport, run_folder};
use crate::data::{make_folder, write_bytes};
use crate::disk::bounded;
use crate::error::{Error, Result};
use crate::run::{CHECKPOINT_FILE, MODEL_FILE, PREVIOUS_FILE};

/// Files of a run that the report does not need and a merge leaves where they are.
const LEFT: [&str; 3] = [MODEL_FILE, CHECKPOINT_FILE, PREVIOUS_FILE];

/// Shards that belong together and lack nothing.
pub struct Merge {
    plan: Plan,
    runs: Vec<RunReport>,
    /// The folder of the shard that made each run.
    owners: BTreeMap<PlannedRun, PathBuf>,
}

impl Merge {
    /// Reads the shards in these folders, to be joined in `out`. Nothing is written.
    ///
    /// # Errors
    /// `out` is one of the shards or holds another plan; a folder without a plan; shards of different plans or of other images,
    /// with the fields that differ; runs that two shards have, or that none has.
    pub fn new(shards: &[PathBuf], out: &Path) -> Result<Self> {
        let plans = shards.iter().map(|folder| Ok((folder, read_plan(folder)?))).collect::<Result<Vec<_>>>()?;
        let [(first, plan), others @ ..] = &plans[..] else { return Err(Error::argument("there is no shard to merge")) };
        let whole = Plan { shard: None, ..plan.clone() };
        check_output(shards, &whole, out)?;
        others.iter().try_for_each(|(folder, other)| check_alike((first, plan), (folder, other)))?;
        let owners = owners(&plans)?;
        let (mut runs, mut missing) = (Vec::with_capacity(plan.runs.len()), Vec::new());
        for run in &plan.runs {
            match owners.get(run).map(|folder| finished(plan, run, folder)).transpose()?.flatten() {
                Some(report) => runs.push(report),
                None => missing.push(name(run)),
            }
        }
        match missing.is_empty() {
            true => Ok(Self { plan: whole, runs, owners }),
            false => Err(Error::argument(format!(
                "{} of {} runs of the plan are missing: {}",
                missing.len(),
                plan.runs.len(),
                missing.join(", ")
            ))),
        }
    }

    /// Copies the folders of the runs and writes the plan into `out`, without weights, checkpoints and the images of the
    /// validation sets. The caller should hold the lock on `out`.
    ///
    /// # Errors
    /// A file that cannot be copied or written.
    pub fn write(self, out: &Path) -> Result<(Plan, Vec<RunReport>)> {
        for (run, folder) in &self.owners {
            copy(&run_folder(folder, &run.category, run.seed), &run_folder(out, &run.category, run.seed))?;
        }
        self.plan.write(out)?;
        Ok((self.plan, self.runs))
    }
}

fn read_plan(folder: &Path) -> Result<Plan> {
    let plan = Plan::read(folder)?;
    plan.ok_or_else(|| Error::file(folder, format!("is not the output of `reproduce`: it holds no {}", super::PLAN_FILE)))
}

/// Checks that `out` is not one of the shards and holds no other plan.
fn check_output(shards: &[PathBuf], whole: &Plan, out: &Path) -> Result<()> {
    let place = out.canonicalize().ok();
    if place.is_some() && shards.iter().any(|shard| shard.canonicalize().ok() == place) {
        return Err(Error::file(out, "is one of the shards; choose another --out for the merged report"));
    }
    Plan::read(out)?.map_or(Ok(()), |earlier| whole.check_continues(&earlier, out))
}

/// Checks that two shards are of the same plan.
fn check_alike((first, plan): (&Path, &Plan), (folder, other): (&Path, &Plan)) -> Result<()> {
    let (a, b) = (format!("in {}", first.display()), format!("in {}", folder.display()));
    let mut differences = plan.differences(other, [&a, &b])?;
    let lacking = |plan: &Plan, other: &Plan, of: &str| {
        let found: Vec<String> = other.runs.iter().filter(|run| !plan.runs.contains(run)).map(name).collect();
        (!found.is_empty()).then(|| format!("the plan {of} lacks {}", found.join(", ")))
    };
    differences.extend(lacking(plan, other, &a));
    differences.extend(lacking(other, plan, &b));
    match differences.is_empty() {
        true => Ok(()),
        false => Err(Error::argument(format!("shards of different plans cannot be merged: {}", differences.join("; ")))),
    }
}

/// The folder of the shard that makes each run.
fn owners(plans: &[(&PathBuf, Plan)]) -> Result<BTreeMap<PlannedRun, PathBuf>> {
    let mut owners: BTreeMap<PlannedRun, PathBuf> = BTreeMap::new();
    let mut twice = Vec::new();
    for (folder, plan) in plans {
        for run in plan.own_runs() {
            let words = name(&run);
            if let Some(other) = owners.insert(run, folder.to_path_buf()) {
                twice.push(format!("{words} in {} and in {}", other.display(), folder.display()));
            }
        }
    }
    match twice.is_empty() {
        true => Ok(owners),
        false => Err(Error::argument(format!("runs that two shards have cannot be merged: {}", twice.join("; ")))),
    }
}

/// Copies the folder of a run.
fn copy(from: &Path, to: &Path) -> Result<()> {
    make_folder(to)?;
    for entry in std::fs::read_dir(from).map_err(|error| Error::io(from, "cannot be listed", error))? {
        let path = entry.map_err(|error| Error::io(from, "cannot be listed", error))?.path();
        let name = path.file_name().unwrap_or_default();
        let is_left = LEFT.iter().any(|left| name == *left) || name.as_encoded_bytes().starts_with(b".");
        let is_image_set = from.ends_with(VALIDATION_FOLDER) && path.is_dir();
        if is_left || is_image_set {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            let bytes = bounded::read(&path, bounded::NUMBERS)?;
            write_bytes(&to.join(name), &bytes)?;
        }
    }
    Ok(())
}
