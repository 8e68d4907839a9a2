//! `index.html` of a reproduction.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::super::document::{card, document, facts, header};
use super::super::html::escape;
use super::gallery::GALLERY_FILE;
use super::published::{Method, published};
use super::tables;
use crate::error::Result;
use crate::run::reproduction::{CategoryReport, GALLERY_FOLDER, PAGE_FILE, Report, RunReport, run_folder};

const STYLE: &str = concat!(include_str!("../results.css"), include_str!("page.css"));
const GALLERY: &str = include_str!("gallery.html");
const CITATION: &str = include_str!("../citation.html");
const COUNTING: &str = include_str!("counting.js");
const VIEWER: &str = include_str!("viewer.js");
const THEME: &str = include_str!("theme.js");
const TITLE: &str = "Reproduction";
const SUBTITLE: &str = "Self-supervised autoencoders on every category and seed, compared with published numbers";

/// What a protocol line says about each thing that the paper does not do.
const DEPARTURE: &str = "not in the paper";

/// Path and content of `index.html` in `out`, the folder of the report. The page needs the galleries of the runs, which lie below
/// it as [`record`](super::gallery::record) wrote them, and nothing else; a run without a gallery is listed without one. The
/// bytes depend on the report and on which galleries exist.
///
/// # Errors
/// None that can occur: the published numbers are part of the program.
pub fn file(report: &Report, out: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let has_gallery =
        |run: &RunReport| run_folder(out, &run.category, run.seed).join(GALLERY_FOLDER).join(GALLERY_FILE).is_file();
    let page = render(report, &published()?, has_gallery);
    Ok((out.join(PAGE_FILE), page.into_bytes()))
}

/// The part of an address after `#` that opens a run.
pub(super) fn fragment(category: &str, seed: u64) -> String {
    format!("gallery/{}/{seed}", encoded(category))
}

fn render(report: &Report, methods: &[Method], has_gallery: impl Fn(&RunReport) -> bool) -> String {
    let body = [
        THEME_BUTTON.to_owned(),
        header(TITLE, SUBTITLE),
        results(report, methods),
        gallery(report, has_gallery),
        departures(report),
        runs(report),
        others(methods),
        CITATION.to_owned(),
    ];
    let scripts = [THEME, COUNTING, VIEWER].map(|script| format!("<script>\n{script}</script>\n")).concat();
    document(TITLE, STYLE, &(body.concat() + &scripts))
}

const THEME_BUTTON: &str = "<button id=\"theme\" class=\"theme\" hidden>Dark</button>\n";

/// Means as cards, the comparison with published numbers, and what the comparison is worth.
fn results(report: &Report, methods: &[Method]) -> String {
    let mean = |name: &str| report.mean.get(name).map(|spread| tables::percent(spread.mean));
    let over = |name: &str| {
        let having = report.mean.get(name).map_or(0, |spread| spread.count);
        format!("mean over {}, in\u{a0}%", count(having, "category", "categories"))
    };
    let cards = [("image AUROC", "image_auroc"), ("pixel AUROC", "pixel_auroc"), ("AU-PRO", "au_pro")];
    let cards: String = cards.iter().filter_map(|(label, name)| Some(card(label, &mean(name)?, &over(name)))).collect();
    let (done, missing) = (report.runs.len(), report.missing.len());
    let number = if missing == 0 { done.to_string() } else { format!("{done} of\u{a0}{}", done + missing) };
    let runs = card("runs", &number, &format!("trainings, {}", seeds(report)));
    let origin = &report.origin;
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let about = [
        fact("orthoscope", &format!("{} commit {}", origin.version, origin.commit)),
        fact("device", &origin.device),
        fact("precision", &origin.precision),
        fact("base config", &origin.base_config_hash),
    ];
    format!(
        "<section>\n<h2>Results</h2>\n<dl class=\"cards\">\n{cards}{runs}</dl>\n{}{}</section>\n\
         <section>\n<h2>Compared with published numbers</h2>\n<p class=\"note\">AUROC and AU-PRO in\u{a0}%. Ours: mean ± standard deviation over seeds. \
         The columns of other methods are their published image AUROC. On the line: ● ours, from the lowest to the highest seed; ○ published.</p>\n{}{}</section>\n",
        missing_runs(report),
        facts(&about),
        tables::beside(report, methods),
        worth(report)
    )
}

/// Names the runs without which the means are incomplete.
fn missing_runs(report: &Report) -> String {
    if report.missing.is_empty() {
        return String::new();
    }
    let names: Vec<String> =
        report.missing.iter().map(|run| format!("{} seed\u{a0}{}", escape(&run.category), run.seed)).collect();
    format!(
        "<p class=\"missing\"><strong>Incomplete.</strong> These runs have failed or are not done, and no mean contains them: {}.</p>\n",
        names.join(", ")
    )
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn seeds(report: &Report) -> String {
    let most = report.categories.iter().map(|category| category.seeds.len()).max().unwrap_or(0);
    format!("up to {} for each category", count(most, "seed", "seeds"))
}

/// What must be known before two numbers of the table are compared.
fn worth(report: &Report) -> String {
    let mut points = vec![
        "Published numbers are for the official images of MVTec AD. A folder of images does not say whether they are the official ones: in a copy \
         of another size, or with another split, the data differ even where the category has the same name."
            .to_owned(),
        "Ours: all images of the folder test, pixel metrics at the size of the images, weights of the last step, thresholds from held-out normal \
         images. The program chooses nothing on test images, except the threshold of F1-max. How the config was chosen is not part of this page."
            .to_owned(),
        "† other data or another protocol; the table of methods says which.".to_owned(),
    ];
    let unknown: Vec<&str> =
        report.categories.iter().map(|own| own.category.as_str()).filter(|name| !is_of_mvtec(name)).collect();
    if !unknown.is_empty() {
        points.push(format!("Not a category of MVTec AD, so most methods have no number for it: {}.", unknown.join(", ")));
    }
    list(&points)
}

fn is_of_mvtec(category: &str) -> bool {
    const CATEGORIES: [&str; 15] = [
        "bottle",
        "cable",
        "capsule",
        "carpet",
        "grid",
        "hazelnut",
        "leather",
        "metal_nut",
        "pill",
        "screw",
        "tile",
        "toothbrush",
        "transistor",
        "wood",
        "zipper",
    ];
    CATEGORIES.contains(&category)
}

fn list(points: &[String]) -> String {
    let points: String = points.iter().map(|point| format!("<li>{}</li>\n", escape(point))).collect();
    format!("<ul class=\"points\">\n{points}</ul>\n")
}

fn gallery(report: &Report, has_gallery: impl Fn(&RunReport) -> bool) -> String {
    let option = |run: &RunReport| {
        let file = format!("{}/seed-{}/{GALLERY_FOLDER}/{GALLERY_FILE}", encoded(&run.category), run.seed);
        let auroc = run.metrics.get("image_auroc").map(|&value| format!(", image AUROC {}", tables::percent(value)));
        format!(
            "<option value=\"{}\" data-hash=\"#{}\">{}, seed {}{}</option>",
            escape(&file),
            escape(&fragment(&run.category, run.seed)),
            escape(&run.category.replace('_', " ")),
            run.seed,
            auroc.unwrap_or_default()
        )
    };
    let options: String = report.runs.iter().filter(|run| has_gallery(run)).map(option).collect();
    match options.is_empty() {
        true => String::new(),
        false => GALLERY.replace("{runs}", &options),
    }
}

/// A path segment as part of an address (RFC 3986).
fn encoded(segment: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    segment.bytes().map(encode).collect()
}

/// What the protocol lines say that the paper does not do, with the categories it holds for, and notes on the data.
fn departures(report: &Report) -> String {
    let parts = grouped(report, |run| run.protocol.split("; ").filter(|part| part.contains(DEPARTURE)).collect());
    let mut points: Vec<String> = parts.into_iter().map(|(part, runs)| format!("{part}: {runs}")).collect();
    if points.is_empty() {
        points.push("The protocol lines of all runs name no departure.".to_owned());
    }
    let notes = notes(report);
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!("<h2>Notes on the data</h2>\n{}", list(&notes)),
    };
    format!(
        "<section class=\"departures\">\n<h2>What departs from the paper</h2>\n{}<p>The full text of the paper was not available: what the \
         program computes follows its abstract, captions and equations, and the rest is the project's choice, as the method page of the \
         documentation marks it.</p>\n{notes}</section>\n",
        list(&points)
    )
}

/// The notes of the runs, those that hold for the same runs in one line.
fn notes(report: &Report) -> Vec<String> {
    let mut by_runs: IndexMap<String, Vec<&str>> = IndexMap::new();
    for (note, runs) in grouped(report, |run| run.notes.iter().map(String::as_str).collect()) {
        by_runs.entry(runs).or_default().push(note.trim_end_matches('.'));
    }
    by_runs.into_iter().map(|(runs, notes)| format!("{runs}: {}.", notes.join(". "))).collect()
}

/// Every text that a run has, in the order in which they come first, with the runs that have it.
fn grouped<'a>(report: &'a Report, texts: impl Fn(&'a RunReport) -> Vec<&'a str>) -> IndexMap<&'a str, String> {
    let mut found: IndexMap<&str, Vec<&RunReport>> = IndexMap::new();
    for run in &report.runs {
        texts(run).into_iter().for_each(|text| found.entry(text).or_default().push(run));
    }
    found.into_iter().map(|(text, runs)| (text, names(report, &runs))).collect()
}

/// Runs in words: `all runs`, or their categories, with the seeds of a category if it has others too.
fn names(report: &Report, runs: &[&RunReport]) -> String {
    if runs.len() == report.runs.len() {
        return "all runs".to_owned();
    }
    let seeds = |category: &CategoryReport| {
        let seeds: Vec<String> =
            runs.iter().filter(|run| run.category == category.category).map(|run| run.seed.to_string()).collect();
        match seeds.len() {
            0 => None,
            some if some == category.seeds.len() => Some(category.category.clone()),
            _ => Some(format!("{} (seed {})", category.category, seeds.join(" and "))),
        }
    };
    report.categories.iter().filter_map(seeds).collect::<Vec<_>>().join(", ")
}

fn runs(report: &Report) -> String {
    let line = |run: &RunReport| {
        let name = format!("{}, seed {}", run.category, run.seed);
        let protocol = if run.protocol.is_empty() { "not evaluated" } else { &run.protocol };
        format!("<dt>{}</dt><dd>{}</dd>\n", escape(&name), escape(protocol))
    };
    let lines: String = report.runs.iter().map(line).collect();
    format!(
        "<section>\n<h2>Every run</h2>\n<p class=\"note\">Metrics in\u{a0}%.</p>\n{}<p class=\"note\">Defects found and false alarms: test images \
         above the image threshold. The rate to expect follows from the number of images that set this threshold. In parentheses: \
         95\u{a0}% interval.</p>\n{}<details>\n<summary>Protocol of every run</summary>\n<dl class=\"protocols\">\n{lines}</dl>\n</details>\n</section>\n",
        tables::runs(report),
        tables::verdicts(report)
    )
}

fn others(methods: &[Method]) -> String {
    format!(
        "<section>\n<h2>Published methods</h2>\n<p class=\"note\">Mean AUROC over the 15 categories of MVTec AD, in\u{a0}%. Numbers from \
         “collection” were taken from a collection of published results and not compared with the paper itself; “abstract (image)” means \
         that the image AUROC is that in the abstract of the paper.</p>\n{}</section>\n",
        tables::methods(methods)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::reproduction::tests::{origin, run};

    #[test]
    fn a_note_is_written_once_with_the_runs_that_it_holds_for() {
        let run = |category, seed, notes: &[&str]| RunReport {
            notes: notes.iter().map(|&note| note.to_owned()).collect(),
            ..run(category, seed, &[])
        };
        let runs = vec![
            run("bottle", 0, &["From 7 images.", "Too few.", "Rough."]),
            run("bottle", 1, &["From 7 images.", "Too few.", "Rough."]),
            run("cable", 0, &["no mask", "From 9 images.", "Rough."]),
            run("cable", 1, &["From 9 images.", "Rough."]),
        ];
        let expected =
            ["bottle: From 7 images. Too few.", "all runs: Rough.", "cable (seed 0): no mask.", "cable: From 9 images."];
        assert_eq!(notes(&Report::new(origin(), &[], runs)), expected);
    }
}
