//! Two-dimensional textures on a strip: its columns are the letters of a transition graph, so the nearest one is found exactly.

use ndarray::Array1;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::claim::Check;
use crate::theory::figure::{Colours, Content, Figure, GalleryImage, GalleryRow};
use crate::theory::statistics::larger;
use crate::theory::transition_set::TransitionSet;

/// Cells of a column, and number of columns.
const HEIGHT: usize = 12;
const LENGTH: usize = 16;
/// Columns of the corrupted part of a chessboard, more than half.
const REPLACED: usize = 10;

/// Hard squares, 0s and 1s without two 1s side by side or one above the other; and chessboards, 0s and 1s without two equal
/// neighbours, of which there are two.
pub(super) struct Strips {
    squares: TransitionSet,
    chessboards: TransitionSet,
}

/// One corrupted texture: values by columns.
struct Corrupted {
    x: Array1<f64>,
    z: Array1<f64>,
    region: Vec<bool>,
}

impl Strips {
    pub(super) fn new() -> Result<Self> {
        let is_free = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a * b == 0);
        let differs = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a != b);
        Ok(Self { squares: strip(HEIGHT, 2, is_free)?, chessboards: strip(HEIGHT, 2, differs)? })
    }

    pub(super) fn check(&self, stream: &mut Stream, trials: usize) -> Result<Check> {
        let mut found = Vec::with_capacity(trials);
        for _ in 0..trials {
            let side = 1 + stream.below(HEIGHT as u32 - 1) as usize;
            found.push(self.square(side, stream)?);
        }
        // With a share of the cells off S changed besides.
        let largest = |share: f64| found.iter().map(|corrupted| corrupted.change_of_bound(share)).fold(0.0, larger);
        Check::at_most("largest ‖(z-x) off S‖² / |∂S|Δ², hard squares, S a square", 1.0, largest(0.0), 1e-12, "an inequality")
            .control("chessboards", self.chessboard()?.change_of_bound(0.0))
            .notices("the share ε of all cells off S changes, too", |share| Ok(largest(share)))
    }

    /// A normal texture whose square of this side is replaced by another one.
    fn square(&self, side: usize, stream: &mut Stream) -> Result<Corrupted> {
        let [x, other] = [(); 2].map(|()| self.squares.values(&self.squares.sample(LENGTH, stream)));
        let top = stream.below((HEIGHT - side + 1) as u32) as usize;
        let left = stream.below((LENGTH - side + 1) as u32) as usize;
        let region = (0..x.len())
            .map(|cell| (left..left + side).contains(&(cell / HEIGHT)) && (top..top + side).contains(&(cell % HEIGHT)));
        Corrupted::new(&self.squares, x, &other, region.collect())
    }

    /// A chessboard whose larger part is replaced by the other one.
    fn chessboard(&self) -> Result<Corrupted> {
        let board =
            |shift: usize| Array1::from_shape_fn(HEIGHT * LENGTH, |cell| ((cell / HEIGHT + cell % HEIGHT + shift) % 2) as f64);
        let region = (0..HEIGHT * LENGTH).map(|cell| cell / HEIGHT < REPLACED).collect();
        Corrupted::new(&self.chessboards, board(0), &board(1), region)
    }

    pub(super) fn figure(&self, stream: &mut Stream) -> Result<Figure> {
        let rows = [("hard squares", self.square(8, stream)?), ("chessboard", self.chessboard()?)];
        let row = |(label, corrupted): &(&str, Corrupted)| GalleryRow { label: (*label).into(), images: corrupted.images() };
        Ok(Figure {
            stem: "c8_strips".into(),
            title: "Two-dimensional textures: what changes outside the corrupted region".into(),
            caption: "Hard squares (no two 1s are neighbours) change next to the replaced square only. A chessboard with the larger part replaced changes \
                      everywhere, because nothing can be filled in between its two phases."
                .into(),
            content: Content::Gallery(rows.iter().map(row).collect()),
        })
    }
}

/// All columns of `height` cells with these values in which neighbours fit, as letters; columns fit if all their cells do.
fn strip(height: usize, values: u8, fits: impl Fn(&[u8], &[u8]) -> bool) -> Result<TransitionSet> {
    let mut columns: Vec<Vec<u8>> = vec![vec![]];
    for _ in 0..height {
        let longer = |column: &Vec<u8>| (0..values).map(|value| [column.clone(), vec![value]].concat()).collect::<Vec<_>>();
        columns = columns.iter().flat_map(longer).filter(|column| is_column(column, &fits)).collect();
    }
    let followers = |column: &Vec<u8>| (0..columns.len()).filter(|&next| fits(column, &columns[next])).collect();
    let successors = columns.iter().map(followers).collect();
    TransitionSet::new(columns.iter().map(|column| column.iter().copied().map(f64::from).collect()).collect(), successors)
}

/// Whether the last cell of a column fits the one above it.
fn is_column(column: &[u8], fits: &impl Fn(&[u8], &[u8]) -> bool) -> bool {
    column.len() < 2 || fits(&column[column.len() - 2..column.len() - 1], &column[column.len() - 1..])
}

impl Corrupted {
    fn new(set: &TransitionSet, x: Array1<f64>, other: &Array1<f64>, region: Vec<bool>) -> Result<Self> {
        let corrupted = Array1::from_shape_fn(x.len(), |cell| if region[cell] { other[cell] } else { x[cell] });
        let z = set.values(&set.project_point(&corrupted)?);
        Ok(Self { x, z, region })
    }

    /// `‖(z-x) off S‖²`.
    fn change(&self) -> f64 {
        (0..self.x.len()).filter(|&cell| !self.region[cell]).map(|cell| (self.z[cell] - self.x[cell]).powi(2)).sum()
    }

    /// `‖(z-x) off S‖²`, with this share of the other cells off S changed by 1, over `|∂S|Δ²`, Δ = 1. ∂S are the cells off S with
    /// a neighbour in S.
    fn change_of_bound(&self, share: f64) -> f64 {
        let neighbours = |cell: usize| {
            let (row, last) = (cell % HEIGHT, self.x.len());
            let vertical = [(row > 0).then(|| cell - 1), (row + 1 < HEIGHT).then(|| cell + 1)];
            let horizontal = [cell.checked_sub(HEIGHT), Some(cell + HEIGHT).filter(|&next| next < last)];
            vertical.into_iter().chain(horizontal).flatten()
        };
        let is_border = |cell: &usize| !self.region[*cell] && neighbours(*cell).any(|next| self.region[next]);
        let off = self.region.iter().filter(|inside| !**inside).count() as f64;
        let change = self.change() + share * (off - self.change());
        change / (0..self.x.len()).filter(is_border).count() as f64
    }

    fn images(&self) -> Vec<GalleryImage> {
        // Columns become rows of the transposed image, so the strip lies on its side.
        let picture = |caption: &str, values: Array1<f64>| {
            let mut image = GalleryImage::grey(caption, HEIGHT, &values);
            image.values = image.values.reversed_axes();
            image
        };
        let region = self.region.iter().map(|&inside| f64::from(u8::from(inside))).collect();
        let difference = picture("z - x", &self.z - &self.x);
        vec![
            picture("x", self.x.clone()),
            picture("S", region),
            picture("z", self.z.clone()),
            GalleryImage { colours: Colours::Signed { limit: 1.0 }, ..difference },
        ]
    }
}
