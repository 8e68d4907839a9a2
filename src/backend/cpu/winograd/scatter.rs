//! Sums of products back to pixels: `Aᵀ m A`, bias and activation, or addition to what is there.

use super::gather::Layout;
use super::tiling::{Tile, Tiling};
use super::transform::{OUTPUTS, Output, POINTS, both_axes};
use crate::backend::cpu::finish::{Epilogue, Finish, Finishing, put};
use crate::backend::cpu::pack::Block;
use crate::backend::cpu::range::Range;
use crate::backend::cpu::simd::{LANES, Vector};

/// Sums of one block of channels, from column `column` on; tile `first` stands first.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub sums: &'a [f32],
    pub layout: Layout,
    pub column: usize,
    pub first: usize,
}

/// The outputs of some tiles and one block of channels.
pub(crate) struct Outputs<'a> {
    pub tiling: &'a Tiling,
    pub part: Part<'a>,
    /// Number of the first tile, whose band `y` begins with, and of those after the last.
    pub tiles: std::ops::Range<usize>,
    pub block: &'a Block,
    pub finish: Finish<'a>,
    pub y: &'a mut [f32],
}

impl Finishing for Outputs<'_> {
    #[inline(always)]
    fn run<E: Epilogue, V: Vector>(self) {
        let Self { tiling, part: Part { sums, layout, column, first: origin }, tiles, block, finish, y } = self;
        let (plane, first) = (layout.plane(), tiling.tile(tiles.start));
        for (index, tile) in tiles.map(|index| (index - origin, tiling.tile(index))) {
            let place = Place::new(tiling, &tile, &first, block.first);
            for channel in (0..block.count).step_by(LANES) {
                let (from, to) = (index * layout.width + column + channel, place.origin + channel);
                let count = LANES.min(block.count - channel);
                let bias: V = finish.bias(block.first + channel, count);
                both_axes::<Output, V, POINTS, OUTPUTS>(
                    #[inline(always)]
                    |i, j| V::load(sums, from + (POINTS * i + j) * plane),
                    #[inline(always)]
                    |i, j, value| {
                        if place.rows.contains(&i) && place.columns.contains(&j) {
                            put::<E, V>(value.add(bias), count, y, to + i * place.row + j * place.column);
                        }
                    },
                );
            }
        }
    }
}

/// Where the outputs of a tile go: pixel (i, j) of those that exist to `origin + i * row + j * column`.
struct Place {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    origin: usize,
    row: usize,
    column: usize,
}

impl Place {
    /// From channel `channel` on, in an array that begins where the band of `start` does.
    #[inline(always)]
    fn new(tiling: &Tiling, tile: &Tile, start: &Tile, channel: usize) -> Self {
        let (Range { start: offset, stride, .. }, (height, width)) = (tiling.shape.write, tiling.shape.target);
        let ([rows, columns], step) = (tiling.outputs(tile), tiling.shape.dilation);
        let line = (tile.image - start.image) * height + tile.y - start.y;
        let origin = (line * width + tile.x) * stride + offset + channel;
        Self { rows, columns, origin, row: step * width * stride, column: step * stride }
    }
}
