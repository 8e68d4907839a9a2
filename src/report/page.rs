//! One self-contained HTML page for an evaluation: examples as in Figure 1 of the paper, metrics, run facts and charts, and how
//! to read them. It needs no other file, no network and no script.

use super::colour::{self, Scale};
use super::document::{card, document, facts, header};
use super::example::Example;
use super::histogram::score_histogram;
use super::html::escape;
use super::loss_curve::loss_curve;
use super::number::readable;
use super::png::data_uri;
use super::results::{Kind, Metric, Results};
use crate::data::Image;
use crate::error::Result;

/// Rules of this page only.
const STYLE: &str = include_str!("results.css");
/// An explanation of the method; it does not depend on the run.
const METHOD: &str = include_str!("method.html");
const CITATION: &str = include_str!("citation.html");

/// Four pictures in a row, where no ground truth is known.
const FOUR: &str = ":root { --columns: 4; }\n";

/// Images narrower than this are enlarged with visible pixels instead of being smoothed.
const SMALL: usize = 160;

/// Heading and formula (HTML) of the five images of an example, left to right.
const COLUMNS: [(&str, &str); 5] = [
    ("Input", "<i>x̂</i>"),
    ("Reconstruction", "<i>f</i>(<i>x̂</i>)"),
    ("Heatmap", "smoothed Diff"),
    ("Predicted mask", "heatmap &gt; threshold"),
    ("Ground truth", "annotated mask"),
];

/// The content of a page. All text is plain text: markup in it is escaped.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// e.g. `capsule`.
    pub title: String,
    /// One line under the title.
    pub subtitle: String,
    /// Metrics and scores, with the threshold of the verdicts.
    pub results: Results<'a>,
    /// Sentences on what the test set lacks.
    pub gaps: Vec<String>,
    /// Names and values that identify the run: config hash, seed, steps, device, wall time, …
    pub facts: Vec<(String, String)>,
    /// Training loss as (step, loss).
    pub loss: Vec<(u64, f64)>,
    /// Where the thresholds come from, e.g. `99 % quantile of held-out normal images`.
    pub threshold_rule: String,
    /// Values of the darkest and the brightest heat colour, when all heatmaps share them.
    pub heat_scale: Option<Scale>,
    /// Shown large at the top.
    pub first: Option<Example>,
    /// A heading, a sentence, and examples under them.
    pub sections: Vec<Section>,
}

/// Examples under a heading.
#[derive(Clone, Debug)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// One sentence on how the examples were chosen.
    pub text: String,
    /// The examples, one row each.
    pub examples: Vec<Example>,
}

impl Page<'_> {
    /// The page as one HTML document.
    ///
    /// # Errors
    /// An image that cannot be written as PNG, with the name of its example.
    pub fn render(&self) -> Result<String> {
        let first = self.first.as_ref().map(|example| self.hero(example)).transpose()?.unwrap_or_default();
        let columns = self.columns();
        let sections = self.sections.iter().map(|own| section(own, columns)).collect::<Result<String>>()?;
        let body = [
            header(&self.title, &self.subtitle),
            first,
            self.metrics(),
            self.kinds(),
            self.charts(),
            sections,
            METHOD.to_owned(),
            CITATION.to_owned(),
        ];
        let style = if columns.len() < COLUMNS.len() { format!("{STYLE}{FOUR}") } else { STYLE.to_owned() };
        Ok(document(&self.title, &style, &body.concat()))
    }

    /// The columns of pictures; without that of the ground truth if no example has one.
    fn columns(&self) -> &'static [(&'static str, &'static str)] {
        let mut examples = self.first.iter().chain(self.sections.iter().flat_map(|section| &section.examples));
        if examples.any(|example| example.truth.is_some()) { &COLUMNS } else { &COLUMNS[..COLUMNS.len() - 1] }
    }

    /// One large example, with formulas below its images and a scale of the heat colours.
    fn hero(&self, example: &Example) -> Result<String> {
        Ok(format!("<section class=\"hero\">\n{}{}</section>\n", row(example, self.columns())?, self.colour_bar()))
    }

    /// The metrics, their protocol, and facts about the run.
    fn metrics(&self) -> String {
        let card = |metric: Metric| card(&metric.label, &metric.value, &metric.explanation);
        let cards: String = self.results.cards().into_iter().map(card).collect();
        format!(
            "<section>\n<h2>Results</h2>\n<dl class=\"cards\">\n{cards}</dl>\n\
             {}<p class=\"protocol\"><strong>Protocol.</strong> {}</p>\n{}</section>\n",
            self.notes().iter().map(|note| format!("<p class=\"note\">{}</p>\n", escape(note))).collect::<String>(),
            escape(self.results.protocol),
            facts(&self.facts)
        )
    }

    /// What must be known beside the numbers.
    fn notes(&self) -> Vec<String> {
        let sentence = |gap: &String| {
            let first: String = gap.chars().take(1).flat_map(char::to_uppercase).collect();
            format!("{first}{}.", gap.chars().skip(1).collect::<String>())
        };
        self.gaps.iter().map(sentence).chain(self.results.notes()).collect()
    }

    /// A table with a row for each kind of image.
    fn kinds(&self) -> String {
        let kinds = self.results.kinds();
        // A test set of one class defines none.
        let has_aurocs = kinds.iter().any(|kind| !kind.auroc.is_empty());
        let auroc = |cell: String| if has_aurocs { cell } else { String::new() };
        let line = |kind: Kind| {
            let percent = 100.0 * kind.flagged as f64 / kind.images.max(1) as f64;
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td>{}<td>{} <small>({percent:.0}\u{a0}%)</small></td></tr>\n",
                escape(&kind.name.replace('_', " ")),
                kind.images,
                auroc(format!("<td>{}</td>", escape(&kind.auroc))),
                kind.flagged
            )
        };
        format!(
            "<section>\n<h2>By kind of image</h2>\n<div class=\"kinds\"><table>\n<thead><tr><th>kind</th><th>images</th>\
             {}<th>called anomalous</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n</section>\n",
            auroc("<th>image AUROC</th>".to_owned()),
            kinds.into_iter().map(line).collect::<String>()
        )
    }

    /// The heat colours with the values at their ends.
    fn colour_bar(&self) -> String {
        let Some(scale) = self.heat_scale else { return String::new() };
        let stop = |index: u8| {
            let [red, green, blue] = colour::heat(f32::from(index) / 10.0).map(|channel| (channel * 255.0).round());
            format!("rgb({red} {green} {blue})")
        };
        let stops: Vec<String> = (0..=10).map(stop).collect();
        let [low, high] = [scale.low, scale.high].map(|value| readable(f64::from(value), 3));
        format!(
            "<p class=\"scale\">Heat colours: {low} \
             <span style=\"background:linear-gradient(to right,{})\"></span> {high}</p>\n",
            stops.join(",")
        )
    }

    fn charts(&self) -> String {
        let threshold = self.results.threshold.unwrap_or(f64::NAN);
        let scores = score_histogram(&self.results.scores(), threshold, &self.results.score_name());
        format!(
            "<section class=\"charts\">\n\
             <figure><figcaption><h2>Scores of the test images</h2>\
             <p>Images to the right of the dashed line are called anomalous. Threshold {}: {}.</p></figcaption>{scores}</figure>\n\
             <figure><figcaption><h2>Training</h2>\
             <p>The training loss at each recorded step, on a logarithmic axis.</p></figcaption>{}</figure>\n\
             </section>\n",
            readable(threshold, 3),
            escape(&self.threshold_rule),
            loss_curve(&self.loss)
        )
    }
}

/// Examples, one row each, under the column headings.
fn section(section: &Section, columns: &[(&str, &str)]) -> Result<String> {
    let (title, text) = (escape(&section.title), escape(&section.text));
    let heading = |(name, formula): &(&str, &str)| format!("<span>{name}<small>{formula}</small></span>");
    let headings: String = columns.iter().map(heading).collect();
    let rows = section.examples.iter().map(|example| row(example, columns)).collect::<Result<String>>()?;
    let headings = match rows.is_empty() {
        true => String::new(),
        false => format!("<div class=\"headings\" aria-hidden=\"true\">{headings}</div>\n"),
    };
    Ok(format!(
        "<section class=\"grid\">\n<div><h2>{title}</h2>\n<p class=\"note\">{text}</p></div>\n{headings}{rows}</section>\n"
    ))
}

/// Name, kind, score and verdict of an example, and its images in these columns. Words stand for a ground truth that it lacks.
fn row(example: &Example, columns: &[(&str, &str)]) -> Result<String> {
    let (class, outcome) = example.outcome();
    let pictures = example.images();
    let absent = if pictures.len() < columns.len() { "<p class=\"absent\">no mask</p>\n" } else { "" };
    let images: Result<String> = columns.iter().zip(pictures).map(|(c, p)| image(example, *c, p)).collect();
    Ok(format!(
        "<article>\n<p class=\"label\"><strong>{}</strong><span>{}</span><span class=\"score\">score {}</span>\
         <span class=\"verdict {class}\">{outcome}</span></p>\n<div class=\"row\">\n{}{absent}</div>\n</article>\n",
        escape(&example.name),
        escape(&example.kind.replace('_', " ")),
        readable(example.score, 3),
        images.map_err(|error| error.within(format!("example {}", example.name)))?
    ))
}

fn image(example: &Example, (name, formula): (&str, &str), image: &Image) -> Result<String> {
    let (height, width, _) = image.dim();
    let class = if width < SMALL { " class=\"small\"" } else { "" };
    Ok(format!(
        "<figure><img{class} src=\"{}\" width=\"{width}\" height=\"{height}\" alt=\"{name} of {}\">\
         <figcaption>{name}<small>{formula}</small></figcaption></figure>\n",
        data_uri(image)?,
        escape(&example.name)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::document::{is_balanced, stands_alone};
    use super::super::png::decode_data_uri;
    use super::super::results::tests::report;
    use super::*;
    use crate::detect::metrics::Score;
    use crate::run::EvaluationReport;
    use std::sync::LazyLock;

    /// Six of eight images of a defect are above the threshold of the page, and none of four good ones.
    static REPORT: LazyLock<EvaluationReport> = LazyLock::new(|| {
        let images = [[("<bent>", 2.0); 6].as_slice(), &[("<bent>", 0.1); 2], &[("good", 0.1); 4]].concat();
        EvaluationReport { protocol: "native <resolution>".into(), ..report(&images, &[("<bent>", 0.9)]) }
    });

    fn picture_of(seed: u8, height: usize, width: usize) -> Image {
        let value = |index: usize| ((index * 7 + usize::from(seed) * 31) % 256) as f32 / 255.0;
        crate::data::image(height, width, (0..height * width * 3).map(value).collect()).unwrap()
    }

    fn example(name: &str, seed: u8, anomalous_truth: bool, anomalous_verdict: bool) -> Example {
        let image = |number: u8| picture_of(seed + number, 3, 5);
        Example {
            name: name.into(),
            kind: "scratch".into(),
            score: 0.123_456,
            anomalous_truth,
            anomalous_verdict,
            input: image(0),
            reconstruction: image(1),
            heatmap: image(2),
            mask: image(3),
            truth: Some(picture_of(seed + 4, 2, 200)),
        }
    }

    fn page() -> Page<'static> {
        Page {
            title: "<capsule> & co".into(),
            subtitle: "a \"quoted\" line".into(),
            results: Results::new(&*REPORT, Score::Sum, Some(7.0)),
            gaps: Vec::new(),
            facts: vec![("seed".into(), "<1>".into())],
            loss: vec![(1, 0.5), (2, 0.25)],
            threshold_rule: "<script>alert(1)</script>".into(),
            heat_scale: Some(Scale { low: 0.0, high: 0.125 }),
            first: Some(example("one", 0, true, true)),
            sections: vec![Section {
                title: "<i>Mistakes</i>".into(),
                text: "worst & first".into(),
                examples: vec![
                    example("two' onerror='x", 10, true, false),
                    example("three", 20, false, true),
                    example("four", 30, false, false),
                ],
            }],
        }
    }

    /// Every `src="…"` of the page.
    fn sources(html: &str) -> Vec<&str> {
        html.split(" src=\"").skip(1).map(|tail| tail.split('"').next().unwrap()).collect()
    }

    #[test]
    fn every_picture_of_every_example_decodes_to_its_pixels() {
        let page = page();
        let html = page.render().unwrap();
        let examples = page.first.iter().chain(&page.sections[0].examples);
        let pictures: Vec<&Image> = examples.flat_map(Example::images).collect();
        let found = sources(&html);
        assert_eq!(found.len(), pictures.len());
        for (uri, picture) in found.into_iter().zip(pictures) {
            let bytes: Vec<u8> = picture.iter().map(|value| (value * 255.0).round() as u8).collect();
            assert_eq!(decode_data_uri(uri), (picture.dim().0 as u32, picture.dim().1 as u32, bytes));
        }
        assert_eq!(html.matches(" alt=\"").count(), 20);
        assert_eq!(html.matches("class=\"small\"").count(), 16);
    }

    #[test]
    fn a_ground_truth_that_is_not_known_has_no_picture() {
        let mut page = page();
        page.sections[0].examples[0].truth = None;
        page.gaps = vec!["a mask <is> missing".into()];
        let html = page.render().unwrap();
        assert_eq!((html.matches("class=\"absent\"").count(), sources(&html).len()), (1, 19));
        assert!(html.contains("<p class=\"note\">A mask &lt;is&gt; missing.</p>") && !html.contains("--columns: 4"));
        let own = page.sections[0].examples.iter_mut().chain(&mut page.first);
        own.for_each(|example| example.truth = None);
        let html = page.render().unwrap();
        assert_eq!((html.matches("class=\"absent\"").count(), sources(&html).len()), (0, 16));
        assert!(html.contains("--columns: 4") && !html.contains("Ground truth") && is_balanced(&html));
    }

    #[test]
    fn markup_in_texts_is_escaped() {
        let html = page().render().unwrap();
        let shown = [
            "&lt;capsule&gt; &amp; co",
            "&quot;quoted&quot;",
            "native &lt;res",
            "&lt;1&gt;",
            "&lt;script&gt;",
            "&lt;bent&gt;</th><td>8</td><td>0.90\u{a0}±\u{a0}0.09</td><td>6 <small>(75\u{a0}%)",
            "sum of the heatmap",
            "&lt;i&gt;Mistakes",
            "worst &amp; first",
        ];
        assert!(shown.iter().all(|text| html.contains(text)));
        assert!(html.contains("two&#39; onerror=&#39;x") && !html.contains("<script") && !html.contains("<capsule>"));
    }

    #[test]
    fn the_page_is_well_formed_and_needs_nothing_else() {
        let mut page = page();
        let html = page.render().unwrap();
        assert!(is_balanced(&html) && stands_alone(&html));
        page.first = None;
        page.sections[0].examples.clear();
        page.loss.clear();
        page.results.threshold = None;
        let empty = page.render().unwrap();
        assert!(is_balanced(&empty) && !empty.contains("NaN"));
    }

    #[test]
    fn verdicts_are_judged_by_the_truth() {
        let html = page().render().unwrap();
        let places =
            ["✓ anomaly found", "✗ anomaly missed", "✗ false alarm", "✓ passed as good"].map(|words| html.find(words).unwrap());
        assert!(places.is_sorted());
        assert_eq!((html.matches("verdict right").count(), html.matches("verdict wrong").count()), (2, 2));
        assert!(html.contains("score 0.123"));
    }

    #[test]
    fn the_colour_bar_runs_from_the_darkest_to_the_brightest_colour() {
        let html = page().render().unwrap();
        assert!(html.contains("0 <span style=\"background:linear-gradient(to right,rgb(0 0 4),"));
        assert!(html.contains(",rgb(252 255 164))\"></span> 0.125</p>"));
    }

    #[test]
    fn a_picture_that_cannot_be_written_names_its_example() {
        let mut page = page();
        page.sections[0].examples[1].mask = Image::zeros((2, 2, 1));
        let error = page.render().unwrap_err().to_string();
        assert!(error.contains("[2, 2, 1]") && error.ends_with("in example three"), "{error}");
    }
}
