//! Variants of a config with their spread over seeds, from the record of `benches/ablate.py --json`.

use std::path::Path;

use indexmap::{IndexMap, IndexSet};
use serde::Deserialize;

use super::super::axis::{Axis, ends};
use super::super::chart::{self, BLUE, ORANGE, WIDTH};
use super::super::html::escape;
use super::super::style::{MARGIN, RIGHT, TEXT};
use super::super::wrap::{width, wrap};
use super::drawing::{Drawing, Name};
use crate::disk::bounded;
use crate::error::{Error, Result};

/// The metrics that are drawn: end of the file's name and title of the chart. The first, the mean of the next two, is what
/// decides between variants.
pub const METRICS: [(&str, &str); 6] = [
    ("validation_decides", "mean of image and pixel AUROC, validation set"),
    ("validation_image_auroc", "image AUROC, validation set"),
    ("validation_pixel_auroc", "pixel AUROC, validation set"),
    ("image_auroc", "image AUROC, test set"),
    ("pixel_auroc", "pixel AUROC, test set"),
    ("au_pro", "AU-PRO, test set"),
];

/// The score of the rows that are drawn: the one that the config of a run names.
const OWN: &str = "own";

/// Pixels of one variant, of the heading of a category, and above the first one.
const ROW: f64 = 24.0;
const HEADING: f64 = 30.0;
const TOP: f64 = 4.0;
/// Average width of a letter of 12 pixels, and the most that the names of the variants take.
const LETTER: f64 = 7.0;
const NAMES: f64 = 200.0;
/// Pixels at the right for the numbers.
const NUMBERS: f64 = 128.0;
/// The least that an axis spans.
const SHORTEST: f64 = 0.01;
/// Half the thickness of a bar.
const HALF: f64 = 5.0;

/// The results of an ablation.
#[derive(Clone, Debug)]
pub struct Ablation {
    rows: Vec<Row>,
}

/// One run.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    variant: String,
    score: String,
    category: String,
    seed: u64,
    test: Quality,
    validation: Quality,
}

/// The metrics of a run on one set of images.
#[derive(Clone, Debug, Deserialize)]
struct Quality {
    image_auroc: f64,
    pixel_auroc: f64,
    au_pro: f64,
}

#[derive(Deserialize)]
struct Record {
    rows: Vec<Row>,
}

/// The values of one variant, one for each seed.
type Values = Vec<f64>;

/// The variants of one category.
struct Panel<'a> {
    heading: String,
    variants: Vec<(&'a str, Values)>,
}

impl Ablation {
    /// Reads a record.
    ///
    /// # Errors
    /// A file that cannot be read; rows without one of the keys; a metric outside [0, 1]; no row; two rows of the same run.
    pub fn read(path: &Path) -> Result<Self> {
        let text = bounded::read_text(path, bounded::TEXT)?;
        Self::parse(&text).map_err(|error| error.in_file(path))
    }

    fn parse(text: &str) -> Result<Self> {
        let Record { mut rows } =
            serde_json::from_str(text).map_err(|error| Error::format(format!("no record of an ablation: {error}")))?;
        rows.retain(|row| row.score == OWN);
        if rows.is_empty() {
            return Err(Error::format("`rows` is empty: no run has finished"));
        }
        let mut seen = IndexSet::new();
        for row in &rows {
            let run = format!("{}, {}, seed {}", row.variant, row.category, row.seed);
            if let Some((key, _)) = METRICS.iter().find(|(key, _)| !(0.0..=1.0).contains(&row.value(key))) {
                return Err(Error::format(format!("`{key}` of {run} is {}, not in 0 to 1", row.value(key))));
            }
            if !seen.insert(run.clone()) {
                return Err(Error::format(format!("there are two rows for {run}")));
            }
        }
        Ok(Self { rows })
    }

    /// One chart for each of [`METRICS`].
    pub(super) fn draw(&self) -> Vec<Drawing> {
        METRICS.iter().map(|(key, words)| self.chart(key, words)).collect()
    }

    fn chart(&self, key: &str, words: &str) -> Drawing {
        let title = format!("Ablation: {words}");
        let svg = chart::standalone(&chart::titled(&title, &self.bars(key, words)));
        let reference = self.rows.first().map(|row| row.variant.as_str()).unwrap_or_default();
        let caption = format!(
            "Bars go from the lowest to the highest value over the seeds, ticks are single seeds, dots the mean, which is also written, with \
             half the range. The dashed line is the mean of `{reference}`, the first variant; variants with a higher mean are blue, others orange. \
             The axes do not begin at 0; they are equally long."
        );
        Drawing::svg(Name::Ablation, title, caption, svg).with_suffix(key)
    }

    /// A panel for each category in the order of the record; before them, with several, one for their mean.
    fn panels(&self, key: &str) -> Vec<Panel<'_>> {
        let categories: IndexSet<&str> = self.rows.iter().map(|row| row.category.as_str()).collect();
        let mut panels = Vec::new();
        if categories.len() > 1 {
            let heading = format!("mean over {} categories", categories.len());
            panels.push(Panel { heading, variants: self.means(key, categories.len()) });
        }
        for category in categories {
            let mut variants: IndexMap<&str, Values> = IndexMap::new();
            for row in self.rows.iter().filter(|row| row.category == category) {
                variants.entry(&row.variant).or_default().push(row.value(key));
            }
            panels.push(Panel { heading: category.to_owned(), variants: variants.into_iter().collect() });
        }
        panels.retain(|panel| !panel.variants.is_empty());
        panels
    }

    /// For each variant, the means over the categories, of the seeds that have all of them.
    fn means(&self, key: &str, categories: usize) -> Vec<(&str, Values)> {
        let mut runs: IndexMap<(&str, u64), Values> = IndexMap::new();
        for row in &self.rows {
            runs.entry((&row.variant, row.seed)).or_default().push(row.value(key));
        }
        let mut variants: IndexMap<&str, Values> = IndexMap::new();
        for ((variant, _), values) in runs.into_iter().filter(|(_, values)| values.len() == categories) {
            variants.entry(variant).or_default().push(mean(&values));
        }
        variants.into_iter().collect()
    }

    fn bars(&self, key: &str, words: &str) -> String {
        let panels = self.panels(key);
        let names = panels.iter().flat_map(|panel| &panel.variants).map(|(name, _)| LETTER * width(name) as f64);
        let left = (MARGIN + names.fold(0.0, f64::max) + 12.0).min(NAMES);
        // Axes of equal length, so that effects can be compared between panels.
        let length = panels.iter().map(|panel| panel.ends().1 - panel.ends().0).fold(SHORTEST, f64::max) * 1.15;
        let (mut svg, mut y) = (String::new(), TOP);
        for panel in &panels {
            let (drawn, height) = panel.draw(length, left, y);
            svg += &drawn;
            y += height;
        }
        let x = 0.5 * (left + RIGHT - NUMBERS);
        svg += &format!(
            r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle" font-weight="600">{}</text>"#,
            y + 16.0,
            escape(words.split(',').next().unwrap_or(words))
        );
        chart::svg(words, [WIDTH, 0.0, y + 26.0], &svg)
    }
}

impl Row {
    /// The metric of one of [`METRICS`].
    fn value(&self, key: &str) -> f64 {
        match key {
            "validation_decides" => 0.5 * (self.validation.image_auroc + self.validation.pixel_auroc),
            "validation_image_auroc" => self.validation.image_auroc,
            "validation_pixel_auroc" => self.validation.pixel_auroc,
            "image_auroc" => self.test.image_auroc,
            "pixel_auroc" => self.test.pixel_auroc,
            _ => self.test.au_pro,
        }
    }
}

impl Panel<'_> {
    /// The lowest and the highest value.
    fn ends(&self) -> (f64, f64) {
        ends(self.variants.iter().flat_map(|(_, values)| values).copied()).unwrap_or_default()
    }

    /// An axis of this length around the values, inside 0 to 1, from pixel `left` on.
    fn axis(&self, length: f64, left: f64) -> Axis {
        let (low, high) = self.ends();
        let low = (0.5 * (low + high - length)).clamp(0.0, (1.0 - length).max(0.0));
        Axis::linear(low, (low + length).min(1.0), (left + 8.0, RIGHT - NUMBERS))
    }

    /// The panel below `top`, with names left of `left`, and its height.
    fn draw(&self, length: f64, left: f64, top: f64) -> (String, f64) {
        let axis = self.axis(length, left);
        let reference = self.variants.first().map_or(0.0, |(_, values)| mean(values));
        let start = top + HEADING - 6.0;
        let (mut rows, mut y) = (String::new(), start);
        for (name, values) in &self.variants {
            let lines = broken(name, ((left - MARGIN - 6.0) / LETTER) as usize);
            let height = ROW + TEXT * (lines.len() - 1) as f64;
            let middle = y + 0.5 * height;
            for (at, line) in lines.iter().enumerate() {
                let baseline = y + 0.5 * ROW + 4.0 + TEXT * at as f64;
                rows += &format!(r#"<text x="{MARGIN}" y="{baseline:.1}">{}</text>"#, escape(line));
            }
            rows += &variant(&axis, values, middle, if mean(values) >= reference { BLUE } else { ORANGE });
            y += height;
        }
        let heading = escape(&self.heading.replace('_', " "));
        let mut svg = format!(r#"<text x="{MARGIN}" y="{:.1}" font-weight="700">{heading}</text>"#, top + HEADING - 12.0);
        for (x, label) in axis.ticks() {
            svg += &format!(
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{start:.1}" y2="{y:.1}" stroke="currentColor" stroke-opacity=".14"/><text x="{x:.1}" y="{:.1}" text-anchor="middle" font-size="11" opacity=".85">{label}</text>"#,
                y + 13.0
            );
        }
        let x = axis.pixel(reference);
        svg += &format!(
            r#"<line x1="{x:.1}" x2="{x:.1}" y1="{start:.1}" y2="{y:.1}" stroke="currentColor" stroke-opacity=".6" stroke-dasharray="4 3"/>"#
        );
        (svg + &rows, y + 18.0 - top)
    }
}

/// A name in lines of at most `columns` letters, at `_` where there is one.
fn broken(name: &str, columns: usize) -> Vec<String> {
    let pieces = |line: String| -> Vec<String> {
        let letters: Vec<char> = line.chars().collect();
        letters.chunks(columns.max(1)).map(|piece| piece.iter().collect()).collect()
    };
    let lines: Vec<String> = wrap(&name.replace('_', " "), columns).into_iter().flat_map(pieces).collect();
    if lines.is_empty() { vec![String::new()] } else { lines }
}

/// The bar, the ticks, the dot and the number of a variant.
fn variant(axis: &Axis, values: &[f64], y: f64, colour: &str) -> String {
    let (low, high) = ends(values.iter().copied()).unwrap_or_default();
    let (left, right, middle) = (axis.pixel(low), axis.pixel(high), axis.pixel(mean(values)));
    let mut svg = format!(
        r#"<rect x="{left:.1}" y="{:.1}" width="{:.1}" height="{:.1}" rx="2" fill="{colour}" fill-opacity=".3"/>"#,
        y - HALF,
        right - left,
        2.0 * HALF
    );
    if values.len() > 1 {
        for x in values.iter().map(|&value| axis.pixel(value)) {
            let (top, bottom) = (y - HALF, y + HALF);
            svg += &format!(
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{top:.1}" y2="{bottom:.1}" stroke="{colour}" stroke-width="1.5"/>"#
            );
        }
    }
    svg += &format!(r#"<circle cx="{middle:.1}" cy="{y:.1}" r="4.5" fill="{colour}"/>"#);
    let words = match values.len() {
        1 => format!("{:.3}, 1 seed", mean(values)),
        seeds => format!("{:.3} ± {:.3}, {seeds} seeds", mean(values), 0.5 * (high - low)),
    };
    svg + &format!(r#"<text x="{RIGHT}" y="{:.1}" text-anchor="end" font-size="11">{words}</text>"#, y + 4.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::drawing::Content;
    use super::*;
    use approx::assert_abs_diff_eq;

    fn row(variant: &str, category: &str, seed: u64, value: f64) -> String {
        let quality =
            |image| format!(r#"{{"image_auroc": {image}, "pixel_auroc": 0.9, "au_pro": 0.7, "image_auroc_by_kind": {{}}}}"#);
        let (test, validation) = (quality(value), quality(0.5));
        format!(
            r#"{{"variant": "{variant}", "score": "own", "category": "{category}", "seed": {seed}, "test": {test},
                "validation": {validation}, "protocol": ""}}"#
        )
    }

    fn record(rows: &[String]) -> Result<Ablation> {
        Ablation::parse(&format!(r#"{{"date": "", "rows": [{}]}}"#, rows.join(",")))
    }

    fn example() -> Ablation {
        let runs = [
            ("base", "bottle", 0, 0.8),
            ("base", "bottle", 1, 0.9),
            ("base", "fabric", 0, 0.6),
            ("<wide>", "bottle", 0, 0.95),
            ("<wide>", "fabric", 0, 0.75),
        ];
        record(&runs.map(|(variant, category, seed, value)| row(variant, category, seed, value))).unwrap()
    }

    #[test]
    fn means_are_over_seeds_that_have_all_categories() {
        let example = example();
        let panels = example.panels("image_auroc");
        assert_eq!(
            panels.iter().map(|panel| panel.heading.as_str()).collect::<Vec<_>>(),
            ["mean over 2 categories", "bottle", "fabric"]
        );
        let [(base, means), (_, wide)] = &panels[0].variants[..] else { panic!("not two variants") };
        assert_eq!((*base, means.len()), ("base", 1));
        assert_abs_diff_eq!(means[0], 0.7, epsilon = 1e-12);
        assert_abs_diff_eq!(wide[0], 0.85, epsilon = 1e-12);
        assert_eq!(panels[1].variants[0].1, [0.8, 0.9]);
    }

    #[test]
    fn every_variant_has_a_bar_and_its_numbers() {
        let drawings = example().draw();
        assert_eq!(drawings.len(), METRICS.len());
        let drawing = drawings.iter().find(|drawing| drawing.file() == "ablation_image_auroc.svg").unwrap();
        let Content::Svg(svg) = &drawing.content else { panic!("not an SVG") };
        assert!(svg.contains("0.850 ± 0.050, 2 seeds") && svg.contains("0.950, 1 seed<") && chart::has_only_numbers(svg));
        assert!(svg.matches("<circle").count() == 6 && svg.contains("&lt;wide&gt;") && !svg.contains("<wide>"));
    }

    #[test]
    fn only_the_score_of_the_config_is_drawn() {
        let further = row("base", "bottle", 0, 0.1).replace("\"own\"", "\"wide\"");
        let panels = record(&[row("base", "bottle", 0, 0.8), further.clone()]).unwrap();
        assert_eq!(panels.panels("image_auroc")[0].variants, [("base", vec![0.8])]);
        assert!(record(&[further]).unwrap_err().to_string().contains("`rows` is empty"));
    }

    #[test]
    fn equal_values_can_be_drawn() {
        let same = record(&[row("a", "x", 0, 1.0), row("b", "x", 0, 1.0)]).unwrap();
        for drawing in same.draw() {
            let Content::Svg(svg) = drawing.content else { panic!("not an SVG") };
            assert!(chart::has_only_numbers(&svg), "{svg}");
        }
    }

    #[test]
    fn long_names_are_broken_and_not_cut() {
        assert_eq!(broken("wide_and_long_training", 10), ["wide and", "long", "training"]);
        assert_eq!(broken("samples-050k-width", 8), ["samples-", "050k-wid", "th"]);
        assert_eq!(broken("", 8), [""]);
    }

    #[test]
    fn axes_are_equally_long_and_inside_the_unit_interval() {
        let panel = |values: [f64; 2]| Panel { heading: String::new(), variants: vec![("a", values.into())] };
        for values in [[0.98, 0.99], [0.5, 0.52], [0.01, 0.02]] {
            let axis = panel(values).axis(0.1, 0.0);
            assert_abs_diff_eq!(
                axis.pixel(values[1]) - axis.pixel(values[0]),
                (values[1] - values[0]) / 0.1 * (RIGHT - NUMBERS - 8.0),
                epsilon = 1e-6
            );
        }
    }

    #[test]
    fn bad_records_are_refused_in_one_sentence() {
        let one = row("a", "x", 0, 0.5);
        for (text, words) in [
            (record(&[]), "`rows` is empty"),
            (record(&[one.clone(), one.clone()]), "two rows for a, x, seed 0"),
            (record(&[row("a", "x", 0, 1.5)]), "`image_auroc` of a, x, seed 0 is 1.5, not in 0 to 1"),
            (record(&[one.replace("\"au_pro\"", "\"pro\"")]), "missing field `au_pro`"),
            (Ablation::parse("{"), "no record of an ablation"),
        ] {
            let error = text.unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
    }
}
