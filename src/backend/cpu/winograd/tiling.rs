//! Which outputs stand in which tile. With a dilation d the pixels fall into d x d sub-images that do not see each other, and every tile
//! lies in one of them: its pixels are d apart.

use super::transform::{OUTPUTS, POINTS, PRODUCTS};
use crate::backend::cpu::correlation::Correlation;

/// Work of the transforms of a tile, per channel of input or output, in multiply-adds of a product; from counting their operations.
const TRANSFORM: usize = 150;
/// Fewest channels on either side: transforms work on 16 at once, and below half of that they work mostly on zeros.
const CHANNELS: usize = 8;

/// 4 x 4 outputs and 6 x 6 inputs: the first output stands at row `y`, column `x` of image `image`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub image: usize,
    pub y: usize,
    pub x: usize,
}

/// All tiles of a correlation, numbered image by image, band by band. A band is `4 d` rows of outputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    pub shape: Correlation,
    /// Sub-images that have pixels, down and across.
    phases: (usize, usize),
    /// Bands of an image, and tiles across a sub-image.
    pub bands: usize,
    across: usize,
}

impl Tiling {
    pub fn new(shape: &Correlation) -> Self {
        let (dilation, (height, width)) = (shape.dilation, shape.target);
        let phases = (dilation.min(height), dilation.min(width));
        let tiles = |length: usize| length.div_ceil(dilation).div_ceil(OUTPUTS);
        Self { shape: *shape, phases, bands: tiles(height), across: tiles(width) }
    }

    /// Whether the transforms cost less than the products they save; decided by the shape alone.
    pub fn pays(&self) -> bool {
        let shape = &self.shape;
        let (c_in, c_out) = (shape.read.count, shape.write.count);
        if shape.kernel != 3 || shape.stride != 1 || c_in < CHANNELS || c_out < CHANNELS {
            return false;
        }
        self.multiply_adds() < shape.multiply_adds()
    }

    /// Multiply-adds of the products, and of the transforms counted as such. Those of the weights are left out.
    pub fn multiply_adds(&self) -> usize {
        let (c_in, c_out) = (self.shape.read.count, self.shape.write.count);
        self.count() * (PRODUCTS * c_in * c_out + TRANSFORM * (c_in + c_out))
    }

    /// Tiles of a band.
    pub fn band(&self) -> usize {
        self.phases.0 * self.phases.1 * self.across
    }

    /// Output rows of a whole band.
    pub fn rows(&self) -> usize {
        OUTPUTS * self.shape.dilation
    }

    /// Tiles of the whole batch.
    pub fn count(&self) -> usize {
        self.shape.n * self.bands * self.band()
    }

    /// Tile `index`; where the image ends it may reach beyond, or lie outside.
    pub fn tile(&self, index: usize) -> Tile {
        let (band, place) = (index / self.band(), index % self.band());
        let (phase, tx) = (place / self.across, place % self.across);
        let (py, px) = (phase / self.phases.1, phase % self.phases.1);
        let y = band % self.bands * self.rows() + py;
        Tile { image: band / self.bands, y, x: tx * self.rows() + px }
    }

    /// The range of `offsets` (of pixels of a tile, in steps of the dilation) that stay in `0..length` from `first` on.
    fn inside(&self, first: isize, length: usize, offsets: usize) -> std::ops::Range<usize> {
        let (dilation, length) = (self.shape.dilation as isize, length as isize);
        let low = (-first).max(0).unsigned_abs().div_ceil(self.shape.dilation).min(offsets);
        let room = (length - first + dilation - 1).max(0).unsigned_abs() / self.shape.dilation;
        low..room.min(offsets).max(low)
    }

    /// Outputs of a tile that exist: rows and columns.
    pub fn outputs(&self, tile: &Tile) -> [std::ops::Range<usize>; 2] {
        let (height, width) = self.shape.target;
        [self.inside(tile.y as isize, height, OUTPUTS), self.inside(tile.x as isize, width, OUTPUTS)]
    }

    /// First input row and column of a tile, and which of its inputs exist.
    pub fn inputs(&self, tile: &Tile) -> ([isize; 2], [std::ops::Range<usize>; 2]) {
        let (height, width) = self.shape.source;
        let first = [tile.y as isize - self.shape.padding, tile.x as isize - self.shape.padding];
        (first, [self.inside(first[0], height, POINTS), self.inside(first[1], width, POINTS)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::range::Range;

    #[test]
    fn every_output_stands_in_one_tile() {
        for (height, width, dilation) in [(1, 1, 1), (4, 9, 1), (5, 3, 2), (8, 8, 8), (13, 7, 3), (6, 17, 4)] {
            let shape = Correlation {
                n: 2,
                source: (height, width),
                target: (height, width),
                kernel: 3,
                stride: 1,
                dilation,
                padding: dilation as isize,
                read: Range::all(16),
                write: Range::all(16),
            };
            let tiling = Tiling::new(&shape);
            let mut seen = vec![0; 2 * height * width];
            for tile in (0..tiling.count()).map(|index| tiling.tile(index)) {
                let [rows, columns] = tiling.outputs(&tile);
                for (i, j) in rows.flat_map(|i| columns.clone().map(move |j| (i, j))) {
                    seen[(tile.image * height + tile.y + i * dilation) * width + tile.x + j * dilation] += 1;
                }
                let ([y, x], [rows, columns]) = tiling.inputs(&tile);
                for i in 0..6 {
                    let at = |first: isize, length: usize| (0..length as isize).contains(&(first + (i * dilation) as isize));
                    assert_eq!((at(y, height), at(x, width)), (rows.contains(&i), columns.contains(&i)), "{tile:?} {i}");
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{height}x{width} dilation {dilation}: {seen:?}");
        }
    }
}
