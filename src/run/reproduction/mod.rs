//! Many runs with one protocol: all categories of a dataset, several seeds, one report.

mod configs;
mod cost;
mod estimate;
mod execute;
mod json;
mod merge;
mod notes;
mod plan;
mod preview;
mod report;
mod results;
mod session;
mod shard;

pub use configs::Configs;
pub use cost::{COST_FILE, Cost};
pub use estimate::Estimate;
pub use execute::{Folders, RUN_FILE, VALIDATION_FOLDER, Watcher, execute, finished};
pub use merge::Merge;
pub use plan::{CategoryConfig, PLAN_FILE, Plan, PlannedRun, Request, categories};
pub use preview::Preview;
pub use report::{
    COSTS_FILE, CategoryReport, GALLERY_FOLDER, Origin, PAGE_FILE, REPORT_FILE, Report, RunReport, Spread, TABLES_FILE,
    Validation, Values, Verdicts, run_folder,
};
pub use results::result_files;
pub use session::{Ended, Session};
pub use shard::Shard;

#[cfg(test)]
pub(crate) use report::tests;
