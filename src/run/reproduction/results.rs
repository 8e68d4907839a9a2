//! The files of a report that are not its page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::cost::Cost;
use super::json::json_file;
use super::plan::Plan;
use super::report::{COSTS_FILE, REPORT_FILE, Report, RunReport, TABLES_FILE, Values, run_folder};
use crate::error::{Error, Result};

/// Paths and contents of files that are not written yet.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// The report of those runs of a plan that are done, with paths and contents of `report.json`, `tables.csv` and `costs.csv` in
/// `out`.
///
/// # Errors
/// The cost of a run cannot be read.
pub fn result_files(out: &Path, plan: &Plan, runs: Vec<RunReport>) -> Result<(Report, Files)> {
    let report = Report::new(plan.origin.clone(), &plan.own_runs(), runs);
    let files = vec![
        json_file(out.join(REPORT_FILE), &report)?,
        table_file(out.join(TABLES_FILE), table(&report))?,
        table_file(out.join(COSTS_FILE), costs(out, &report)?)?,
    ];
    Ok((report, files))
}

/// One row for each run, with an empty cell where a metric is not defined.
fn table(report: &Report) -> Vec<Vec<String>> {
    let validation = |run: &RunReport| run.validation.as_ref().map(|own| own.metrics.clone()).unwrap_or_default();
    let names =
        |values: fn(&RunReport) -> Values| report.runs.iter().flat_map(|run| values(run).into_keys()).collect::<BTreeSet<_>>();
    let measured = names(|run| run.metrics.clone());
    let validated: BTreeSet<String> = report.runs.iter().flat_map(|run| validation(run).into_keys()).collect();
    let fixed = ["category", "seed", "config_hash", "steps", "train", "held_out", "good", "anomalous", "found", "false_alarms"];
    let prefixed = validated.iter().map(|name| format!("validation_{name}"));
    let heading = fixed.map(str::to_owned).into_iter().chain(measured.iter().cloned()).chain(prefixed).collect();
    let cell = |values: &Values, name: &String| values.get(name).map_or_else(String::new, f64::to_string);
    let row = |run: &RunReport| {
        let (images, own_validation) = (run.images, validation(run));
        let count = |of: fn(&super::Verdicts) -> usize| run.verdicts.as_ref().map_or_else(String::new, |own| of(own).to_string());
        let counts = [images.train, images.held_out, images.good, images.anomalous].map(|count| count.to_string());
        [run.category.clone(), run.seed.to_string(), run.config_hash.clone(), run.steps.to_string()]
            .into_iter()
            .chain(counts)
            .chain([count(|own| own.found), count(|own| own.false_alarms)])
            .chain(measured.iter().map(|name| cell(&run.metrics, name)))
            .chain(validated.iter().map(|name| cell(&own_validation, name)))
            .collect()
    };
    [heading].into_iter().chain(report.runs.iter().map(row)).collect()
}

fn costs(out: &Path, report: &Report) -> Result<Vec<Vec<String>>> {
    let heading = ["category", "seed", "steps", "attempts", "wall_seconds", "cpu_seconds", "peak_bytes"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for run in &report.runs {
        let cost = Cost::read(&run_folder(out, &run.category, run.seed))?;
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        rows.push(vec![
            run.category.clone(),
            run.seed.to_string(),
            run.steps.to_string(),
            cost.attempts.to_string(),
            format!("{:.1}", cost.wall_seconds),
            number(cost.cpu_seconds),
            cost.peak_bytes.map_or_else(String::new, |bytes| bytes.to_string()),
        ]);
    }
    Ok(rows)
}

fn table_file(path: PathBuf, rows: Vec<Vec<String>>) -> Result<(PathBuf, Vec<u8>)> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| Error::file(&path, error))?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::file(&path, error))?;
    Ok((path, bytes))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{origin, run};
    use super::*;

    #[test]
    fn a_metric_that_a_run_lacks_is_an_empty_cell() {
        let runs = vec![run("b", 1, &[("pixel_auroc", 0.5)]), run("a", 0, &[("image_auroc", 0.25)])];
        let rows = table(&Report::new(origin(), &[], runs));
        let columns = |row: usize| {
            let named = rows[0].iter().zip(&rows[row]).filter(|(name, _)| name.ends_with("_auroc"));
            named.map(|(_, cell)| cell.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(columns(0), ["image_auroc", "pixel_auroc", "validation_image_auroc", "validation_pixel_auroc"]);
        assert_eq!(columns(1), ["0.25", "", "0.25", ""]);
        assert_eq!(columns(2), ["", "0.5", "", "0.5"]);
        assert_eq!(rows[1][..10], ["a", "0", "000000000000", "4", "5", "1", "3", "5", "2", "1"]);
    }
}
