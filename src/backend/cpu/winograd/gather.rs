//! Transformed inputs and output gradients of some tiles: `[product][tile][channel]`, channels padded to whole vectors.

use super::tiling::{Tile, Tiling};
use super::transform::{Input, Line, OUTPUTS, OutputAdjoint, POINTS, PRODUCTS, both_axes};
use crate::backend::cpu::pack::padded;
use crate::backend::cpu::simd::{LANES, Vector, VectorWork};
use crate::backend::cpu::strips::Range;

/// Where the values of some tiles stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Tiles there is room for.
    pub tiles: usize,
    /// Floats from tile to tile.
    pub width: usize,
}

impl Layout {
    pub fn new(tiles: usize, channels: usize) -> Self {
        Self { tiles, width: padded(channels) }
    }

    /// Floats from product to product. One line more than the tiles need: powers of two would all fall into the same few cache sets.
    pub fn plane(&self) -> usize {
        self.tiles * self.width + LANES
    }

    /// Floats of everything.
    pub fn len(&self) -> usize {
        PRODUCTS * self.plane()
    }

    /// Floats of one tile that has to be copied before it is transformed.
    pub fn patch(&self) -> usize {
        PRODUCTS * self.width
    }
}

/// `Bᵀ d B` of each tile.
pub(super) struct Inputs<'a> {
    pub tiling: &'a Tiling,
    pub x: &'a [f32],
    /// Number of the first tile, and of those after the last.
    pub tiles: std::ops::Range<usize>,
    pub layout: Layout,
    pub target: &'a mut [f32],
    /// Room for [`Layout::patch`] floats.
    pub patch: &'a mut [f32],
}

impl VectorWork for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { tiling, x, tiles, layout, target, patch } = self;
        let (shape, mut patch) = (&tiling.shape, Patch { values: patch, width: layout.width });
        for (index, tile) in tiles.map(|index| tiling.tile(index)).enumerate() {
            let (first, inside) = tiling.inputs(&tile);
            let grid = Grid { size: shape.source, image: tile.image, first, step: shape.dilation, channels: shape.read };
            let place = patch.view::<V, POINTS>(x, &grid, inside);
            transform::<Input, V, POINTS>(&place, (&layout, index), target);
        }
    }
}

/// `A dy Aᵀ` of each tile.
pub(super) struct OutputGrads<'a> {
    pub tiling: &'a Tiling,
    pub dz: &'a [f32],
    pub tiles: std::ops::Range<usize>,
    pub layout: Layout,
    pub target: &'a mut [f32],
    /// Room for [`Layout::patch`] floats.
    pub patch: &'a mut [f32],
}

impl VectorWork for OutputGrads<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { tiling, dz, tiles, layout, target, patch } = self;
        let (shape, mut patch) = (&tiling.shape, Patch { values: patch, width: layout.width });
        for (index, tile) in tiles.map(|index| tiling.tile(index)).enumerate() {
            let Tile { image, y, x } = tile;
            let (first, step) = ([y as isize, x as isize], shape.dilation);
            let grid = Grid { size: shape.target, image, first, step, channels: shape.write };
            let place = patch.view::<V, OUTPUTS>(dz, &grid, tiling.outputs(&tile));
            transform::<OutputAdjoint, V, OUTPUTS>(&place, (&layout, index), target);
        }
    }
}

/// All channels of one tile through `L`.
#[inline(always)]
fn transform<L: Line<I, POINTS>, V: Vector, const I: usize>(
    place: &Place<'_>,
    (layout, index): (&Layout, usize),
    target: &mut [f32],
) {
    let plane = layout.plane();
    for channel in (0..layout.width).step_by(LANES) {
        let (from, to) = (place.origin + channel, index * layout.width + channel);
        both_axes::<L, V, I, POINTS>(
            #[inline(always)]
            |i, j| V::load(place.data, from + i * place.row + j * place.column),
            #[inline(always)]
            |i, j, value| value.store(target, to + (POINTS * i + j) * plane),
        );
    }
}

/// Pixels `step` apart of one image of a batch.
struct Grid {
    /// Height and width of the image.
    size: (usize, usize),
    image: usize,
    /// Row and column of the first pixel; may be outside.
    first: [isize; 2],
    step: usize,
    channels: Range,
}

/// Floats of a tile: pixel (i, j) begins at `origin + i * row + j * column`.
struct Place<'a> {
    data: &'a [f32],
    origin: usize,
    row: usize,
    column: usize,
}

/// Room for a tile that cannot be read in place: it reaches outside the image, or its channels are not whole vectors.
struct Patch<'p> {
    values: &'p mut [f32],
    width: usize,
}

impl Patch<'_> {
    /// `S x S` pixels of `data`, those outside `inside` as zeros.
    #[inline(always)]
    fn view<'a, V: Vector, const S: usize>(
        &'a mut self,
        data: &'a [f32],
        grid: &Grid,
        inside: [std::ops::Range<usize>; 2],
    ) -> Place<'a> {
        let Range { start, count, stride } = grid.channels;
        let pixel = |i: usize, j: usize| {
            let at = |first: isize, offset: usize| first.wrapping_add_unsigned(offset * grid.step) as usize;
            ((grid.image * grid.size.0 + at(grid.first[0], i)) * grid.size.1 + at(grid.first[1], j)) * stride + start
        };
        if inside == [0..S, 0..S] && count == self.width {
            return Place { data, origin: pixel(0, 0), row: grid.step * grid.size.1 * stride, column: grid.step * stride };
        }
        let [rows, columns] = inside;
        for (place, target) in self.values.chunks_exact_mut(self.width).take(S * S).enumerate() {
            let (i, j) = (place / S, place % S);
            if !(rows.contains(&i) && columns.contains(&j)) {
                (0..target.len()).step_by(LANES).for_each(|channel| V::splat(0.0).store(target, channel));
                continue;
            }
            let from = pixel(i, j);
            let whole = count / LANES * LANES;
            (0..whole).step_by(LANES).for_each(|channel| V::load(data, from + channel).store(target, channel));
            // A call of memmove for a few floats, but only for channels that are no whole vector; beyond them are zeros.
            if whole < self.width {
                target[whole..count].copy_from_slice(&data[from + whole..from + count]);
                target[count..].fill(0.0);
            }
        }
        Place { data: self.values, origin: 0, row: S * self.width, column: self.width }
    }
}
