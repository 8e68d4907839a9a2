//! All runs of a plan that one process makes.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::estimate::Estimate;
use super::execute::{Folders, Watcher, execute, finished};
use super::plan::{Plan, PlannedRun, Request};
use super::report::RunReport;
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::run::steps_within;

/// A plan, how far it is, and what is left to do.
pub struct Session {
    /// The plan, with the steps that a budget has chosen.
    pub plan: Plan,
    /// The runs of this process that are done.
    pub complete: Vec<PlannedRun>,
    /// Those that are not.
    pub todo: Vec<PlannedRun>,
    /// What the runs that are left cost.
    pub estimate: Estimate,
    folders: Folders,
}

/// How a session ended.
pub enum Ended {
    /// It was stopped while it trained.
    Stopped,
    /// Every run was made or has failed.
    Through {
        /// The results of all runs that are done.
        results: Vec<RunReport>,
        /// The runs that have failed.
        failed: Vec<PlannedRun>,
    },
}

impl Session {
    /// Continues the plan of an earlier process in the output folder, or begins one. With a budget the number of steps is chosen
    /// so that all trainings together take this time; a plan that was begun keeps its steps, however fast the machine is today.
    /// Writes nothing.
    ///
    /// # Errors
    /// A folder or category that does not exist, a config that is not valid; the folder holds runs of another plan or of other
    /// images; no run can be timed and there is a budget.
    pub fn open<B: Backend>(
        backend: &B,
        precision: &str,
        (request, budget): (&Request, Option<Duration>),
        folders: Folders,
    ) -> Result<Self> {
        let mut plan = Plan::new(request, backend.description(), precision)?;
        let earlier = Plan::read(&folders.out)?;
        let mut estimate = None;
        if let Some(budget) = budget {
            let steps = match &earlier {
                Some(earlier) => earlier.steps,
                None => {
                    let measured = Estimate::measure(backend, &plan, &plan.own_runs(), &folders)?;
                    let step_times = estimate.insert(measured).step_times.as_ref();
                    let refuse = |reason| Error::argument(format!("a budget needs a run that can be timed: {reason}"));
                    steps_within(budget, step_times.map_err(refuse)?)?
                }
            };
            plan = plan.with_budget(request, budget, steps)?;
        }
        earlier.map_or(Ok(()), |earlier| plan.check_continues(&earlier, &folders.out))?;
        let (mut complete, mut todo) = (Vec::new(), Vec::new());
        for run in plan.own_runs() {
            let is_done = finished(&plan, &run, &folders.out)?.is_some();
            if is_done { complete.push(run) } else { todo.push(run) }
        }
        let estimate = match estimate {
            Some(estimate) => estimate,
            None => Estimate::measure(backend, &plan, &todo, &folders)?,
        };
        Ok(Self { plan, complete, todo, estimate, folders })
    }

    /// Where images are read and results written.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// Writes the plan and makes the runs that are left. A run that fails is reported to `watcher`, and the others are made.
    /// Setting `stop` ends the session after the current step, with a checkpoint.
    ///
    /// # Errors
    /// A file cannot be written or read; an error of `watcher`.
    pub fn run<B: Backend>(&self, backend: &B, stop: &AtomicBool, watcher: &mut impl Watcher<B>) -> Result<Ended> {
        self.plan.write(&self.folders.out)?;
        let mut failed = Vec::new();
        for run in &self.todo {
            watcher.begins(run);
            match execute(backend, &self.plan, run, &self.folders, stop, watcher) {
                Ok(Some(report)) => watcher.done(&report, self.results()?)?,
                Ok(None) => return Ok(Ended::Stopped),
                Err(error) => {
                    watcher.failed(error);
                    failed.push(run.clone());
                }
            }
        }
        Ok(Ended::Through { results: self.results()?, failed })
    }

    /// The results of the runs that are done.
    fn results(&self) -> Result<Vec<RunReport>> {
        self.plan.own_runs().iter().filter_map(|run| finished(&self.plan, run, &self.folders.out).transpose()).collect()
    }
}
