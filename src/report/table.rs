//! Aligned tables, as plain text for terminals and as Markdown.

use super::wrap::{width, wrap};

/// Characters between two columns of a plain table.
const GAP: &str = "   ";

/// A column: its heading and on which side its cells are aligned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    heading: String,
    right: bool,
    widest: usize,
}

impl Column {
    /// A column of words, aligned on the left.
    pub fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), right: false, widest: usize::MAX }
    }

    /// A column of words, aligned on the left. In plain text, cells with more than `widest` characters go on below.
    pub fn wrapped(heading: impl Into<String>, widest: usize) -> Self {
        Self { widest, ..Self::text(heading) }
    }

    /// A column of numbers, aligned on the right. Give all its cells the same number of decimals.
    pub fn number(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), right: true, widest: usize::MAX }
    }
}

/// A titled table. Cells that are missing at the end of a row are drawn empty, cells beyond the last column are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    gap: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    cells: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usual,
    Summary,
    Section,
}

impl Table {
    /// A table without rows. An empty title is not drawn.
    pub fn new(title: impl Into<String>, columns: impl Into<Vec<Column>>) -> Self {
        Self { title: title.into(), columns: columns.into(), rows: Vec::new(), gap: GAP }
    }

    /// The same with columns closer to each other.
    #[must_use]
    pub fn narrow(self) -> Self {
        Self { gap: "  ", ..self }
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.push(cells, Kind::Usual);
    }

    /// Adds a row set apart from those above it, such as their mean: under a rule, or in bold in Markdown.
    pub fn summary<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.push(cells, Kind::Summary);
    }

    /// Adds a line of words over the rows that follow: after an empty line, or in bold in Markdown.
    pub fn section(&mut self, words: impl Into<String>) {
        self.push([words.into()], Kind::Section);
    }

    fn push<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>, kind: Kind) {
        self.rows.push(Row { cells: cells.into_iter().map(Into::into).collect(), kind });
    }

    /// The table as lines of equal columns, for a terminal or a log file. Ends with a line break.
    pub fn plain(&self) -> String {
        let widths = self.widths();
        let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        let mut lines = Vec::new();
        if !self.title.is_empty() {
            lines.extend([one_line(&self.title), String::new()]);
        }
        lines.push(self.line(&widths, &self.headings()));
        lines.push(rule.join(self.gap));
        let mut before = Kind::Usual;
        for row in &self.rows {
            match row.kind {
                Kind::Section => lines.extend([String::new(), self.cells(row).concat()]),
                Kind::Summary if before != Kind::Summary => lines.push(rule.join(self.gap)),
                _ => (),
            }
            if row.kind != Kind::Section {
                lines.extend(self.lines(&widths, &self.cells(row)));
            }
            before = row.kind;
        }
        lines.join("\n") + "\n"
    }

    /// The table in GitHub-flavoured Markdown, the title in bold above it. Ends with a line break.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let mut lines = Vec::new();
        if !self.title.is_empty() {
            lines.extend([format!("**{}**", markdown_text(&self.title)), String::new()]);
        }
        lines.push(line(self.headings().iter().map(|cell| markdown_text(cell)).collect()));
        lines.push(format!(
            "|{}|",
            self.columns.iter().map(|c| if c.right { "---:" } else { "---" }).collect::<Vec<_>>().join("|")
        ));
        for row in &self.rows {
            let emphasis = if row.kind == Kind::Usual { "" } else { "**" };
            let cells = self.cells(row).into_iter().map(|cell| {
                let text = markdown_text(&cell);
                if text.is_empty() { text } else { format!("{emphasis}{text}{emphasis}") }
            });
            lines.push(line(cells.collect()));
        }
        lines.join("\n") + "\n"
    }

    fn headings(&self) -> Vec<String> {
        self.columns.iter().map(|column| one_line(&column.heading)).collect()
    }

    /// The cells of `row`, exactly one for each column.
    fn cells(&self, row: &Row) -> Vec<String> {
        (0..self.columns.len()).map(|index| row.cells.get(index).map_or(String::new(), |cell| one_line(cell))).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings().iter().map(|heading| width(heading)).collect();
        for row in self.rows.iter().filter(|row| row.kind != Kind::Section) {
            for ((widest, column), cell) in widths.iter_mut().zip(&self.columns).zip(self.cells(row)) {
                let lines = wrap(&cell, column.widest);
                *widest = (*widest).max(lines.iter().map(|line| width(line)).max().unwrap_or(0));
            }
        }
        widths
    }

    /// The lines of one row: as many as its longest cell needs.
    fn lines(&self, widths: &[usize], cells: &[String]) -> Vec<String> {
        let cells: Vec<Vec<String>> = cells.iter().zip(&self.columns).map(|(cell, column)| wrap(cell, column.widest)).collect();
        let count = cells.iter().map(Vec::len).max().unwrap_or(1);
        let line = |index: usize| cells.iter().map(|lines| lines.get(index).cloned().unwrap_or_default()).collect::<Vec<_>>();
        (0..count).map(|index| self.line(widths, &line(index))).collect()
    }

    fn line(&self, widths: &[usize], cells: &[String]) -> String {
        let padded = self.columns.iter().zip(widths).zip(cells).map(|((column, &widest), cell)| {
            let space = " ".repeat(widest.saturating_sub(width(cell)));
            if column.right { space + cell } else { format!("{cell}{space}") }
        });
        padded.collect::<Vec<_>>().join(self.gap).trim_end().to_owned()
    }
}

/// `text` without line breaks and other control characters, which would tear the table.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn markdown_text(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new("Test images", [Column::text("category"), Column::number("AUROC"), Column::number("images")]);
        table.row(["capsule", "0.987", "132"]);
        table.row(["x̂ | ŷ", "0.5"]);
        table.summary(["mean", "0.744", "66", "beyond the last column"]);
        table
    }

    #[test]
    fn plain_columns_line_up() {
        let expected = "\
Test images

category   AUROC   images
────────   ─────   ──────
capsule    0.987      132
x̂ | ŷ        0.5
────────   ─────   ──────
mean       0.744       66
";
        assert_eq!(sample().plain(), expected);
    }

    #[test]
    fn markdown_escapes_bars_and_marks_alignment() {
        let expected = "\
**Test images**

| category | AUROC | images |
|---|---:|---:|
| capsule | 0.987 | 132 |
| x̂ \\| ŷ | 0.5 |  |
| **mean** | **0.744** | **66** |
";
        assert_eq!(sample().markdown(), expected);
    }

    #[test]
    fn long_words_go_on_below_and_sections_part_rows() {
        let mut table = Table::new("", [Column::wrapped("quantity", 10), Column::number("value")]);
        table.section("C1  a title wider than its table");
        table.row(["  one two three", "1"]);
        let expected = "\
quantity    value
─────────   ─────

C1  a title wider than its table
  one two       1
  three
";
        assert_eq!(table.plain(), expected);
        assert!(table.markdown().ends_with("| **C1  a title wider than its table** |  |\n|   one two three | 1 |\n"));
    }

    #[test]
    fn line_breaks_cannot_tear_the_table() {
        let mut table = Table::new("", [Column::text("a\nb")]);
        table.row(["c\r\nd"]);
        assert_eq!(table.plain(), "a b\n────\nc  d\n");
        assert_eq!(table.markdown().lines().count(), 3);
    }
}
