//! Division of the outputs into tiles. A dilation d splits the image into d x d independent sub-images. Each tile belongs to one
//! of them, so its pixels are d apart.

use super::transform::{OUTPUTS, POINTS, PRODUCTS};
use crate::backend::cpu::correlation::Correlation;

/// Cost of the transforms of a tile per input or output channel, as a number of multiply-adds. It comes from counting their
/// operations.
const TRANSFORM: usize = 150;
/// Minimum number of input channels and of output channels. Transforms process 16 channels at once, so with fewer than half of
/// that most of the work is on zeros.
const CHANNELS: usize = 8;

/// A tile of 4 x 4 outputs and 6 x 6 inputs. Its first output is at row `y`, column `x` of image `image`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub image: usize,
    pub y: usize,
    pub x: usize,
}

/// All tiles of a correlation, numbered by image, then by band. A band is `4 d` output rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    pub shape: Correlation,
    /// Numbers of sub-images with at least one pixel, vertically and horizontally.
    sub_images: (usize, usize),
    /// Bands per image.
    pub bands: usize,
    /// Tiles per row of a sub-image.
    across: usize,
}

impl Tiling {
    pub fn new(shape: &Correlation) -> Self {
        let (dilation, (height, width)) = (shape.dilation, shape.target);
        let sub_images = (dilation.min(height), dilation.min(width));
        let tiles = |length: usize| length.div_ceil(dilation).div_ceil(OUTPUTS);
        Self { shape: *shape, sub_images, bands: tiles(height), across: tiles(width) }
    }

    /// Whether the transforms cost less than the products they save. Depends only on the shape.
    pub fn pays(&self) -> bool {
        let shape = &self.shape;
        let (c_in, c_out) = (shape.read.count, shape.write.count);
        if shape.kernel != 3 || shape.stride != 1 || c_in < CHANNELS || c_out < CHANNELS {
            return false;
        }
        self.multiply_adds() < shape.multiply_adds()
    }

    /// Cost in multiply-adds: the products and the transforms of inputs and outputs, without the transforms of the weights.
    pub fn multiply_adds(&self) -> usize {
        let (c_in, c_out) = (self.shape.read.count, self.shape.write.count);
        self.count() * (PRODUCTS * c_in * c_out + TRANSFORM * (c_in + c_out))
    }

    /// Tiles per band.
    pub fn band(&self) -> usize {
        self.sub_images.0 * self.sub_images.1 * self.across
    }

    /// Output rows per whole band.
    pub fn rows(&self) -> usize {
        OUTPUTS * self.shape.dilation
    }

    /// Number of tiles in the whole batch.
    pub fn count(&self) -> usize {
        self.shape.n * self.bands * self.band()
    }

    /// Tile `index`. At the end of the image, a tile may be partly or completely outside.
    pub fn tile(&self, index: usize) -> Tile {
        let (band, place) = (index / self.band(), index % self.band());
        let (sub_image, tx) = (place / self.across, place % self.across);
        let (sy, sx) = (sub_image / self.sub_images.1, sub_image % self.sub_images.1);
        let y = band % self.bands * self.rows() + sy;
        Tile { image: band / self.bands, y, x: tx * self.rows() + sx }
    }

    /// The offsets k below `offsets` for which the pixel `first + k * dilation` is in `0..length`.
    fn inside(&self, first: isize, length: usize, offsets: usize) -> std::ops::Range<usize> {
        let (dilation, length) = (self.shape.dilation as isize, length as isize);
        let low = (-first).max(0).unsigned_abs().div_ceil(self.shape.dilation).min(offsets);
        let room = (length - first + dilation - 1).max(0).unsigned_abs() / self.shape.dilation;
        low..room.min(offsets).max(low)
    }

    /// Rows and columns of a tile's outputs that are inside the image.
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
    use crate::backend::cpu::range::ChannelRange;

    #[test]
    fn every_output_belongs_to_exactly_one_tile() {
        for (height, width, dilation) in [(1, 1, 1), (4, 9, 1), (5, 3, 2), (8, 8, 8), (13, 7, 3), (6, 17, 4)] {
            let shape = Correlation {
                n: 2,
                source: (height, width),
                target: (height, width),
                kernel: 3,
                stride: 1,
                dilation,
                padding: dilation as isize,
                read: ChannelRange::all(16),
                write: ChannelRange::all(16),
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
