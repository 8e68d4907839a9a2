//! Charts and images as data. The theory decides what is shown, `report` how it is drawn.

use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::bits;

use crate::error::{Error, Result};

/// One figure. `stem` is the stem of its file names, e.g. `c4_rate` for `c4_rate.svg`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Lower-case letters, digits and `_`; unique over all claims, so it starts with the claim's id.
    pub stem: String,
    /// The heading.
    pub title: String,
    /// One or two sentences: what is drawn and what to look at.
    pub caption: String,
    /// The data.
    pub content: Content,
}

impl Figure {
    /// Checks that the stem is a valid file name.
    ///
    /// # Errors
    /// The stem is empty or contains other characters than lower-case letters, digits and `_`.
    pub fn check_stem(&self) -> Result<()> {
        let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.stem.is_empty() || !self.stem.bytes().all(usual) {
            return Err(Error::argument("the stem of a figure must consist of lower-case letters, digits and `_`"));
        }
        Ok(())
    }
}

/// The content of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// Curves over two axes.
    Chart(Chart),
    /// Rows of grey images.
    Gallery(Vec<GalleryRow>),
}

impl Content {
    /// Curves over a horizontal and a vertical axis.
    pub fn chart([x, y]: [AxisSpec; 2], series: Vec<Series>) -> Self {
        Self::Chart(Chart { x, y, series })
    }
}

/// Curves over two axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// The horizontal axis.
    pub x: AxisSpec,
    /// The vertical axis.
    pub y: AxisSpec,
    /// The curves, in the order of the legend, at most six.
    pub series: Vec<Series>,
}

/// An axis. On a logarithmic axis values that are not above 0 are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisSpec {
    /// Quantity and unit.
    pub title: String,
    /// Whether the axis is logarithmic.
    pub is_log: bool,
    /// Names of the categories 1, 2, …; empty for an axis of numbers.
    pub names: Vec<String>,
}

impl AxisSpec {
    /// A linear axis.
    pub fn linear(title: impl Into<String>) -> Self {
        Self { title: title.into(), is_log: false, names: vec![] }
    }

    /// An axis with the categories 1, 2, ….
    pub fn categories(title: impl Into<String>, names: Vec<String>) -> Self {
        Self { names, ..Self::linear(title) }
    }

    /// A logarithmic axis.
    pub fn log(title: impl Into<String>) -> Self {
        Self { is_log: true, ..Self::linear(title) }
    }
}

/// A named series of points (x, y).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// The points, in the order in which a line connects them.
    #[serde(with = "bits::pairs")]
    pub points: Vec<(f64, f64)>,
    /// Smallest and largest y of each point over several seeds; empty for one seed.
    #[serde(with = "bits::pairs")]
    pub spread: Vec<(f64, f64)>,
    /// How they are drawn.
    pub mark: Mark,
}

impl Series {
    /// Points connected by a line.
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, spread: vec![], mark: Mark::Line }
    }

    /// Points connected by a dashed line, for predictions and controls.
    pub fn dashed(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { mark: Mark::Dashed, ..Self::line(name, points) }
    }

    /// Single points.
    pub fn dots(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { mark: Mark::Dots, ..Self::line(name, points) }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// A line.
    Line,
    /// A dashed line.
    Dashed,
    /// Dots.
    Dots,
}

/// A row of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryRow {
    /// Label of the row.
    pub label: String,
    /// The images from left to right; the same number in every row.
    pub images: Vec<GalleryImage>,
}

/// An image of a gallery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryImage {
    /// A few words or symbols, e.g. `π(x̂)`.
    pub caption: String,
    /// Values `[height, width]`.
    #[serde(with = "bits::matrix")]
    pub values: Array2<f64>,
    /// How values become colours.
    pub colours: Colours,
}

/// How the values of an image become colours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Colours {
    /// 0 is black, 1 is white.
    Grey,
    /// From -`limit` (dark blue) over 0 (grey) to `limit` (pale orange); lighter all the way.
    Signed {
        /// Largest absolute value on the scale.
        #[serde(with = "bits")]
        limit: f64,
    },
}

impl GalleryImage {
    /// A grey image of `side` columns from its values, row by row; values of an incomplete last row are left out.
    pub fn grey(caption: &str, side: usize, values: &Array1<f64>) -> Self {
        let rows = values.len() / side.max(1);
        let values = Array2::from_shape_fn((rows, side), |(row, column)| values[row * side + column]);
        Self { caption: caption.into(), values, colours: Colours::Grey }
    }
}
