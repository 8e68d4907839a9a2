//! Findings as one self-contained HTML page: statements, checks with their controls, charts and galleries.

use std::time::Duration;

use super::super::curves::curves;
use super::super::document::{card, document, facts, header};
use super::super::gallery::{caption, image};
use super::super::html::escape;
use super::super::maths;
use super::super::png::data_uri;
use super::words::{
    Paragraph, Tally, Verdict, control_numbers, control_verdict, distinct, holds, notices, numbers, paragraphs, seconds, verdict,
};
use crate::error::Result;
use crate::theory::claim::{Claim, Setting};
use crate::theory::figure::{Content, Figure, GalleryImage, GalleryRow};
use crate::theory::record::{Record, Worst};
use crate::theory::runner::Finding;

const STYLE: &str = include_str!("page.css");
const TITLE: &str = "Theorems, measured";
/// Headings of the columns of numbers; on narrow screens each number has its own.
const NUMBERS: [&str; 4] = ["predicted", "measured", "tolerance", "margin"];

/// The content of a page.
pub struct ClaimsPage<'a> {
    /// The findings.
    pub findings: &'a [Finding],
    /// The findings as checks, seeds merged: [`worst_of_seeds`](crate::theory::record::worst_of_seeds).
    pub checks: &'a [Worst],
    /// The figures with the ids of their claims: [`figures`](crate::theory::runner::figures).
    pub figures: &'a [(&'static str, Figure)],
    /// Seed and effort.
    pub setting: &'a Setting,
    /// Total running time.
    pub wall: Duration,
    /// Version and commit of the program.
    pub version: String,
}

impl ClaimsPage<'_> {
    /// The page as one HTML document.
    ///
    /// # Errors
    /// An image that cannot be written as PNG, with the stem of its figure.
    pub fn render(&self) -> Result<String> {
        let subtitle = "predicted and measured values, each with a control that must fail the same check";
        let claims = distinct(self.findings);
        let sections = claims.iter().map(|claim| self.claim(claim)).collect::<Result<String>>()?;
        Ok(document(TITLE, STYLE, &[header(TITLE, subtitle), self.results(&claims), sections, footer()].concat()))
    }

    /// Counts, facts about the run, and a list of claims.
    fn results(&self, claims: &[&'static Claim]) -> String {
        let tally = Tally::of(self.findings, self.checks);
        let cards = [
            card("claims hold", &format!("{} of {}", tally.hold, tally.claims), "all checks hold and all controls are rejected"),
            card(
                "controls rejected",
                &format!("{} of {}", tally.rejected, tally.controls),
                "cases in which the check must fail, and does",
            ),
            card("checks", &self.checks.len().to_string(), "each with a tolerance and its reason"),
        ];
        let fact = |name: &str, value: String| (name.to_owned(), value);
        let run = [
            fact("seed", self.setting.seed().to_string()),
            fact("effort", self.setting.pick("quick", "full").to_owned()),
            fact("wall time", seconds(self.wall)),
            fact("orthoscope", self.version.clone()),
        ];
        let entry = |claim: &&'static Claim| {
            let mark = if holds(claim.id, self.findings) { "✓" } else { "✗" };
            let (id, title) = (escape(claim.id), escape(claim.title));
            format!("<li><a href=\"#{id}\"><b>{id}</b> {title} <span>{mark}</span></a></li>\n")
        };
        format!(
            "<section>\n<h2>Results</h2>\n<dl class=\"cards\">\n{}</dl>\n{}\
             <ul class=\"contents\">\n{}</ul>\n</section>\n",
            cards.concat(),
            facts(&run),
            claims.iter().map(entry).collect::<String>()
        )
    }

    fn claim(&self, claim: &'static Claim) -> Result<String> {
        let id = claim.id;
        let of_claim = || self.findings.iter().filter(|finding| finding.claim.id == id);
        let time: Duration = of_claim().map(|finding| finding.wall).sum();
        let seeds = match of_claim().count() {
            1 => String::new(),
            count => format!("worst of {count} seeds · "),
        };
        let verdict = if holds(id, self.findings) { ("right", "✓ holds") } else { ("wrong", "✗ does not hold") };
        let figures = self.figures.iter().filter(|(owner, _)| *owner == id);
        let figures = figures.map(|(_, figure)| self::figure(figure)).collect::<Result<String>>()?;
        Ok(format!(
            "<section class=\"claim\" id=\"{id}\">\n<p class=\"label\"><strong>{id}</strong>\
             <span class=\"verdict {}\">{}</span><span>{seeds}{}</span></p>\n<h2>{}</h2>\n{}{}\
             <div class=\"charts\">\n{figures}</div>\n</section>\n",
            verdict.0,
            verdict.1,
            seconds(time),
            escape(claim.title),
            statement(claim),
            checks(self.checks.iter().filter(|check| check.record.id == id))
        ))
    }
}

fn statement(claim: &Claim) -> String {
    let html = |paragraph: Paragraph| match paragraph {
        Paragraph::Prose(text) => format!("<p>{}</p>\n", maths::html(&text)),
        Paragraph::Formulas(lines) => format!("<pre>{}</pre>\n", maths::html(&lines.join("\n"))),
    };
    let paragraphs: String = paragraphs(claim.statement).into_iter().map(html).collect();
    format!("<div class=\"statement\">\n{paragraphs}</div>\n")
}

fn checks<'a>(checks: impl Iterator<Item = &'a Worst>) -> String {
    let rows: String = checks.map(|check| subject(&check.record) + &control(&check.record)).collect();
    let headings: String = NUMBERS.iter().map(|name| format!("<th>{name}</th>")).collect();
    format!(
        "<div class=\"table\"><table>\n<thead><tr><th>quantity</th>{headings}<th>verdict</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

fn subject(record: &Record) -> String {
    let [quantity, because, fault] = [&record.quantity, &*record.because, &record.fault].map(maths::html);
    let limit = format!("<small>notices ε = {}: {fault}</small>", notices(record));
    let follows = record.follows.as_ref().map(|from| format!("<small>follows from others: {}</small>", maths::html(from)));
    let kind = if record.empirical { "empirical tolerance" } else { "tolerance" };
    let name = format!("{quantity}<small>{kind}: {because}</small>{limit}{}", follows.unwrap_or_default());
    row("", &name, &numbers(record), verdict(record))
}

fn control(record: &Record) -> String {
    let Some(name) = &record.control else { return String::new() };
    let name = format!("control: {}", maths::html(name));
    row(" class=\"control\"", &name, &control_numbers(record), control_verdict(record))
}

fn row(class: &str, name: &str, cells: &[String; 4], verdict: Verdict) -> String {
    let cell = |(name, cell): (&&str, &String)| format!("<td data-name=\"{name}\">{cell}</td>");
    let cells: String = NUMBERS.iter().zip(cells).map(cell).collect();
    let colour = if verdict.is_right { "right" } else { "wrong" };
    let words = verdict.words();
    format!("<tr{class}><th>{name}</th>{cells}<td><span class=\"verdict {colour}\">{words}</span></td></tr>\n")
}

fn figure(figure: &Figure) -> Result<String> {
    let (class, content) = match &figure.content {
        Content::Chart(chart) => ("", curves(&figure.title, chart)),
        Content::Gallery(rows) => {
            (" class=\"wide\"", gallery(rows).map_err(|error| error.within(format!("figure {}", figure.stem)))?)
        }
    };
    Ok(format!(
        "<figure{class}><figcaption><h3>{}</h3><p>{} <code>{}</code></p></figcaption>{content}</figure>\n",
        maths::html(&figure.title),
        maths::html(&figure.caption),
        escape(&figure.stem)
    ))
}

fn gallery(rows: &[GalleryRow]) -> Result<String> {
    let row = |row: &GalleryRow| -> Result<String> {
        let pictures = row.images.iter().map(picture).collect::<Result<String>>()?;
        let columns = row.images.len();
        let label = escape(&row.label);
        Ok(format!("<p>{label}</p>\n<div class=\"pictures\" style=\"--columns:{columns}\">\n{pictures}</div>\n"))
    };
    rows.iter().map(row).collect()
}

fn picture(picture: &GalleryImage) -> Result<String> {
    let caption = escape(&caption(picture));
    let image = image(picture)?;
    let (source, (height, width, _)) = (data_uri(&image)?, image.dim());
    Ok(format!(
        "<figure><img class=\"small\" src=\"{source}\" width=\"{width}\" height=\"{height}\" alt=\"{caption}\">\
         <figcaption>{caption}</figcaption></figure>\n"
    ))
}

fn footer() -> String {
    "<footer>\n<p>A check holds if its margin is not negative: = requires |measured − predicted| ≤ tolerance, ≤ and ≥ allow the tolerance \
     on one side. It notices faults of the subject from the given ε on. Below most checks is a control, which must fail the same check. Every chart is also saved as figures/NAME.svg \
     (galleries as NAME.png) and its data as arrays/NAME/SERIES.npy, where NAME is given in its caption. Written by \
     orthoscope verify.</p>\n</footer>\n"
        .to_owned()
}
