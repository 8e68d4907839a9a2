//! Charts and pictures as data. The theory says what is to be seen, `report` how it looks.

use crate::error::{Error, Result};

/// One figure. `stem` names its files, e.g. `c4_rate` for `c4_rate.svg`.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Lower-case letters, digits and `_`, unique over all claims: begin it with the claim's id.
    pub stem: String,
    /// A heading.
    pub title: String,
    /// One or two sentences: what is drawn and what to look for.
    pub caption: String,
    /// The data.
    pub content: Content,
}

impl Figure {
    /// Checks that files can be named after it.
    ///
    /// # Errors
    /// The stem is empty or holds anything but lower-case letters, digits and `_`.
    pub fn check_stem(&self) -> Result<()> {
        let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.stem.is_empty() || !self.stem.bytes().all(usual) {
            return Err(Error::argument("the stem of a figure is made of lower-case letters, digits and `_`"));
        }
        Ok(())
    }
}

/// What a figure shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Curves over two axes.
    Chart(Chart),
    /// Grey pictures in rows.
    Gallery(Vec<GalleryRow>),
}

/// Curves over two axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// The horizontal axis.
    pub x: AxisSpec,
    /// The vertical axis.
    pub y: AxisSpec,
    /// The curves, in the order of the legend; at most six.
    pub series: Vec<Series>,
}

/// An axis: its title, and whether it is logarithmic (values that are not above 0 are then left out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisSpec {
    /// Quantity and unit.
    pub title: String,
    /// Whether powers of ten are equally far apart.
    pub is_log: bool,
}

impl AxisSpec {
    /// A linear axis.
    pub fn linear(title: impl Into<String>) -> Self {
        Self { title: title.into(), is_log: false }
    }

    /// A logarithmic axis.
    pub fn log(title: impl Into<String>) -> Self {
        Self { title: title.into(), is_log: true }
    }
}

/// Points (x, y) under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its words in the legend.
    pub name: String,
    /// The points, in the order in which a line joins them.
    pub points: Vec<(f64, f64)>,
    /// How they are drawn.
    pub mark: Mark,
}

impl Series {
    /// Points joined by a line.
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, mark: Mark::Line }
    }

    /// Points joined by a dashed line: what is predicted, or the control.
    pub fn dashed(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, mark: Mark::Dashed }
    }

    /// Points alone.
    pub fn dots(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, mark: Mark::Dots }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A line.
    Line,
    /// A dashed line.
    Dashed,
    /// Dots.
    Dots,
}

/// A row of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct GalleryRow {
    /// What the row is about.
    pub label: String,
    /// The pictures, left to right; as many in every row.
    pub pictures: Vec<GreyPicture>,
}

/// A grey picture; 0 is black, 1 white.
#[derive(Clone, Debug, PartialEq)]
pub struct GreyPicture {
    /// A few words or symbols, e.g. `π(x̂)`.
    pub caption: String,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values, row-major.
    pub values: Vec<f64>,
}
