//! Transforms the sums of products back to pixels, `Aᵀ m A`, then applies bias and activation, or adds to the target.

use super::gather::Layout;
use super::tiling::{Tile, Tiling};
use super::transform::{OUTPUTS, Output, POINTS, both_axes};
use crate::backend::cpu::finish::{Epilogue, Finish, Finishing, put};
use crate::backend::cpu::pack::Block;
use crate::backend::cpu::range::ChannelRange;
use crate::backend::cpu::simd::{LANES, Vector};

/// Sums of one block of channels, which starts at column `column`. The sums start with tile `first`.
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
    /// Indices of the tiles. `y` starts with the band of the first one.
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

/// Where the outputs of a tile are written: pixel (i, j), if it is in `rows` and `columns`, at `origin + i * row + j * column`.
struct Place {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    origin: usize,
    row: usize,
    column: usize,
}

impl Place {
    /// The place of `tile` from channel `channel` on, in an array that starts with the band of `start`.
    #[inline(always)]
    fn new(tiling: &Tiling, tile: &Tile, start: &Tile, channel: usize) -> Self {
        let (ChannelRange { start: offset, stride, .. }, (height, width)) = (tiling.shape.write, tiling.shape.target);
        let ([rows, columns], step) = (tiling.outputs(tile), tiling.shape.dilation);
        let line = (tile.image - start.image) * height + tile.y - start.y;
        let origin = (line * width + tile.x) * stride + offset + channel;
        Self { rows, columns, origin, row: step * width * stride, column: step * stride }
    }
}
