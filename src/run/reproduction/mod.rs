//! Many runs with one protocol: all categories of a dataset, several seeds, one report.

mod report;

pub use report::{
    COSTS_FILE, CategoryReport, GALLERY_FOLDER, ImageCounts, Origin, PAGE_FILE, REPORT_FILE, Report, RunReport, Spread,
    TABLES_FILE, Validation, Values, Verdicts, run_folder,
};
