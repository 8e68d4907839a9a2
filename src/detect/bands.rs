//! A picture seen tile by tile. Only the rows that one row of tiles covers are in memory, and one tile at a time goes through the
//! network.

use ndarray::{Array2, Axis, s};

use super::tiling::{Row, Tiling};
use crate::data::Image;
use crate::data::arrays::{copied, joined, zeros};
use crate::error::Result;

/// What a network makes of an image at working resolution.
pub(super) struct Seen {
    /// f(x̂), `[h, w, 3]`.
    pub reconstruction: Image,
    /// The difference before smoothing, `[h, w]`.
    pub residual: Array2<f64>,
}

/// Sees a picture of this height and width in tiles. `next` gives as many further rows `[rows, w, 3]` as it is asked for, from
/// the top on, `see` looks at a tile, and `finished` gets what was seen of the rows that no further tile covers, in order.
///
/// # Errors
/// Those of the three; too little memory.
pub(super) fn each_band(
    (height, width): (usize, usize),
    tiling: &Tiling,
    mut next: impl FnMut(usize) -> Result<Image>,
    mut see: impl FnMut(&Image) -> Result<Seen>,
    mut finished: impl FnMut(Seen) -> Result<()>,
) -> Result<()> {
    let (rows, columns) = (Row::over(height, tiling), Row::over(width, tiling));
    let mut window = Window::new(width);
    for (number, &top) in rows.starts.iter().enumerate() {
        let bottom = (top + rows.length).min(height);
        window.extend(&next(bottom - top - window.image.len_of(Axis(0)))?)?;
        for (&left, weights) in columns.starts.iter().zip(&columns.weights) {
            let tile = window.tile(left, columns.length.min(width - left))?;
            window.add(left, [&rows.weights[number], weights], &see(&tile)?);
        }
        let end = rows.starts.get(number + 1).copied().unwrap_or(height);
        finished(window.split(end - top)?)?;
    }
    Ok(())
}

/// The rows of a picture that the present tiles cover, with the weighted sums of what was seen of them.
struct Window {
    image: Image,
    sums: Seen,
}

impl Window {
    fn new(width: usize) -> Self {
        let empty = || Image::zeros((0, width, 3));
        Self { image: empty(), sums: Seen { reconstruction: empty(), residual: Array2::zeros((0, width)) } }
    }

    fn extend(&mut self, rows: &Image) -> Result<()> {
        let (count, width, _) = rows.dim();
        let Seen { reconstruction, residual } = &mut self.sums;
        self.image = joined(&self.image, &rows.view())?;
        *reconstruction = joined(reconstruction, &zeros((count, width, 3))?.view())?;
        *residual = joined(residual, &zeros((count, width))?.view())?;
        Ok(())
    }

    /// All rows of some columns.
    fn tile(&self, left: usize, width: usize) -> Result<Image> {
        copied(&self.image.slice(s![.., left..left + width, ..]))
    }

    /// Adds what was seen in a tile, with the weights of its rows and columns.
    fn add(&mut self, left: usize, [of_rows, of_columns]: [&Vec<f32>; 2], seen: &Seen) {
        let Seen { reconstruction, residual } = &mut self.sums;
        for ((row, column), &value) in seen.residual.indexed_iter() {
            let weight = of_rows[row] * of_columns[column];
            if weight == 0.0 {
                continue;
            }
            let at = left + column;
            residual[[row, at]] += f64::from(weight) * value;
            for channel in 0..3 {
                reconstruction[[row, at, channel]] += weight * seen.reconstruction[[row, column, channel]];
            }
        }
    }

    /// Takes the first rows out.
    fn split(&mut self, count: usize) -> Result<Seen> {
        let Seen { reconstruction, residual } = &mut self.sums;
        let first = Seen {
            reconstruction: copied(&reconstruction.slice(s![..count, .., ..]))?,
            residual: copied(&residual.slice(s![..count, ..]))?,
        };
        self.image = copied(&self.image.slice(s![count.., .., ..]))?;
        *reconstruction = copied(&reconstruction.slice(s![count.., .., ..]))?;
        *residual = copied(&residual.slice(s![count.., ..]))?;
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::detect::Residual;
    use crate::model::{Architecture, Autoencoder};
    use std::cell::Cell;

    fn tiling(tile: usize, overlap: usize) -> Tiling {
        let network = Architecture::Autoencoder(Autoencoder { model: 1, width: 1, dilations: vec![1] });
        Tiling::new(&network, &Residual::default(), tile, Some(overlap)).unwrap()
    }

    fn picture(height: usize, width: usize) -> Image {
        Image::from_shape_fn((height, width, 3), |(row, column, c)| ((row * 7 + column * 13 + c * 5) % 101) as f32 / 101.0)
    }

    /// A network that changes nothing.
    fn identity(tile: &Image) -> Seen {
        Seen { reconstruction: tile.clone(), residual: tile.slice(s![.., .., 1]).mapv(f64::from) }
    }

    #[test]
    fn every_pixel_is_joined_from_the_tiles_over_it() {
        for (height, width) in [(1, 1), (64, 64), (65, 63), (200, 131), (31, 300)] {
            for tiling in [tiling(64, 0), tiling(64, 24), tiling(64, 56)] {
                let (x, mut read, mut done) = (picture(height, width), 0, 0);
                let next = |count: usize| {
                    read += count;
                    Ok(x.slice(s![read - count..read, .., ..]).to_owned())
                };
                each_band(
                    (height, width),
                    &tiling,
                    next,
                    |tile| Ok(identity(tile)),
                    |rows| {
                        for ((row, column, c), &value) in rows.reconstruction.indexed_iter() {
                            assert!((value - x[[done + row, column, c]]).abs() < 1e-6, "{height}x{width}, {tiling}");
                            assert!((rows.residual[[row, column]] - f64::from(x[[done + row, column, 1]])).abs() < 1e-6);
                        }
                        done += rows.residual.nrows();
                        Ok(())
                    },
                )
                .unwrap();
                assert_eq!((read, done), (height, height));
            }
        }
    }

    #[test]
    fn one_tile_and_the_rows_of_one_row_of_tiles_are_in_memory() {
        let (height, width, tiling) = (1000, 300, tiling(64, 16));
        let (read, done, most_rows, tiles) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
        let next = |count: usize| {
            read.set(read.get() + count);
            Ok(Image::zeros((count, width, 3)))
        };
        let see = |tile: &Image| {
            assert!(tile.dim().0 <= 64 && tile.dim().1 <= 64);
            tiles.set(tiles.get() + 1);
            most_rows.set(most_rows.get().max(read.get() - done.get()));
            Ok(identity(tile))
        };
        let finished = |rows: Seen| {
            done.set(done.get() + rows.residual.nrows());
            Ok(())
        };
        each_band((height, width), &tiling, next, see, finished).unwrap();
        // A step is 48 pixels.
        assert_eq!((most_rows.get(), tiles.get()), (64, 21 * 6));
    }

    #[test]
    fn an_error_of_a_tile_ends_the_picture() {
        let fails = |_: &Image| Err(Error::argument("no"));
        let next = |count: usize| Ok(Image::zeros((count, 100, 3)));
        assert!(each_band((100, 100), &tiling(64, 0), next, fails, |_| Ok(())).is_err());
        let short = |_: usize| Ok(Image::zeros((3, 9, 3)));
        assert!(each_band((100, 100), &tiling(64, 0), short, |tile| Ok(identity(tile)), |_| Ok(())).is_err());
    }
}
