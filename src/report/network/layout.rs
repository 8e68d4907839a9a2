//! Where the layers of a network are drawn: the way down in the left column, the lowest resolution in the middle, the way up in
//! the right column, with the layers of one resolution in one band.

use crate::model::{Graph, Node, Role};

/// Left edge and width of the three columns.
const LEFT: (f64, f64) = (8.0, 233.0);
const RIGHT: (f64, f64) = (319.0, 233.0);
/// Left of the line that goes up the right column.
const MIDDLE: (f64, f64) = (48.0, 356.0);
/// Between two rows, for an arrow, and between two bands.
const ROW_GAP: f64 = 16.0;
const BAND_GAP: f64 = 18.0;

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Place {
    pub(super) fn centre(&self) -> f64 {
        self.x + 0.5 * self.width
    }

    pub(super) fn middle(&self) -> f64 {
        self.y + 0.5 * self.height
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub(super) fn right(&self) -> f64 {
        self.x + self.width
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Left,
    Middle,
    Right,
}

/// The layers of one resolution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Band {
    /// Height and width of the images; None for vectors.
    pub(super) extent: Option<(usize, usize)>,
    pub(super) top: f64,
    pub(super) bottom: f64,
    /// Whether its layers are in the middle, so that there is no room for words between the columns.
    pub(super) is_middle: bool,
}

/// The place of every layer, and the bands from top to bottom.
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    pub(super) bands: Vec<Band>,
}

/// Height and width of a layer's result, if it is an image.
fn extent(node: &Node) -> Option<(usize, usize)> {
    match node.layer.output.dims() {
        &[_, height, width, _] => Some((height, width)),
        _ => None,
    }
}

fn height(node: &Node) -> f64 {
    match node.role {
        Role::MaxPool | Role::Upsample => 24.0,
        Role::StackedDilated(_) => 64.0,
        _ => 42.0,
    }
}

impl Layout {
    /// The layout below `top`.
    pub(super) fn of(graph: &Graph, top: f64) -> Self {
        let mut extents: Vec<_> = graph.nodes.iter().map(extent).collect();
        extents.sort_by_key(|extent| std::cmp::Reverse(extent.map(|(height, width)| height * width)));
        extents.dedup();
        let columns = columns(graph, extents.last().copied().flatten());
        let mut own = Self { places: vec![Place::default(); graph.nodes.len()], bands: Vec::new() };
        let mut y = top;
        for extent in extents {
            let rows = rows(graph, &columns, extent);
            let start = y;
            y += 0.5 * BAND_GAP;
            for row in rows {
                let tallest = row.iter().map(|&place| height(&graph.nodes[place])).fold(0.0, f64::max);
                for place in row {
                    let (x, width) = match columns[place] {
                        Column::Left => LEFT,
                        Column::Middle => MIDDLE,
                        Column::Right => RIGHT,
                    };
                    let height = height(&graph.nodes[place]);
                    own.places[place] = Place { x, y: y + 0.5 * (tallest - height), width, height };
                }
                y += tallest + ROW_GAP;
            }
            y += 0.5 * BAND_GAP - ROW_GAP;
            let is_middle =
                (0..columns.len()).any(|place| columns[place] == Column::Middle && self::extent(&graph.nodes[place]) == extent);
            own.bands.push(Band { extent, top: start, bottom: y, is_middle });
        }
        own
    }
}

/// The column of every layer: on the right once the network has begun to upsample, in the middle at the lowest resolution before
/// that.
fn columns(graph: &Graph, lowest: Option<(usize, usize)>) -> Vec<Column> {
    let mut is_up = false;
    let column = |node: &Node| {
        is_up |= node.role == Role::Upsample;
        match is_up {
            true => Column::Right,
            false if extent(node) == lowest => Column::Middle,
            false => Column::Left,
        }
    };
    graph.nodes.iter().map(column).collect()
}

/// The rows of a band from top to bottom, each with the layers in it. A layer on the left that skips to one on the right is in
/// its row, if there is room.
fn rows(graph: &Graph, columns: &[Column], band: Option<(usize, usize)>) -> Vec<Vec<usize>> {
    let of = |column: Column| -> Vec<usize> {
        (0..graph.nodes.len()).filter(|&place| columns[place] == column && extent(&graph.nodes[place]) == band).collect()
    };
    let (left, middle, mut right) = (of(Column::Left), of(Column::Middle), of(Column::Right));
    right.reverse();
    let count = left.len().max(right.len());
    let free = count - left.len();
    let shift = left.iter().enumerate().find_map(|(at, place)| {
        let row = right.iter().position(|&other| graph.nodes[other].inputs.contains(&Some(*place)))?;
        Some((count - right.len() + row).saturating_sub(at).min(free))
    });
    let mut rows = vec![Vec::new(); count];
    for (at, place) in left.into_iter().enumerate() {
        rows[at + shift.unwrap_or(0)].push(place);
    }
    let below = count - right.len();
    for (at, place) in right.into_iter().enumerate() {
        rows[at + below].push(place);
    }
    rows.extend(middle.into_iter().map(|place| vec![place]));
    rows
}
