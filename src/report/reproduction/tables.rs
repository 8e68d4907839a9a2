//! The tables of the report: the comparison with published results, and every run.

use std::collections::BTreeMap;

use super::super::html::escape;
use super::published::Method;
use crate::run::reproduction::{CategoryReport, Report, RunReport, Spread};

/// The metrics beside published numbers, with their headings.
const COMPARED: [(&str, &str); 3] = [("image_auroc", "image AUROC"), ("pixel_auroc", "pixel AUROC"), ("au_pro", "AU-PRO")];

/// The metrics of the table of runs, with their headings.
const METRICS: [(&str, &str); 9] = [
    ("image_auroc", "image AUROC"),
    ("image_auroc_max", "image AUROC, maximum"),
    ("image_auroc_sum", "image AUROC, sum"),
    ("pixel_auroc", "pixel AUROC"),
    ("au_pro", "AU-PRO"),
    ("image_ap", "image AP"),
    ("pixel_ap", "pixel AP"),
    ("image_f1_max", "image F1-max"),
    ("pixel_f1_max", "pixel F1-max"),
];

/// The left end of the line of image AUROCs, in %: values below it are drawn there.
const LEFT: f64 = 50.0;

/// A dash where there is no number.
const NONE: &str = "–";

/// A fraction in %, as published tables have it.
pub(super) fn percent(value: f64) -> String {
    format!("{:.1}", 100.0 * value)
}

/// Mean and spread in %. A cell without a spread has an empty place for one if others of its column have one, so that the means
/// are in line.
fn spread(spread: Option<&Spread>, has_place: bool) -> String {
    let mean = spread.map_or(NONE.to_owned(), |spread| percent(spread.mean));
    match spread.and_then(|spread| spread.deviation) {
        Some(deviation) => format!("{mean} <small>±\u{a0}{}</small>", percent(deviation)),
        None if has_place => format!("{mean} <small></small>"),
        None => mean,
    }
}

/// Whether a category has a spread of a metric.
fn has_spread(report: &Report, name: &str) -> bool {
    report.categories.iter().any(|own| own.metrics.get(name).is_some_and(|spread| spread.deviation.is_some()))
}

/// A table in a box that scrolls sideways. Headings and cells are HTML; the first cell of a row is its heading.
fn table(class: &str, headings: &[String], body: &str) -> String {
    let headings: String = headings.iter().map(|heading| format!("<th scope=\"col\">{heading}</th>")).collect();
    format!("<div class=\"kinds {class}\"><table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
}

fn row(class: &str, cells: impl IntoIterator<Item = String>) -> String {
    let mut cells = cells.into_iter();
    let heading = cells.next().unwrap_or_default();
    let cells: String = cells.map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr{class}><th scope=\"row\">{heading}</th>{cells}</tr>\n")
}

/// The category, as a link to the gallery of its first seed if it has metrics: without a test set there is nothing to show.
fn link(category: &CategoryReport) -> String {
    let name = escape(&category.category.replace('_', " "));
    match category.seeds.first().filter(|_| !category.metrics.is_empty()) {
        Some(&seed) => format!("<a href=\"#{}\">{name}</a>", escape(&super::page::fragment(&category.category, seed))),
        None => name,
    }
}

/// Image and pixel AUROC of each category, with published image AUROC.
pub(super) fn beside(report: &Report, methods: &[Method]) -> String {
    let by_category: Vec<&Method> =
        methods.iter().filter(|method| !method.image.is_empty()).filter(|m| is_about(m, report)).collect();
    let heading = |method: &&Method| format!("{}{}", escape(&method.name), mark(method));
    let mut headings = vec!["category".to_owned()];
    headings.extend(COMPARED.map(|(_, heading)| heading.to_owned()));
    headings.extend(by_category.iter().map(heading));
    headings.push(format!("<span class=\"ends\"><span>{LEFT}</span><span>image AUROC</span><span>100</span></span>"));
    let own = |metrics: &BTreeMap<String, Spread>| COMPARED.map(|(name, _)| spread(metrics.get(name), has_spread(report, name)));
    let line = |category: &CategoryReport| {
        let published = by_category.iter().map(|method| number(method.image.get(&category.category).copied()));
        let plot = plot(category, &by_category);
        row("", [link(category)].into_iter().chain(own(&category.metrics)).chain(published).chain([plot]))
    };
    let mut body: String = report.categories.iter().map(line).collect();
    if report.categories.len() > 1 {
        let name = format!("mean of {} <small>± over categories</small>", report.categories.len());
        let means = by_category.iter().map(|method| number(mean_over(method, report)));
        let ours = COMPARED.map(|(name, _)| mean_cell(report, name));
        body += &row(" class=\"mean\"", [name].into_iter().chain(ours).chain(means).chain([String::new()]));
    }
    table("beside", &headings, &body)
}

/// The mean of a metric over the categories, with their number if some lack it.
fn mean_cell(report: &Report, name: &str) -> String {
    let mean = report.mean.get(name);
    match mean.map(|mean| mean.count).filter(|&count| count < report.categories.len()) {
        Some(count) => format!("{} <small class=\"of\">of {count}</small>", spread(mean, false)),
        None => spread(mean, has_spread(report, name)),
    }
}

/// Image AUROC on a line: a dot for the mean of the seeds on a bar from the lowest to the highest, and rings for published
/// numbers.
fn plot(category: &CategoryReport, methods: &[&Method]) -> String {
    let place = |percent: f64| (100.0 * (percent - LEFT) / (100.0 - LEFT)).clamp(0.0, 100.0);
    let ring = |method: &&Method| {
        let value = method.image.get(&category.category).copied()?;
        let (name, place) = (escape(&method.name), place(value));
        Some(format!("<i class=\"ring\" style=\"left:{place:.1}%\" title=\"{name} {value:.1}\"></i>"))
    };
    let rings: String = methods.iter().filter_map(ring).collect();
    let own = category.metrics.get("image_auroc").map(|own| {
        let [low, mean, high] = [own.min, own.mean, own.max].map(|value| place(100.0 * value));
        let bar = format!("<i class=\"bar\" style=\"left:{low:.1}%;width:{:.1}%\"></i>", high - low);
        format!("{bar}{rings}<i class=\"dot\" style=\"left:{mean:.1}%\" title=\"ours {}\"></i>", percent(own.mean))
    });
    format!("<span class=\"plot\">{}</span>", own.unwrap_or(rings))
}

/// Whether a method has a number for one of the categories.
fn is_about(method: &Method, report: &Report) -> bool {
    report.categories.iter().any(|category| method.image.contains_key(&category.category))
}

/// The mean of a method over the categories of the report; none if it lacks one of them.
fn mean_over(method: &Method, report: &Report) -> Option<f64> {
    let values: Option<Vec<f64>> = report.categories.iter().map(|own| method.image.get(&own.category).copied()).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
}

fn number(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.1}"))
}

/// A dagger for other data or another protocol.
fn mark(method: &Method) -> &'static str {
    if method.comparable { "" } else { "\u{a0}†" }
}

/// Every published method: its means, and what is different about it.
pub(super) fn methods(methods: &[Method]) -> String {
    let headings = ["method", "image", "pixel"].map(String::from);
    let line = |method: &Method| {
        let network = if method.pretrained { "pretrained on other images" } else { "trained from scratch" };
        let parts = [network, &method.data, &method.note];
        let about: Vec<String> = parts.iter().filter(|part| !part.is_empty()).map(|part| escape(part)).collect();
        let name = format!(
            "{}{}<small>{}.</small><small>{}. Numbers from: {}.</small>",
            escape(&method.name),
            mark(method),
            about.join("; "),
            escape(&method.source),
            escape(&method.checked)
        );
        row("", [name, number(method.mean.image), number(method.mean.pixel)])
    };
    table("methods", &headings, &methods.iter().map(line).collect::<String>())
}

/// Every run with its metrics in %.
pub(super) fn runs(report: &Report) -> String {
    let mut headings = ["category", "seed", "samples seen"].map(String::from).to_vec();
    headings.extend(METRICS.map(|(_, heading)| heading.to_owned()));
    headings.extend(["image AUROC on validation", "config"].map(String::from));
    let line = |run: &RunReport| {
        let value = |values: Option<&BTreeMap<String, f64>>, name: &str| {
            values.and_then(|values| values.get(name)).map_or(NONE.to_owned(), |&value| percent(value))
        };
        let mut cells = name(run).to_vec();
        cells.push(run.steps.saturating_mul(run.batch).to_string());
        cells.extend(METRICS.map(|(name, _)| value(Some(&run.metrics), name)));
        cells.push(value(run.validation.as_ref().map(|own| &own.metrics), "image_auroc"));
        cells.push(format!("<code>{}</code>", escape(&run.config_hash)));
        row("", cells)
    };
    table("runs", &headings, &report.runs.iter().map(line).collect::<String>())
}

/// The category and the seed of a run.
fn name(run: &RunReport) -> [String; 2] {
    [escape(&run.category.replace('_', " ")), run.seed.to_string()]
}

/// Every run with its verdicts at the image threshold, and the rate of false alarms beside the one to expect.
pub(super) fn verdicts(report: &Report) -> String {
    let headings = ["category", "seed", "defects found", "false alarms", "their rate", "rate to expect"].map(String::from);
    let line = |run: &RunReport| {
        let of = |count: Option<usize>, total: usize| count.map_or(NONE.to_owned(), |count| format!("{count} of {total}"));
        let threshold = run.image_threshold.as_ref();
        let verdicts = [
            of(run.verdicts.map(|own| own.found), run.images.anomalous),
            of(run.verdicts.map(|own| own.false_alarms), run.images.good),
            threshold.and_then(|own| own.false_alarms).map_or(NONE.to_owned(), |rate| rate.to_string()),
            threshold.and_then(|own| own.expected_false_alarms).map_or(NONE.to_owned(), |rate| rate.to_string()),
        ];
        row("", name(run).into_iter().chain(verdicts))
    };
    table("runs", &headings, &report.runs.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::super::document::is_balanced;
    use super::super::published::published;
    use super::*;
    use serde_json::{Value, json};

    /// A report of categories with these image AUROCs, one for each seed.
    fn report(categories: &[(&str, &[f64])]) -> Report {
        let spread = |values: &[f64]| json!({ "image_auroc": Spread::of(values) });
        let category = |&(name, values): &(&str, &[f64])| {
            let seeds: Vec<usize> = (0..values.len()).collect();
            json!({ "category": name, "seeds": seeds, "metrics": spread(values), "validation": {} })
        };
        let means: Vec<f64> = categories.iter().map(|(_, values)| values.iter().sum::<f64>() / values.len() as f64).collect();
        let all: Vec<Value> = categories.iter().map(category).collect();
        let origin = json!({ "version": "", "commit": "", "device": "", "precision": "", "base_config_hash": "" });
        let mut whole = json!({ "runs": [], "categories": all, "mean": spread(&means), "validation_mean": {} });
        whole.as_object_mut().unwrap().extend(origin.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    /// The cells of a row as text; tags become spaces.
    fn cells(table: &str, heading: &str) -> Vec<String> {
        let row = table.split("<tr").find(|row| row.contains(heading)).unwrap();
        let text = |cell: &str| {
            let inner = cell.split_once('>').unwrap().1;
            let words: String = inner.split('<').map(|part| part.rsplit('>').next().unwrap().to_owned() + " ").collect();
            words.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        row.split("<td").skip(1).map(|cell| text(&format!("td{cell}"))).collect()
    }

    #[test]
    fn a_mean_over_fewer_categories_says_so() {
        let mut report = report(&[("bottle", &[0.95]), ("carpet", &[1.0])]);
        report.mean.insert("pixel_auroc".into(), Spread::of(&[0.9]).unwrap());
        let table = beside(&report, &published().unwrap());
        assert!(!table.contains("<small></small>"), "no seed has a spread, so that nothing is kept free for one");
        let mean = cells(&table, "mean of 2");
        assert!(!mean[0].contains("of 2") && mean[1].contains("90.0") && mean[1].contains("of 1"), "{mean:?}");
    }

    #[test]
    fn published_numbers_stand_beside_ours_and_their_means_are_over_the_same_categories() {
        let report = report(&[("bottle", &[0.95, 0.97]), ("carpet", &[1.0])]);
        let table = beside(&report, &published().unwrap());
        assert!(is_balanced(&table));
        let [bottle, carpet, mean] = ["bottle", "carpet", "mean of 2"].map(|heading| cells(&table, heading));
        assert_eq!(bottle[..6], ["96.0 ± 1.4", "–", "–", "99.9", "97.7", "99.2"]);
        assert_eq!(carpet[..6], ["100.0", "–", "–", "84.2", "95.6", "97.0"]);
        // RIAD: (99.9 + 84.2) / 2 = 92.05, NSA: 96.65, DRAEM: 98.1. The digit after a 5 is that of the binary fraction.
        assert_eq!((&*mean[0], &*mean[5]), ("98.0 ± 2.8", "98.1"));
        assert!(["92.0", "92.1"].contains(&&*mean[3]) && ["96.6", "96.7"].contains(&&*mean[4]), "{mean:?}");
    }

    #[test]
    fn a_category_without_published_numbers_takes_the_means_away() {
        let table = beside(&report(&[("bottle", &[0.5]), ("<sock>", &[0.5])]), &published().unwrap());
        assert_eq!(cells(&table, "mean of 2")[3..6], ["–", "–", "–"]);
        assert!(table.contains("href=\"#gallery/%3Csock%3E/0\">&lt;sock&gt;</a>"), "{table}");
        let alone = beside(&report(&[("magnetic_tile", &[0.9])]), &published().unwrap());
        assert!(alone.contains("DifferNet\u{a0}†") && !alone.contains("RIAD") && !alone.contains("mean of"));
    }

    #[test]
    fn the_plot_runs_from_50_to_100_percent() {
        let report = report(&[("bottle", &[0.4, 0.9])]);
        let table = beside(&report, &published().unwrap());
        for part in ["bar\" style=\"left:0.0%;width:80.0%", "dot\" style=\"left:30.0%", "left:99.8%\" title=\"RIAD 99.9"] {
            assert!(table.contains(part), "{part}: {table}");
        }
    }

    #[test]
    fn every_published_method_is_listed_with_its_source() {
        let all = published().unwrap();
        let table = methods(&all);
        assert!(is_balanced(&table));
        assert!(all.iter().all(|method| table.contains(&escape(&method.source)) && table.contains(&escape(&method.note))));
        assert_eq!(table.matches('†').count(), all.iter().filter(|method| !method.comparable).count());
    }
}
