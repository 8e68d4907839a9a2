//! Runs side by side: tables for a terminal, and a page with their curves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::curves::curves;
use super::document::{document, header};
use super::html::escape;
use super::table::{Column, Screen, Table};
use crate::data::{GOOD, shown};
use crate::detect::ObservedRate;
use crate::error::Result;
use crate::run::{CONFIG_FILE, ComparedRun, METRICS_FILE, MODEL_FILE, RunResults, differing_keys};
use crate::theory::figure::{AxisSpec, Chart, Series};

/// Most runs: as many curves as a chart tells apart.
pub const MAX_RUNS: usize = 6;
const LETTERS: [&str; MAX_RUNS] = ["A", "B", "C", "D", "E", "F"];
/// The title of the last table.
const DIFFERING_KEYS: &str = "Keys of the config that differ";
/// Stands for what a run does not have.
const NONE: &str = "–";

/// The title of the table of differences.
const DIFFERENCES: &str = "Difference of the image AUROCs";
/// Stands between the ends of an interval, and nowhere else in a table.
const TO: &str = " to ";

/// What is said where there are intervals.
const INTERVALS: &str = "Intervals hold 95 %, over images like those of the test set: of an AUROC by DeLong's method, of rates by Clopper and Pearson. \
    They say nothing about other seeds.";
/// What is said of metrics without an interval.
const WITHOUT_INTERVAL: &str =
    "An AUROC of 1 has no interval, and pixel AUROC and AU-PRO have none, because metrics.json has no maps.";
/// What is said where a difference has an interval.
const OF_DIFFERENCES: &str = "A difference is of the image AUROCs on the same images, which its interval takes into account.";

/// Rows of text with a heading: the one form of all tables, in a terminal and on the page.
#[derive(Default)]
struct Rows {
    title: &'static str,
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A comparison, ready to be shown.
pub struct Comparison<'a> {
    runs: &'a [ComparedRun],
    tables: Vec<Rows>,
}

impl<'a> Comparison<'a> {
    /// Compares at most [`MAX_RUNS`] runs; the first is the one that others are compared with.
    ///
    /// # Errors
    /// A config that cannot be written as TOML.
    pub fn new(runs: &'a [ComparedRun]) -> Result<Self> {
        let has_results = runs.iter().any(|run| run.results.is_some());
        let tables = [if has_results { results(runs) } else { Rows::default() }, differences(runs), configs(runs)?];
        Ok(Self { runs, tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect() })
    }

    /// The tables for a terminal.
    pub fn text(&self, screen: Screen) -> String {
        let mut parts = Vec::new();
        for Rows { title, headings, rows } in &self.tables {
            let columns: Vec<Column> = headings.iter().map(Column::wrapped).collect();
            let mut table = Table::new(*title, columns);
            rows.iter().for_each(|row| table.row(row.clone()));
            parts.push(table.render(screen).trim_end().to_owned());
        }
        parts.join("\n\n")
    }

    /// What the numbers mean, and what cannot be compared.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.about_intervals().map(str::to_owned).collect();
        sentences.extend(same_folders(self.runs));
        sentences.extend(self.equal_configs());
        sentences.extend(lacking_results(self.runs));
        sentences.extend(self.runs.iter().zip(LETTERS).filter_map(doubt_about_weights));
        sentences.extend(lacking_config(self.runs));
        sentences.extend(protocols_differ(self.runs).then(|| {
            "The protocols of the results differ, so their numbers must not be compared without a thought: see `protocol` in each metrics.json.".to_owned()
        }));
        sentences
    }

    /// What is said of the intervals that the tables have, and of metrics without one.
    fn about_intervals(&self) -> impl Iterator<Item = &'static str> {
        let has_interval = |table: &Rows| table.rows.iter().flatten().any(|cell| cell.contains(TO));
        let with_interval = || self.tables.iter().filter(|table| table.title != DIFFERING_KEYS && has_interval(table));
        let has_metric = |own: &RunResults| own.image_auroc.or(own.pixel_auroc).is_some();
        [
            (with_interval().next().is_some(), INTERVALS),
            (self.runs.iter().filter_map(|run| run.results.as_ref()).any(has_metric), WITHOUT_INTERVAL),
            (with_interval().any(|table| table.title == DIFFERENCES), OF_DIFFERENCES),
        ]
        .into_iter()
        .filter_map(|(applies, sentence)| applies.then_some(sentence))
    }

    /// The runs whose configs have the same values, if these are all runs with a config and more than one.
    fn equal_configs(&self) -> Option<String> {
        let with_config = letters(self.runs, |run| run.config.is_some());
        let differ = self.tables.iter().any(|table| table.title == DIFFERING_KEYS);
        (with_config.len() > 1 && !differ).then(|| format!("{} have equal configs.", in_a_row(&with_config)))
    }

    /// `A folder` for each run.
    pub fn legend(&self) -> Vec<String> {
        self.runs.iter().zip(LETTERS).map(|(run, letter)| format!("{letter}  {}", shown(run.folder.as_os_str()))).collect()
    }

    /// An HTML page with the tables and the curves.
    pub fn page(&self) -> String {
        let list: String = self.legend().iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
        let tables: String = self.tables.iter().map(html).collect();
        let notes: String = self.sentences().iter().map(|text| format!("<p>{}</p>\n", escape(text))).collect();
        let notes = if notes.is_empty() { notes } else { format!("<section class=\"notes\">\n{notes}</section>\n") };
        let names: Vec<&str> = self.runs.iter().map(|run| name(&run.folder)).collect();
        let title = names.join(", ");
        let body = format!(
            "{}<ul class=\"runs\">\n{list}</ul>\n{tables}{notes}{}",
            header("Runs side by side", &title),
            self.charts().iter().map(|(title, chart)| section(title, &curves(title, chart))).collect::<String>()
        );
        document(&format!("Runs side by side: {title}"), STYLE, &body)
    }

    /// The curves that at least one run has.
    fn charts(&self) -> Vec<(&'static str, Chart)> {
        let chart = |y: AxisSpec, points: fn(&ComparedRun) -> &Vec<(f64, f64)>| {
            let own = self.runs.iter().zip(LETTERS).map(|(run, letter)| Series::line(letter, points(run).clone()));
            let series: Vec<Series> = own.filter(|series| !series.points.is_empty()).collect();
            (!series.is_empty()).then(|| Chart { x: AxisSpec::linear("step"), y, series })
        };
        let losses = chart(AxisSpec::log("loss"), |run| &run.losses).map(|chart| ("Training", chart));
        let scores = chart(AxisSpec::linear("image AUROC on held-out images with drawn defects"), |run| &run.validations);
        losses.into_iter().chain(scores.map(|chart| ("Validation", chart))).collect()
    }
}

/// Rules of this page beyond the shared ones.
const STYLE: &str = include_str!("comparison.css");

fn html(table: &Rows) -> String {
    let cells = |tag: &str, cells: &[String]| {
        // A difference of two letters stays in one line, also on a phone.
        let cell = |text: &String| format!("<{tag}>{}</{tag}>", escape(text).replace(" − ", "\u{a0}−\u{a0}"));
        format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
    };
    let rows: String = table.rows.iter().map(|row| cells("td", row)).collect();
    // Keys scroll only what can have the focus.
    let scroll = format!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">", escape(table.title));
    section(table.title, &format!("{scroll}<table>\n{}{rows}</table></div>", cells("th", &table.headings)))
}

fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{content}\n</section>\n", escape(title))
}

fn name(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or("run")
}

fn results(runs: &[ComparedRun]) -> Rows {
    let row = |(run, letter): (&ComparedRun, &str)| {
        let cells = run.results.as_ref().map_or_else(|| vec![NONE.to_owned(); 6], cells);
        [vec![marked(run, letter)], cells].concat()
    };
    Rows {
        title: "Results",
        headings: ["run", "step", "image AUROC", "pixel AUROC", "AU-PRO", "false alarms", "misses"].map(str::to_owned).into(),
        rows: runs.iter().zip(LETTERS).map(row).collect(),
    }
}

/// The row of a run's results, without its letter.
fn cells(own: &RunResults) -> Vec<String> {
    let threshold = own.image_threshold.as_ref();
    let none = || NONE.to_owned();
    let rate = |rate: Option<ObservedRate>| rate.map_or_else(none, in_words);
    let step = own.weights.as_ref().map(|weights| weights.steps.map_or_else(none, |steps| steps.to_string()));
    vec![
        step.unwrap_or_else(|| "unknown".to_owned()),
        own.image_auroc.map_or_else(none, |auroc| with_interval(auroc, own.placed().and_then(|placed| placed.interval()))),
        own.pixel_auroc.map_or_else(none, |value| format!("{value:.4}")),
        own.au_pro.map_or_else(none, |value| format!("{value:.4}")),
        rate(threshold.and_then(|own| own.false_alarms)),
        rate(threshold.and_then(|own| own.misses)),
    ]
}

/// The letter of a run, with a star if its results are of other weights than it has now.
fn marked(run: &ComparedRun, letter: &str) -> String {
    format!("{letter}{}", if run.is_outdated() { "*" } else { "" })
}

/// What must be known of the weights behind a run's results.
fn doubt_about_weights((run, letter): (&ComparedRun, &str)) -> Option<String> {
    let own = run.results.as_ref()?;
    let Some(measured) = &own.weights else {
        return Some(format!("The {METRICS_FILE} of {letter} does not say which weights it is of; they may be earlier ones."));
    };
    if run.is_outdated() {
        let now = run.steps_now().map_or_else(|| "an unknown step".to_owned(), |steps| format!("step {steps}"));
        let way = match &run.weights {
            Some(_) => {
                let folder = shown(run.folder.as_os_str());
                format!(
                    "the run now has other weights, of {now}: `evaluate --model {folder}/{MODEL_FILE} --out {folder}` with the test set measures these"
                )
            }
            None => format!("its config says {now}"),
        };
        return Some(format!("* The metrics of {letter} are of {}, and {way}.", measured.words()));
    }
    let (of_weights, of_config) = (measured.steps?, run.config.as_ref()?.train.steps);
    (of_weights != of_config).then(|| {
        format!("The weights of {letter}, and with them its metrics, are of step {of_weights}; its train.steps is {of_config}.")
    })
}

fn in_words(rate: ObservedRate) -> String {
    let [low, high] = rate.interval.map(|end| 100.0 * end);
    format!("{} of {} ({low:.1} to {high:.1} %)", rate.count, rate.of)
}

fn with_interval(value: f64, interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(|| format!("{value:.4}"), |[low, high]| format!("{value:.4} ({low:.4} to {high:.4})"))
}

/// Of every other run from the first one with results.
fn differences(runs: &[ComparedRun]) -> Rows {
    let mut with_results =
        runs.iter().zip(LETTERS).filter_map(|(run, letter)| Some((run.results.as_ref()?, marked(run, letter))));
    let first = with_results.next();
    let row = |(own, letter): (&RunResults, String)| {
        let (base, base_letter) = first.as_ref()?;
        let found = match own.image_auroc.zip(base.image_auroc) {
            _ if !own.has_same_images(base) => "other test images".to_owned(),
            None => "not defined".to_owned(),
            Some((auroc, of_base)) => match own.placed().zip(base.placed()).map(|(own, base)| own.difference(&base)) {
                Some(Some((difference, [low, high]))) => format!("{difference:+.4} ({low:+.4} to {high:+.4})"),
                Some(None) => format!("{:+.4} (no interval: {})", auroc - of_base, without_interval(own, base)),
                None => "unknown: no score in the file gives its AUROC".to_owned(),
            },
        };
        Some(vec![format!("{letter} − {base_letter}"), found])
    };
    Rows {
        title: DIFFERENCES,
        headings: ["runs", "difference"].map(str::to_owned).into(),
        rows: with_results.filter_map(row).collect(),
    }
}

/// Why a difference has no interval.
fn without_interval(own: &RunResults, base: &RunResults) -> &'static str {
    let digest = |results: &RunResults| results.weights.as_ref().map(|weights| weights.digest.clone());
    let good = own.images.iter().filter(|image| image.kind == GOOD).count();
    match good.min(own.images.len() - good) {
        _ if digest(own).is_some() && digest(own) == digest(base) => "the same weights",
        0 | 1 => "a single good image or a single defect",
        _ if own.image_auroc == base.image_auroc => "both rank the images alike",
        _ => "it is equal for all images",
    }
}

/// The letters of chosen runs.
fn letters(runs: &[ComparedRun], is_chosen: impl Fn(&ComparedRun) -> bool) -> Vec<&'static str> {
    runs.iter().zip(LETTERS).filter(|(run, _)| is_chosen(run)).map(|(_, letter)| letter).collect()
}

/// The runs whose settings are not known, in words.
fn lacking_config(runs: &[ComparedRun]) -> Option<String> {
    let (names, [has, its]) = listed(&letters(runs, |run| run.config.is_none()))?;
    Some(format!("{names} {has} no {CONFIG_FILE}, so {its} settings are not compared."))
}

/// The runs without results, in words.
fn lacking_results(runs: &[ComparedRun]) -> Option<String> {
    let (names, [has, its]) = listed(&letters(runs, |run| run.results.is_none()))?;
    Some(format!(
        "{names} {has} no {METRICS_FILE}, so {its} results are not known; `evaluate --out` with the folder of a run writes it."
    ))
}

/// The runs that are one folder given several times, in words.
fn same_folders(runs: &[ComparedRun]) -> Vec<String> {
    let mut folders: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    runs.iter().zip(LETTERS).for_each(|(run, letter)| folders.entry(run.real_folder()).or_default().push(letter));
    let several = folders.into_values().filter(|letters| letters.len() > 1);
    several.map(|letters| format!("{} are the same folder.", in_a_row(&letters))).collect()
}

/// `A, B and C`, with the words that follow; none without letters.
fn listed(letters: &[&str]) -> Option<(String, [&'static str; 2])> {
    let words = if letters.len() > 1 { ["have", "their"] } else { ["has", "its"] };
    (!letters.is_empty()).then(|| (in_a_row(letters), words))
}

/// `A, B and C`.
fn in_a_row(letters: &[&str]) -> String {
    match letters {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => letters.concat(),
    }
}

fn configs(runs: &[ComparedRun]) -> Result<Rows> {
    let rows = differing_keys(runs)?.into_iter().map(|(key, values)| [vec![key], values].concat());
    Ok(Rows {
        title: DIFFERING_KEYS,
        headings: ["key"].into_iter().chain(letters(runs, |run| run.config.is_some())).map(str::to_owned).collect(),
        rows: rows.collect(),
    })
}

/// Whether two runs have results by different protocols, apart from what belongs to the run itself: everything up to the scores
/// of images. The resolution of pixel metrics counts between runs that have some.
fn protocols_differ(runs: &[ComparedRun]) -> bool {
    let (mut heads, mut resolutions) = (BTreeSet::new(), BTreeSet::new());
    for own in runs.iter().filter_map(|run| run.results.as_ref()) {
        let parts = own.protocol.split("; ").take_while(|part| !part.starts_with("image score"));
        let is_of_pixels = |part: &&str| part.trim_start_matches("no ").starts_with("pixel metrics");
        let (of_pixels, head): (Vec<&str>, Vec<&str>) = parts.partition(is_of_pixels);
        heads.insert(head);
        resolutions.extend(own.pixel_auroc.map(|_| of_pixels));
    }
    heads.len() > 1 || resolutions.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Config;

    #[test]
    fn a_wide_table_shows_on_the_page_that_it_scrolls() {
        let run = |folder: &str, seed| ComparedRun {
            folder: folder.into(),
            config: Some(Config { seed, ..Config::default() }),
            losses: Vec::new(),
            validations: Vec::new(),
            results: None,
            weights: None,
        };
        let page = Comparison::new(&[run("one", 1), run("two", 2)]).unwrap().page();
        let table = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Keys of the config that differ\"><table>";
        assert!(page.contains(table), "{page}");
        for rule in
            ["/ 36px 100% no-repeat local", "/ 12px 100% no-repeat;", "position: sticky; left: 0; background: var(--paper)"]
        {
            assert!(page.contains(rule), "{rule}");
        }
    }

    #[test]
    fn a_difference_needs_both_image_aurocs() {
        let run = |about: &str| {
            let results = serde_json::from_str(&format!(r#"{{{about}"protocol": "", "images": []}}"#)).unwrap();
            ComparedRun {
                folder: "run".into(),
                config: None,
                losses: Vec::new(),
                validations: Vec::new(),
                results: Some(results),
                weights: None,
            }
        };
        let (with, without) = (|| run(r#""image_auroc": 0.75, "#), || run(""));
        for runs in [[with(), without()], [without(), with()], [without(), without()]] {
            assert_eq!(differences(&runs).rows, [["B − A", "not defined"]]);
        }
        assert!(differences(&[with(), with()]).rows[0][1].starts_with("unknown"));
    }

    /// A run of these scores with image AUROC `auroc`, of two good images and two defects unless some are left out.
    fn scored(auroc: f64, scores: &[f64], protocol: &str) -> ComparedRun {
        let kinds = [GOOD, "hole", "hole", GOOD];
        let image = |(number, score): (usize, &f64)| {
            format!(r#"{{"path": "{number}", "kind": "{}", "score_max": {score}, "score_sum": 0}}"#, kinds[number])
        };
        let images = scores.iter().enumerate().map(image).collect::<Vec<_>>().join(", ");
        let text = format!(r#"{{"image_auroc": {auroc}, "protocol": "{protocol}", "images": [{images}]}}"#);
        ComparedRun {
            folder: "run".into(),
            config: None,
            losses: Vec::new(),
            validations: Vec::new(),
            results: Some(serde_json::from_str(&text).unwrap()),
            weights: None,
        }
    }

    #[test]
    fn a_difference_without_an_interval_says_why_and_is_not_explained() {
        let mixed = || scored(0.75, &[1.0, 2.0, 4.0, 3.0], "");
        let found = |runs: [ComparedRun; 2]| {
            let explained = Comparison::new(&runs).unwrap().sentences().iter().any(|text| text == OF_DIFFERENCES);
            (differences(&runs).rows[0][1].clone(), explained)
        };
        assert_eq!(found([mixed(), mixed()]), ("+0.0000 (no interval: both rank the images alike)".to_owned(), false));
        let single = |auroc, good| scored(auroc, &[good, 2.0], "");
        let words = "+1.0000 (no interval: a single good image or a single defect)".to_owned();
        assert_eq!(found([single(0.0, 3.0), single(1.0, 1.0)]), (words, false));
        let (words, explained) = found([mixed(), scored(1.0, &[1.0, 3.0, 4.0, 2.0], "")]);
        assert!(words.starts_with("+0.2500 (-") && words.contains(TO) && explained, "{words}");
    }

    #[test]
    fn the_resolution_of_pixel_metrics_counts_where_there_are_some() {
        let run = |part: &str, pixel_auroc| {
            let mut own = scored(0.75, &[1.0, 2.0, 4.0, 3.0], &format!("category a; {part}; split test; image score max"));
            own.results.as_mut().unwrap().pixel_auroc = pixel_auroc;
            own
        };
        let native = |value| run("pixel metrics at native resolution", value);
        let (none, coarse) = (|| run("no pixel metrics", None), || run("pixel metrics at 16x16 resolution", Some(0.9)));
        assert!(!protocols_differ(&[native(Some(0.9)), none(), native(None)]));
        assert!(!protocols_differ(&[coarse(), native(None)]));
        assert!(protocols_differ(&[native(Some(0.9)), none(), coarse()]));
    }
}
