//! One self-contained HTML page for an evaluation: examples as in Figure 1 of the paper, metrics, run facts and charts, and how
//! to read them. It needs no other file, no network and no script.

use super::colour::{self, Scale};
use super::document::{card, document, facts, header};
use super::histogram::score_histogram;
use super::html::escape;
use super::loss_curve::loss_curve;
use super::number::readable;
use super::png::data_uri;
use crate::data::Image;
use crate::error::Result;

/// Rules of this page only.
const STYLE: &str = include_str!("results.css");
/// The method in plain words: fixed text without anything from the run.
const METHOD: &str = include_str!("method.html");
const CITATION: &str = include_str!("citation.html");

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

/// Everything a page shows. All text is plain text: markup in it is shown as it is.
#[derive(Clone, Debug)]
pub struct Page {
    /// e.g. `capsule`.
    pub title: String,
    /// One line under the title.
    pub subtitle: String,
    /// The metrics, in the order shown.
    pub metrics: Vec<Metric>,
    /// Results of each kind of image, in the order shown.
    pub kinds: Vec<Kind>,
    /// How the metrics were measured: resolution, split, score, checkpoint rule (Method §7).
    pub protocol: String,
    /// Name and value of what identifies the run: config hash, seed, steps, device, wall time, …
    pub facts: Vec<(String, String)>,
    /// Training loss as (step, loss).
    pub loss: Vec<(u64, f64)>,
    /// Test scores as (score, whether the image is anomalous in truth).
    pub scores: Vec<(f64, bool)>,
    /// What the score is, e.g. `maximum of the heatmap`.
    pub score_name: String,
    /// Images whose score exceeds it are called anomalous.
    pub threshold: f64,
    /// Where the thresholds come from, e.g. `99 % quantile of held-out normal images`.
    pub threshold_rule: String,
    /// Values of the darkest and the brightest heat colour, when all heatmaps share them.
    pub heat_scale: Option<Scale>,
    /// Shown large at the top.
    pub first: Option<Example>,
    /// A heading, a sentence, and examples under them.
    pub sections: Vec<Section>,
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// e.g. `image AUROC`.
    pub label: String,
    /// As it is printed, e.g. `0.98 ± 0.01`.
    pub value: String,
    /// One sentence on what it measures.
    pub explanation: String,
}

/// The test images of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Kind of defect, `good` for none.
    pub name: String,
    /// Number of images.
    pub images: usize,
    /// Image AUROC against the good images as it is printed; empty for the good images.
    pub auroc: String,
    /// How many of them are called anomalous.
    pub flagged: usize,
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

/// One image and what the network made of it.
#[derive(Clone, Debug)]
pub struct Example {
    /// Name of the image.
    pub name: String,
    /// Kind of defect, `good` for none.
    pub kind: String,
    /// Image score.
    pub score: f64,
    /// Whether the image is anomalous in truth.
    pub anomalous_truth: bool,
    /// Whether it was called anomalous.
    pub anomalous_verdict: bool,
    /// x̂, the image as the network saw it.
    pub input: Image,
    /// f(x̂).
    pub reconstruction: Image,
    /// The heatmap in colours, see [`colour::heatmap`].
    pub heatmap: Image,
    /// The predicted mask in white on black, see [`colour::mask_picture`].
    pub mask: Image,
    /// The true mask in white on black.
    pub truth: Image,
}

impl Example {
    /// Input, reconstruction, heatmap, predicted mask, ground truth.
    pub fn images(&self) -> [&Image; 5] {
        [&self.input, &self.reconstruction, &self.heatmap, &self.mask, &self.truth]
    }

    /// CSS class and words for how the verdict agrees with the truth.
    fn outcome(&self) -> (&'static str, &'static str) {
        match (self.anomalous_truth, self.anomalous_verdict) {
            (true, true) => ("right", "✓ anomaly found"),
            (false, false) => ("right", "✓ passed as good"),
            (true, false) => ("wrong", "✗ anomaly missed"),
            (false, true) => ("wrong", "✗ false alarm"),
        }
    }
}

impl Page {
    /// The page as one HTML document.
    ///
    /// # Errors
    /// An image that cannot be written as PNG, with the name of its example.
    pub fn render(&self) -> Result<String> {
        let first = self.first.as_ref().map(|example| self.hero(example)).transpose()?.unwrap_or_default();
        let sections = self.sections.iter().map(section).collect::<Result<String>>()?;
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
        Ok(document(&self.title, STYLE, &body.concat()))
    }

    /// An example, large, with the formulas under its images and the meaning of the heat colours.
    fn hero(&self, example: &Example) -> Result<String> {
        Ok(format!("<section class=\"hero\">\n{}{}</section>\n", row(example)?, self.colour_bar()))
    }

    /// The metrics, how they were measured, and the run they belong to.
    fn metrics(&self) -> String {
        let card = |metric: &Metric| card(&metric.label, &metric.value, &metric.explanation);
        let cards: String = self.metrics.iter().map(card).collect();
        format!(
            "<section>\n<h2>Results</h2>\n<dl class=\"cards\">\n{cards}</dl>\n\
             <p class=\"protocol\"><strong>Protocol.</strong> {}</p>\n{}</section>\n",
            escape(&self.protocol),
            facts(&self.facts)
        )
    }

    /// A table with a line for each kind of image.
    fn kinds(&self) -> String {
        if self.kinds.is_empty() {
            return String::new();
        }
        let line = |kind: &Kind| {
            let percent = 100.0 * kind.flagged as f64 / kind.images.max(1) as f64;
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{} <small>({percent:.0}\u{a0}%)</small></td></tr>\n",
                escape(&kind.name.replace('_', " ")),
                kind.images,
                escape(&kind.auroc),
                kind.flagged
            )
        };
        format!(
            "<section>\n<h2>By kind of image</h2>\n<div class=\"kinds\"><table>\n<thead><tr><th>kind</th><th>images</th>\
             <th>image AUROC</th><th>called anomalous</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n</section>\n",
            self.kinds.iter().map(line).collect::<String>()
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
        let scores = score_histogram(&self.scores, self.threshold, &self.score_name);
        format!(
            "<section class=\"charts\">\n\
             <figure><figcaption><h2>Scores of the test images</h2>\
             <p>Images to the right of the dashed line are called anomalous. Threshold {}: {}.</p></figcaption>{scores}</figure>\n\
             <figure><figcaption><h2>Training</h2>\
             <p>The training loss at each recorded step, on a logarithmic axis.</p></figcaption>{}</figure>\n\
             </section>\n",
            readable(self.threshold, 3),
            escape(&self.threshold_rule),
            loss_curve(&self.loss)
        )
    }
}

/// Examples, one row each, under the column headings.
fn section(section: &Section) -> Result<String> {
    let (title, text) = (escape(&section.title), escape(&section.text));
    let heading = |(name, formula): &(&str, &str)| format!("<span>{name}<small>{formula}</small></span>");
    let headings: String = COLUMNS.iter().map(heading).collect();
    let rows = section.examples.iter().map(row).collect::<Result<String>>()?;
    let headings = match rows.is_empty() {
        true => String::new(),
        false => format!("<div class=\"headings\" aria-hidden=\"true\">{headings}</div>\n"),
    };
    Ok(format!(
        "<section class=\"grid\">\n<div><h2>{title}</h2>\n<p class=\"note\">{text}</p></div>\n{headings}{rows}</section>\n"
    ))
}

/// Name, kind, score and verdict of an example, and its five images.
fn row(example: &Example) -> Result<String> {
    let (class, outcome) = example.outcome();
    let images: Result<String> = COLUMNS.iter().zip(example.images()).map(|(c, p)| image(example, *c, p)).collect();
    Ok(format!(
        "<article>\n<p class=\"label\"><strong>{}</strong><span>{}</span><span class=\"score\">score {}</span>\
         <span class=\"verdict {class}\">{outcome}</span></p>\n<div class=\"row\">\n{}</div>\n</article>\n",
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
    use super::*;

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
            truth: picture_of(seed + 4, 2, 200),
        }
    }

    fn page() -> Page {
        let metric = |label: &str| Metric { label: label.into(), value: "0.987".into(), explanation: "why & how".into() };
        Page {
            title: "<capsule> & co".into(),
            subtitle: "a \"quoted\" line".into(),
            metrics: vec![metric("image AUROC"), metric("pixel <b>AUROC</b>")],
            kinds: vec![Kind { name: "<bent>".into(), images: 8, auroc: "0.9 ± 0.1".into(), flagged: 6 }],
            protocol: "native <resolution>".into(),
            facts: vec![("seed".into(), "<1>".into())],
            loss: vec![(1, 0.5), (2, 0.25)],
            scores: vec![(0.1, false), (2.0, true)],
            score_name: "sum <of> heatmap".into(),
            threshold: 0.7,
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
    fn markup_in_texts_is_shown_and_not_obeyed() {
        let html = page().render().unwrap();
        let shown = [
            "&lt;capsule&gt; &amp; co",
            "&quot;quoted&quot;",
            "pixel &lt;b&gt;",
            "native &lt;res",
            "&lt;1&gt;",
            "&lt;script&gt;",
            "&lt;bent&gt;</th><td>8</td><td>0.9 ± 0.1</td><td>6 <small>(75\u{a0}%)",
            "&lt;i&gt;Mistakes",
            "worst &amp; first",
        ];
        assert!(shown.iter().all(|text| html.contains(text)));
        assert!(html.contains("two&#39; onerror=&#39;x") && html.contains("sum &lt;of&gt; heatmap"));
        assert!(!html.contains("<script") && !html.contains("<capsule>") && !html.contains("pixel <b>"));
    }

    #[test]
    fn the_page_is_well_formed_and_needs_nothing_else() {
        let mut page = page();
        let html = page.render().unwrap();
        assert!(is_balanced(&html) && stands_alone(&html));
        page.first = None;
        page.sections[0].examples.clear();
        page.kinds.clear();
        page.loss.clear();
        page.scores.clear();
        page.threshold = f64::NAN;
        let empty = page.render().unwrap();
        assert!(is_balanced(&empty) && !empty.contains("NaN"));
    }

    #[test]
    fn verdicts_are_judged_by_the_truth() {
        let html = page().render().unwrap();
        let places = ["anomaly found", "anomaly missed", "false alarm", "passed as good"].map(|words| html.find(words).unwrap());
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
