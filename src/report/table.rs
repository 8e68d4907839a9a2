//! Tables that fit the terminal.

use console::{Style, truncate_str};

use super::steering::harmless;
use super::wrap::{width, wrap};

/// Spaces between two columns: the usual number, and that of a narrow table.
const GAPS: [usize; 2] = [3, 2];
/// Minimum width of a wrapped column. It becomes narrower only if the table does not fit after all optional columns are left out.
const COMFORTABLE: usize = 24;

/// The terminal that a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Its width in characters.
    pub columns: usize,
    /// Whether it shows colour.
    pub colour: bool,
}

impl Screen {
    fn paint(self, style: &Style, text: &str) -> String {
        if self.colour && !text.is_empty() { style.apply_to(text).force_styling(true).to_string() } else { text.to_owned() }
    }
}

/// A column: its heading, the alignment of its cells, and what happens to it in a narrow terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    heading: String,
    right: bool,
    wraps: bool,
    optional: Option<u8>,
}

impl Column {
    /// A column of words, aligned on the left.
    pub fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), right: false, wraps: false, optional: None }
    }

    /// A column of words, aligned on the left. Where the table is too wide, long cells continue on the next line.
    pub fn wrapped(heading: impl Into<String>) -> Self {
        Self { wraps: true, ..Self::text(heading) }
    }

    /// A column of numbers, aligned on the right. Give all its cells the same number of decimals.
    pub fn number(heading: impl Into<String>) -> Self {
        Self { right: true, ..Self::text(heading) }
    }

    /// The same, left out where the table is too wide: columns with the lowest `order` first.
    #[must_use]
    pub fn optional(self, order: u8) -> Self {
        Self { optional: Some(order), ..self }
    }
}

/// One cell. Text alone is a cell without colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A result: green if it is as expected, red and bold if it is not.
    pub fn verdict(text: impl Into<String>, is_right: bool) -> Self {
        let style = if is_right { Style::new().green() } else { Style::new().red().bold() };
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), style: Style::new() }
    }
}

/// A table with a title. Cells missing at the end of a row are empty; cells beyond the last column are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    cells: Vec<Cell>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usual,
    Summary,
    Section,
}

/// The columns that fit on a screen.
struct Layout {
    shown: Vec<usize>,
    widths: Vec<usize>,
    gap: usize,
}

impl Table {
    /// A table without rows. An empty title is not shown.
    pub fn new(title: impl Into<String>, columns: impl Into<Vec<Column>>) -> Self {
        let columns = columns.into().into_iter().map(|column| Column { heading: harmless(&column.heading), ..column });
        Self { title: harmless(&title.into()), columns: columns.collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<T: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.push(cells, Kind::Usual);
    }

    /// Adds a row under a rule, such as the mean of the rows above it.
    pub fn summary<T: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.push(cells, Kind::Summary);
    }

    /// Adds a heading above the rows that follow, after an empty line.
    pub fn section(&mut self, words: impl Into<String>) {
        self.push([words.into()], Kind::Section);
    }

    fn push<T: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = T>, kind: Kind) {
        let cells = cells.into_iter().map(Into::into).map(|Cell { text, style }| Cell { text: harmless(&text), style });
        self.rows.push(Row { cells: cells.collect(), kind });
    }

    /// The table as lines no wider than the screen, with a line break at the end. Where the screen is too narrow, headings and
    /// wrapped columns continue on the next line, then optional columns are left out, and a last line names them. Words are never
    /// broken; a word wider than the screen is truncated with an ellipsis.
    pub fn render(&self, screen: Screen) -> String {
        let layout = self.layout(screen.columns);
        let bold = Style::new().bold();
        let words =
            |text: &str| wrap(text, screen.columns).into_iter().map(|line| screen.paint(&bold, &line)).collect::<Vec<_>>();
        let rule = layout.widths.iter().map(|&width| "─".repeat(width)).collect::<Vec<_>>().join(&" ".repeat(layout.gap));
        let mut lines = Vec::new();
        if !self.title.is_empty() {
            lines.extend(words(&self.title));
            lines.push(String::new());
        }
        lines.extend(self.lines(&layout, screen, |index| (self.columns[index].heading.as_str(), bold.clone())));
        lines.push(rule.clone());
        let mut before = Kind::Usual;
        for Row { cells, kind } in &self.rows {
            let cell =
                |index: usize| cells.get(index).map_or(("", Style::new()), |cell| (cell.text.as_str(), cell.style.clone()));
            if *kind == Kind::Summary && before != Kind::Summary {
                lines.push(rule.clone());
            }
            if *kind == Kind::Section {
                lines.push(String::new());
                lines.extend(words(cell(0).0));
            } else {
                lines.extend(self.lines(&layout, screen, cell));
            }
            before = *kind;
        }
        lines.extend(self.left_out(&layout).iter().flat_map(|sentence| wrap(sentence, screen.columns)));
        lines.join("\n") + "\n"
    }

    /// Names the columns that do not fit on the screen.
    fn left_out(&self, layout: &Layout) -> Option<String> {
        let hidden = (0..self.columns.len()).filter(|index| !layout.shown.contains(index));
        let names: Vec<&str> = hidden.map(|index| self.columns[index].heading.as_str()).collect();
        (!names.is_empty()).then(|| format!("(columns that do not fit: {})", names.join(", ")))
    }

    /// The lines of one row; their number is that of its longest cell.
    fn lines<'a>(&self, layout: &Layout, screen: Screen, cell: impl Fn(usize) -> (&'a str, Style)) -> Vec<String> {
        let cells: Vec<_> =
            layout.shown.iter().zip(&layout.widths).map(|(&index, &width)| (wrap(cell(index).0, width), width)).collect();
        let count = cells.iter().map(|(lines, _)| lines.len()).max().unwrap_or(1);
        let part = |line: usize, column: usize, lines: &[String], columns: usize| {
            let text = truncate_str(lines.get(line).map_or("", String::as_str), columns, "…");
            let space = " ".repeat(columns - width(&text));
            let text = screen.paint(&cell(column).1, &text);
            if self.columns[column].right { space + &text } else { text + &space }
        };
        let line = |line: usize| {
            let parts = layout.shown.iter().zip(&cells).map(|(&column, (lines, width))| part(line, column, lines, *width));
            parts.collect::<Vec<_>>().join(&" ".repeat(layout.gap)).trim_end().to_owned()
        };
        (0..count).map(line).collect()
    }

    /// The first layout that fits: all columns at full width, wrapped, with fewer columns, and finally narrower than the minimum
    /// width.
    fn layout(&self, columns: usize) -> Layout {
        let [wide, narrow] = GAPS;
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        loop {
            let full = self.fit(&shown, Self::full, columns, wide);
            if let Some(layout) = full.or_else(|| self.fit(&shown, Self::wrapped, columns, narrow)) {
                return layout;
            }
            let optional = shown.iter().copied().filter_map(|index| Some((self.columns[index].optional?, index)));
            let Some((_, first)) = optional.min() else { break };
            shown.retain(|&index| index != first);
        }
        let squeezed =
            self.fit(&shown, Self::longest_word, columns, narrow).or_else(|| self.fit(&shown, |_, _| 1, columns, narrow));
        squeezed.unwrap_or_else(|| Layout { widths: vec![1; shown.len()], shown, gap: narrow })
    }

    /// Narrows the widest columns until all fit; None if a column would become narrower than its `least` width.
    fn fit(&self, shown: &[usize], least: fn(&Self, usize) -> usize, columns: usize, gap: usize) -> Option<Layout> {
        let room = columns.saturating_sub(gap * shown.len().saturating_sub(1));
        let floors: Vec<usize> = shown.iter().map(|&index| least(self, index)).collect();
        let mut widths: Vec<usize> = shown.iter().map(|&index| self.full(index)).collect();
        while widths.iter().sum::<usize>() > room {
            let can_shrink = widths.iter_mut().zip(&floors).filter(|(width, floor)| **width > **floor);
            *can_shrink.max_by_key(|(width, _)| **width)?.0 -= 1;
        }
        Some(Layout { shown: shown.to_vec(), widths, gap })
    }

    /// The heading of a column and its cells, without the headings of sections, which extend over all columns.
    fn texts(&self, index: usize) -> (&str, impl Iterator<Item = &str>) {
        let rows = self.rows.iter().filter(|row| row.kind != Kind::Section);
        (&self.columns[index].heading, rows.filter_map(move |row| Some(row.cells.get(index)?.text.as_str())))
    }

    /// The width of a column that is not wrapped.
    fn full(&self, index: usize) -> usize {
        let (heading, cells) = self.texts(index);
        cells.map(width).fold(width(heading), usize::max)
    }

    /// The least width of a column that is still easy to read: headings wrap, and cells where the column wraps.
    fn wrapped(&self, index: usize) -> usize {
        let (heading, cells) = self.texts(index);
        let cells = cells.map(width).max().unwrap_or(0);
        let wraps = self.columns[index].wraps;
        longest_word(heading).max(if wraps { cells.min(COMFORTABLE).max(self.longest_word(index)) } else { cells })
    }

    /// The least width of a column that breaks no word.
    fn longest_word(&self, index: usize) -> usize {
        let (heading, cells) = self.texts(index);
        cells.map(longest_word).fold(longest_word(heading), usize::max)
    }
}

/// The width of the longest word plus the indentation, which [`wrap`] repeats on each line.
fn longest_word(text: &str) -> usize {
    let indent = text.chars().take_while(|&character| character == ' ').count();
    indent + text.split(' ').map(width).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Screen = Screen { columns: 120, colour: false };

    fn sample() -> Table {
        let mut table = Table::new("Test images", [Column::text("category"), Column::number("AUROC"), Column::number("images")]);
        table.row(["capsule", "0.987", "132"]);
        table.row(["x̂ | ŷ", "0.5"]);
        table.summary(["mean", "0.744", "66", "beyond the last column"]);
        table
    }

    #[test]
    fn columns_line_up() {
        let expected = "\
Test images

category   AUROC   images
────────   ─────   ──────
capsule    0.987      132
x̂ | ŷ        0.5
────────   ─────   ──────
mean       0.744       66
";
        assert_eq!(sample().render(WIDE), expected);
    }

    #[test]
    fn a_narrow_screen_wraps_words_then_leaves_columns_out() {
        let columns =
            [Column::wrapped("quantity"), Column::number("per second").optional(2), Column::number("value").optional(1)];
        let mut table = Table::new("", columns);
        table.section("C1  a title over all columns");
        table.row(["  one two three four five six seven", "1.25", "1"]);
        let expected = "\
quantity                      per  value
                           second
────────────────────────  ───────  ─────

C1  a title over all columns
  one two three four         1.25      1
  five six seven
";
        assert_eq!(table.render(Screen { columns: 40, ..WIDE }), expected);
        let fewer = table.render(Screen { columns: 38, ..WIDE });
        assert!(fewer.ends_with("seven\n(columns that do not fit: value)\n"), "{fewer}");
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_no_word_is_broken() {
        let columns = [
            Column::wrapped("what was measured"),
            Column::number("least"),
            Column::number("FLOP per byte").optional(1),
            Column::text("verdict"),
            Column::number("GB/s").optional(2),
        ];
        let mut table = Table::new("a title of several words", columns);
        table.section("a section of several words, and then some more of them");
        table.row(["the projection of a corrupted image onto the manifold", "0.000123", "1234.56", "within noise", "1.0"]);
        let words: Vec<&str> = "the projection of a corrupted image onto the manifold 0.000123 within noise".split(' ').collect();
        for columns in 33..140 {
            let text = table.render(Screen { columns, colour: false });
            assert!(text.lines().all(|line| width(line) <= columns), "{columns}\n{text}");
            let found: Vec<&str> = text.split_whitespace().collect();
            assert!(words.iter().all(|word| found.contains(word)), "{columns}\n{text}");
            assert_eq!(found.contains(&"1234.56"), !found.join(" ").contains("do not fit: FLOP per byte"), "{columns}\n{text}");
        }
        for columns in 5..33 {
            let text = table.render(Screen { columns, colour: false });
            assert!(text.lines().all(|line| width(line) <= columns.max("corrupted".len())), "{columns}\n{text}");
        }
    }

    #[test]
    fn colour_changes_no_width() {
        let mut table = sample();
        table.row([Cell::verdict("failed", false), Cell::verdict("0.1", true)]);
        let coloured = table.render(Screen { colour: true, ..WIDE });
        assert!(
            coloured.contains("\u{1b}[31m\u{1b}[1mfailed\u{1b}[0m") && coloured.contains("\u{1b}[32m0.1\u{1b}[0m"),
            "{coloured:?}"
        );
        assert_eq!(console::strip_ansi_codes(&coloured), table.render(WIDE));
    }

    #[test]
    fn line_breaks_cannot_break_the_table() {
        let mut table = Table::new("", [Column::text("a\nb")]);
        table.row(["c\r\nd"]);
        assert_eq!(table.render(WIDE), "a\\u{a}b\n────────────\nc\\u{d}\\u{a}d\n");
        let mut table = Table::new("", [Column::text("kind")]);
        table.row(["a\u{202e}b\u{2028}c\u{2066}d"]);
        let shown = "a\\u{202e}b\\u{2028}c\\u{2066}d";
        let rule = "─".repeat(shown.len());
        assert_eq!(table.render(WIDE), format!("kind\n{rule}\n{shown}\n"), "signs that turn the direction of writing");
    }
}
