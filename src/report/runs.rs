//! The plan and the results of a reproduction as tables.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Column, Screen, Table};
use super::wrap::wrap;
use crate::run::reproduction::{CategoryReport, Plan, PlannedRun, Report, Spread};

/// The columns of a table of results: heading, name of the metric, whether it is one of the validation set.
const METRICS: [(&str, &str, bool); 5] = [
    ("image AUROC", "image_auroc", false),
    ("pixel AUROC", "pixel_auroc", false),
    ("AU-PRO", "au_pro", false),
    ("validation image", "image_auroc", true),
    ("validation pixel", "pixel_auroc", true),
];

/// What ± stands for under a table of results.
const SPREAD: &str = "± is the standard deviation: over the categories in the row of their mean, over the seeds in the others.";

/// Decimals of a metric.
const DECIMALS: usize = 3;

/// The plan as a table for a terminal, one row for each category. `done` are the runs that are done already.
pub fn plan_table(plan: &Plan, done: &[PlannedRun], screen: Screen) -> String {
    let columns = [
        Column::text("category"),
        Column::text("config"),
        Column::text("seeds"),
        Column::number("steps"),
        Column::number("done"),
    ];
    let mut table = Table::new("", columns);
    let own = plan.own_runs();
    for category in own.iter().map(|run| &run.category).collect::<BTreeSet<_>>() {
        let seeds: Vec<String> = own.iter().filter(|run| run.category == *category).map(|run| run.seed.to_string()).collect();
        let config = if plan.has_own_config(category) { "base and its own" } else { "base alone: it has no config of its own" };
        let finished = done.iter().filter(|run| run.category == *category).count();
        table.row([
            category.clone(),
            config.to_owned(),
            seeds.join(" "),
            plan.steps.to_string(),
            format!("{finished} of {}", seeds.len()),
        ]);
    }
    table.render(screen)
}

/// The results as a table for a terminal, one row for each category and their mean.
pub fn result_table(report: &Report, screen: Screen) -> String {
    let columns =
        [Column::text("category"), Column::number("seeds")].into_iter().chain(METRICS.map(|(name, ..)| Column::number(name)));
    let mut table = Table::new("", columns.collect::<Vec<_>>());
    for category in &report.categories {
        table.row(category_row(category));
    }
    if !report.categories.is_empty() {
        table.summary(mean_row(report));
    }
    let mut text = table.render(screen);
    if text.contains('±') {
        text += &(wrap(SPREAD, screen.columns).join("\n") + "\n");
    }
    text
}

fn category_row(category: &CategoryReport) -> Vec<String> {
    let seeds = category.seeds.len().to_string();
    [category.category.clone(), seeds].into_iter().chain(cells(&category.metrics, &category.validation, value)).collect()
}

fn mean_row(report: &Report) -> Vec<String> {
    let all = report.categories.len();
    let mean =
        |spread: &Spread| if spread.count < all { format!("{} of {}", value(spread), spread.count) } else { value(spread) };
    let cells = cells(&report.mean, &report.validation_mean, mean);
    ["mean".to_owned(), String::new()].into_iter().chain(cells).collect()
}

fn cells(
    metrics: &BTreeMap<String, Spread>,
    validation: &BTreeMap<String, Spread>,
    words: impl Fn(&Spread) -> String,
) -> impl Iterator<Item = String> {
    METRICS
        .map(|(_, name, of_validation)| if of_validation { validation.get(name) } else { metrics.get(name) }.map(&words))
        .into_iter()
        .map(Option::unwrap_or_default)
}

/// e.g. `0.981 ± 0.004`.
fn value(spread: &Spread) -> String {
    let mean = format!("{:.DECIMALS$}", spread.mean);
    spread.deviation.map_or_else(|| mean.clone(), |deviation| format!("{mean} ± {deviation:.DECIMALS$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::reproduction::tests::{origin, run};

    fn report() -> Report {
        let mut runs =
            vec![run("a", 0, &[("image_auroc", 0.5)]), run("a", 1, &[("image_auroc", 0.75)]), run("<b>", 0, &[("au_pro", 1.0)])];
        runs[2].validation = None;
        Report::new(origin(), &[], runs)
    }

    #[test]
    fn results_are_means_with_their_spread_and_empty_where_undefined() {
        let table = result_table(&report(), Screen { columns: 120, colour: false });
        assert!(table.contains("0.625 ± 0.177"), "{table}");
        let of_b: Vec<&str> = table.lines().find(|line| line.contains("<b>")).unwrap().split_whitespace().collect();
        assert_eq!(of_b, ["<b>", "1", "1.000"]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[lines.len() - 2].starts_with("mean") && lines[lines.len() - 1] == SPREAD, "{table}");
    }
}
