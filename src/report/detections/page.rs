//! `index.html` beside the results: all pictures, the worst first.

use std::path::Path;

use super::counts::Counts;
use super::finding::Verdict;
use super::parts::{JSON, Part, Parts};
use super::row::{Judged, Row};
use super::score::{beside, plain};
use crate::detect::{Cutoffs, Threshold};
use crate::report::document::{card, document, facts, header};
use crate::report::html::escape;
use crate::report::number::readable;
use crate::report::steering::harmless;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const CONTROLS: &str = include_str!("controls.html");
const VIEWER: &str = include_str!("viewer.html");

/// The parts that a browser shows, the one that stands for the picture first.
const SHOWN: [Part; 4] = [Part::Overlay, Part::Heatmap, Part::Mask, Part::Reconstruction];

/// The content of the page. It shows the files that were saved by links relative to its folder, so that both can be moved
/// together.
pub struct Page<'a> {
    /// All pictures.
    pub rows: &'a [Row],
    /// The files that were saved.
    pub parts: &'a Parts,
    /// The thresholds that the program has used.
    pub cutoffs: Cutoffs,
    /// Whether the model knows what its training images look like.
    pub knows_training: bool,
    /// Names and values that identify the model.
    pub facts: Vec<(String, String)>,
    /// Sentences about the verdicts.
    pub notes: Vec<String>,
}

impl Page<'_> {
    /// The page as one HTML document. It works without its script, as a table.
    pub fn render(&self) -> String {
        let counts = Counts::of(self.rows);
        let body = [
            header(&counts.to_string(), self.subtitle()),
            self.numbers(counts),
            self.pictures(),
            VIEWER.to_owned(),
            format!("<script>\n{SCRIPT}</script>\n"),
        ];
        document(&counts.to_string(), STYLE, &body.concat())
    }

    fn subtitle(&self) -> &'static str {
        match self.cutoffs.image {
            Some(threshold) if threshold.value > 0.0 => {
                "Images by their score, the worst first; the mark on each bar is the image threshold"
            }
            _ => "Images by their score, the worst first",
        }
    }

    fn numbers(&self, counts: Counts) -> String {
        let threshold = |label: &str, own: Option<Threshold>, without: &str| match own {
            Some(own) => card(label, &exact(own.value), &own.origin.to_string()),
            None => card(label, "none", without),
        };
        let cards = [
            threshold("image threshold", self.cutoffs.image, "no verdicts: give --threshold"),
            threshold("pixel threshold", self.cutoffs.pixel, "no masks and regions: give --pixel-threshold"),
            match self.knows_training {
                true => {
                    card("unlike the training images", &counts.unlike.to_string(), "the verdict about such an image means little")
                }
                false => card("unlike the training images", "not known", "the model does not record what they look like"),
            },
            card("skipped", &counts.skipped.to_string(), "files that could not be inspected"),
        ];
        let note = |text: &String| format!("<p class=\"note\">{}</p>\n", escape(text));
        format!(
            "<section>\n<dl class=\"cards\">\n{}</dl>\n{}{}</section>\n",
            cards.concat(),
            self.notes.iter().map(note).collect::<String>(),
            facts(&self.facts)
        )
    }

    fn pictures(&self) -> String {
        let shown: Vec<Part> = SHOWN.into_iter().filter(|part| self.parts.contains(part)).collect();
        let mut order: Vec<&Row> = self.rows.iter().collect();
        order.sort_by(|a, b| score(b).total_cmp(&score(a)));
        let parts: Vec<String> = shown.iter().map(|part| format!("{}{}", part.word(), part.ending())).collect();
        let parts: Vec<String> = parts.iter().map(|part| escape(part)).collect();
        let rows: String = order.into_iter().map(|row| table_row(row, shown.first().copied())).collect();
        let pictures = if shown.is_empty() { " plain" } else { "" };
        format!(
            "<section class=\"pictures{pictures}\" data-parts=\"{}\">\n<h2>Images</h2>\n{}<table>\n<thead><tr>{}</tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n<p class=\"none note\" hidden>No image is like that.</p>\n</section>\n",
            parts.join(" "),
            CONTROLS.replace("{views}", &views(&shown)),
            HEADINGS.map(|heading| format!("<th scope=\"col\">{heading}</th>")).concat()
        )
    }
}

/// The keys that show one of the saved parts each.
fn views(shown: &[Part]) -> String {
    let key = |(place, part): (usize, &Part)| format!("<span><kbd>{}</kbd> {}</span>", place + 1, part.word());
    shown.iter().enumerate().map(key).collect()
}

const HEADINGS: [&str; 6] = ["Image", "Name", "Verdict", "Score", "Regions", "Largest region"];

/// What a picture is sorted by: skipped ones come last.
fn score(row: &Row) -> f64 {
    row.result.as_ref().map_or(f64::NEG_INFINITY, |judged| judged.score)
}

/// A threshold as the program has it, in parentheses behind a short form if it has many digits.
fn exact(value: f64) -> String {
    let exact = format!("{value:?}");
    if exact.len() <= 8 { exact } else { format!("{} ({exact})", readable(value, 4)) }
}

fn table_row(row: &Row, first: Option<Part>) -> String {
    let verdict = row.verdict();
    let stem = address(&row.name);
    let name = escape(&harmless(&crate::data::shown(row.name.as_os_str())));
    let link = match verdict {
        Verdict::Skipped => format!("<bdi>{}</bdi>", escape(&row.image)),
        _ => format!("<a href=\"{stem}{JSON}\"><bdi>{name}</bdi></a>"),
    };
    let warning = row.warning().map(|text| format!("<small class=\"warning\">{}</small>", escape(text))).unwrap_or_default();
    let reason = row.result.as_ref().err().map(|text| format!("<small>{}</small>", escape(text))).unwrap_or_default();
    let picture = match (&row.result, first) {
        (Ok(judged), Some(part)) => picture(judged, &format!("{stem}{}", part.ending())),
        _ => String::new(),
    };
    let unlike = if row.warning().is_some() { " unlike" } else { "" };
    let known = row.result.as_ref().map(|judged| format!(" data-stem=\"{stem}\"{}", frame(judged))).unwrap_or_default();
    format!(
        "<tr class=\"{word}{unlike}\"{known}><td class=\"picture\">{picture}</td><th scope=\"row\">{link}{warning}{reason}</th>\
         <td><span class=\"verdict {class}\">{word}</span></td>{}</tr>\n",
        numbers(row.result.as_ref().ok()),
        word = verdict.word(),
        class = match verdict {
            Verdict::Anomalous => "wrong",
            Verdict::Normal => "right",
            Verdict::Unknown | Verdict::Skipped => "neither",
        }
    )
}

fn picture(judged: &Judged, address: &str) -> String {
    let (height, width) = judged.size;
    let class = if height > width { " class=\"tall\"" } else { "" };
    format!(
        "<a href=\"{address}\"><img{class} src=\"{address}\" alt=\"\" width=\"{width}\" height=\"{height}\" loading=\"lazy\" decoding=\"async\"></a>"
    )
}

/// The size of a picture and the box of its largest region, for the enlarged view.
fn frame(judged: &Judged) -> String {
    let (height, width) = judged.size;
    let region = judged.largest.map(|own| format!(" data-box=\"{} {} {} {}\"", own.top, own.left, own.height, own.width));
    format!(" data-size=\"{height} {width}\"{}", region.unwrap_or_default())
}

/// Score, regions, and the largest of them.
fn numbers(judged: Option<&Judged>) -> String {
    let Some(judged) = judged else { return "<td></td><td></td><td></td>".to_owned() };
    let (score, threshold) = match judged.threshold {
        Some(threshold) => beside(judged.score, threshold),
        None => (plain(judged.score), String::new()),
    };
    let meter = judged.threshold.filter(|threshold| *threshold > 0.0).map(|threshold| {
        // 50 % at the threshold, and never quite 100 %.
        let place = 100.0 * judged.score.max(0.0) / (judged.score.max(0.0) + threshold);
        format!("<span class=\"meter\" style=\"--at:{place:.1}%\"></span>")
    });
    let regions = if judged.pixel_threshold.is_some() { judged.regions.to_string() } else { "–".to_owned() };
    let largest = judged.largest.map(|own| {
        format!(
            "{}\u{a0}px<span>, </span><small>{}\u{a0}high and {}\u{a0}wide, at row\u{a0}{}, column\u{a0}{}; peak\u{a0}{}</small>",
            own.area,
            own.height,
            own.width,
            own.top,
            own.left,
            plain(own.peak)
        )
    });
    let of = if threshold.is_empty() { String::new() } else { format!(" title=\"threshold {threshold}\"") };
    format!(
        "<td class=\"score\"{of}>{score}{}</td><td class=\"regions\">{regions}</td><td class=\"largest\">{}</td>",
        meter.unwrap_or_default(),
        largest.unwrap_or_default()
    )
}

/// A relative path as an address: every byte that means something in one is written as `%xx`.
fn address(path: &Path) -> String {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    let part = |part: std::path::Component<'_>| part.as_os_str().as_encoded_bytes().iter().map(encode).collect::<String>();
    path.components().map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::super::row::examples;
    use super::*;
    use crate::report::document::is_balanced;

    fn page(parts: &[Part]) -> String {
        let rows = examples();
        let parts = parts.iter().copied().collect();
        let cutoffs = Cutoffs::given(Some(1.5), Some(0.123_456_789_012));
        let facts = vec![("model".to_owned(), "<m>".to_owned())];
        Page { rows: &rows, parts: &parts, cutoffs, knows_training: true, facts, notes: vec!["a & b".to_owned()] }.render()
    }

    #[test]
    fn the_worst_comes_first_and_skipped_pictures_last() {
        let html = page(&Part::ALL);
        let places = ["worst.json", "quoted", "odd.json", "b/plain.json", "in/broken.png"].map(|name| html.find(name).unwrap());
        assert!(places.is_sorted(), "{places:?}");
        assert!(html.contains("<h1>2 of 4 anomalous, 1 skipped</h1>") && html.contains("is empty (0 bytes)"));
        // The signs of the script are no tags.
        let (before, rest) = html.split_once("<script>").unwrap();
        let markup = format!("{before}{}", rest.split_once("</script>").unwrap().1);
        assert!(is_balanced(&markup.replace("<input", "<img")), "not balanced");
    }

    #[test]
    fn names_are_escaped_as_text_and_as_addresses() {
        let html = page(&Part::ALL);
        assert!(html.contains(
            "href=\"a%20%3C%26%3E%20%22quoted%22%2C%20100%25.json\"><bdi>a &lt;&amp;&gt; &quot;quoted&quot;, 100%</bdi>"
        ));
        assert!(html.contains("src=\"b/plain_overlay.png\"") && html.contains("&lt;m&gt;") && html.contains("a &amp; b"));
        assert!(!html.contains("<m>") && !html.contains("\"quoted\""));
    }

    #[test]
    fn verdicts_and_thresholds_are_those_of_the_program() {
        let html = page(&Part::ALL);
        // With five decimals the score would be the threshold.
        assert!(html.contains("title=\"threshold 1.500000000\">1.500000001<"), "{html}");
        assert!(html.contains("<dd class=\"value\">1.5</dd>") && html.contains("<small>(0.123456789012)</small>"));
        assert_eq!(html.matches("verdict wrong\">anomalous<").count(), 2);
        assert_eq!(html.matches("verdict right\">normal<").count(), 2);
        assert!(
            html.contains("data-box=\"3 1 2 4\"")
                && html.contains(
                    "7\u{a0}px<span>, </span><small>2\u{a0}high and 4\u{a0}wide, at row\u{a0}3, column\u{a0}1; peak\u{a0}0.50000"
                )
        );
    }

    #[test]
    fn only_saved_files_are_shown_and_none_is_inside_the_page() {
        let html = page(&[Part::Map, Part::Mask, Part::Heatmap]);
        assert!(html.contains("data-parts=\"heatmap_heatmap.png mask_mask.png\"") && html.contains("src=\"worst_heatmap.png\""));
        assert_eq!(html.matches("loading=\"lazy\"").count(), 4);
        assert!(!html.contains("overlay.png") && !html.contains("data:"));
        // A key for each of them, in the order of `data-parts`, and no other number.
        assert!(html.contains("<span><kbd>1</kbd> heatmap</span><span><kbd>2</kbd> mask</span><span><kbd>/</kbd>"), "{html}");
        assert!(!html.contains("<kbd>3</kbd>") && !html.contains("{views}"));
        let html = page(&[]);
        assert!(!html.contains("loading=\"lazy\"") && !html.contains("<kbd>1</kbd>") && html.contains("class=\"pictures plain"));
    }
}
