//! The legend of a chart. The width of letters depends on the font of the viewer, so the layout assumes a wide font; with a
//! narrower one the gaps are a little larger.

use super::maths;
use super::style::{Dashes, HEAD, MARGIN, RIGHT, Stroke, Symbol, TEXT, attributes};
use super::wrap::{width, wrap};

/// Average width of a letter in a wide font of 12 pixels.
const LETTER: f64 = 7.2;
/// Pixels between two entries, and between a sample and its text.
const GAP: f64 = 20.0;
const SMALL_GAP: f64 = 6.0;

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    Area,
    /// A line, with the symbol on its points if there is one.
    Line(Dashes, Option<Symbol>),
    Points(Symbol),
}

/// One line of a legend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) colour: &'static str,
    pub(super) opacity: f64,
    pub(super) sample: Sample,
}

/// A legend that has been laid out.
pub(super) struct Legend {
    pub(super) svg: String,
    /// Baseline of the next line of text.
    pub(super) next_baseline: f64,
}

impl Legend {
    /// The legend in one line next to the title of the vertical axis, if there is room.
    pub(super) fn next_to(entries: &[Entry<'_>], title: &str) -> Option<Self> {
        let widths: f64 = entries.iter().map(Entry::width).sum();
        let left = RIGHT - widths - GAP * entries.len().saturating_sub(1) as f64;
        let has_room = left >= MARGIN + LETTER * width(title) as f64 + GAP;
        has_room.then(|| {
            let (mut svg, mut x) = (String::new(), left);
            for entry in entries {
                svg.push_str(&entry.draw(x, HEAD, &[entry.name.to_owned()]));
                x += entry.width() + GAP;
            }
            Self { svg, next_baseline: 0.0 }
        })
    }

    /// The legend in as many lines as it needs, the first at `baseline`, in columns of equal width.
    pub(super) fn from(entries: &[Entry<'_>], baseline: f64) -> Self {
        let widest = entries.iter().map(Entry::width).fold(1.0, f64::max);
        let columns = (((RIGHT - MARGIN + GAP) / (widest + GAP)) as usize).max(1);
        let (mut svg, mut next) = (String::new(), baseline);
        for row in entries.chunks(columns) {
            let line = row.iter().enumerate().map(|(column, entry)| {
                let lines = wrap(entry.name, ((RIGHT - MARGIN - entry.reach()) / LETTER) as usize);
                (entry.draw(MARGIN + column as f64 * (widest + GAP), next, &lines), lines.len())
            });
            let (drawn, lines): (Vec<String>, Vec<usize>) = line.unzip();
            svg.push_str(&drawn.concat());
            next += TEXT * lines.into_iter().max().unwrap_or(1) as f64 + 2.0;
        }
        Self { svg, next_baseline: next }
    }
}

impl Entry<'_> {
    fn sample_width(&self) -> f64 {
        match self.sample {
            Sample::Area => 9.0,
            Sample::Points(_) => 12.0,
            Sample::Line(..) => 28.0,
        }
    }

    /// Pixels from the left end of the sample to the text.
    fn reach(&self) -> f64 {
        self.sample_width() + SMALL_GAP
    }

    /// Pixels of the entry in one line.
    fn width(&self) -> f64 {
        self.reach() + LETTER * width(self.name) as f64
    }

    fn draw(&self, x: f64, baseline: f64, lines: &[String]) -> String {
        let (colour, opacity, middle, right) = (self.colour, self.opacity, baseline - 4.0, x + self.sample_width());
        let sample = match self.sample {
            Sample::Area => {
                format!(
                    r#"<rect x="{x:.1}" y="{:.1}" width="9" height="9" fill="{colour}" fill-opacity="{opacity}"/>"#,
                    baseline - 8.5
                )
            }
            Sample::Points(symbol) => symbol.draw((x + 6.0, middle), colour),
            Sample::Line(dashes, symbol) => {
                let stroke = Stroke { colour, width: 2.2, opacity, dashes };
                let line =
                    format!(r#"<line x1="{x:.1}" x2="{right:.1}" y1="{middle:.1}" y2="{middle:.1}"{}/>"#, attributes(stroke));
                line + &symbol.map(|symbol| symbol.draw((0.5 * (x + right), middle), colour)).unwrap_or_default()
            }
        };
        let words = lines.iter().enumerate().map(|(row, words)| {
            let (x, y) = (right + SMALL_GAP, baseline + TEXT * row as f64);
            format!(r#"<text x="{x:.1}" y="{y:.1}">{}</text>"#, maths::svg(words))
        });
        sample + &words.collect::<String>()
    }
}

/// `text` in lines that fit into a chart, bold or not.
pub(super) fn text_lines(text: &str) -> Vec<String> {
    wrap(text, ((RIGHT - MARGIN) / (1.1 * LETTER)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries<'a>(names: &[&'a str]) -> Vec<Entry<'a>> {
        names
            .iter()
            .map(|name| Entry { name, colour: "#000000", opacity: 1.0, sample: Sample::Line(Dashes::None, None) })
            .collect()
    }

    /// (x, baseline, words) of every text.
    fn texts(svg: &str) -> Vec<(f64, f64, String)> {
        let text = |tail: &str| {
            let parts: Vec<&str> = tail.split('"').collect();
            let words = tail.split('>').nth(1).unwrap().split('<').next().unwrap();
            (parts[1].parse().unwrap(), parts[3].parse().unwrap(), words.to_owned())
        };
        svg.split("<text").skip(1).map(text).collect()
    }

    #[test]
    fn few_short_names_are_next_to_the_title() {
        let legend = Legend::next_to(&entries(&["measured", "predicted"]), "error").unwrap();
        let found = texts(&legend.svg);
        assert_eq!((found.len(), found[0].1, found[1].1), (2, HEAD, HEAD));
        assert!(found[0].0 > 100.0 && found[0].0 + 8.0 * LETTER < found[1].0);
        assert!(Legend::next_to(&entries(&["measured", "predicted"]), &"long ".repeat(12)).is_none());
    }

    #[test]
    fn long_names_are_neither_cut_nor_overlap() {
        let long = "a very long name ".repeat(9);
        let names =
            ["one", long.trim(), "three", "four of some length that takes its place", "five as well, and not short", "six"];
        let legend = Legend::from(&entries(&names), 300.0);
        let found = texts(&legend.svg);
        let words: Vec<&str> = found.iter().flat_map(|text| text.2.split(' ')).collect();
        assert_eq!(words, names.iter().flat_map(|name| name.split(' ')).collect::<Vec<_>>());
        assert!(found.iter().all(|(x, y, words)| x + LETTER * width(words) as f64 <= RIGHT + 0.1 && *y < legend.next_baseline));
        for pair in found.windows(2) {
            assert!(pair[1].1 > pair[0].1 || pair[0].0 + LETTER * width(&pair[0].2) as f64 + 20.0 < pair[1].0, "{pair:?}");
        }
    }
}
