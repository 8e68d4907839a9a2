//! Transformed inputs and output gradients of some tiles: `[product][tile][channel]`, channels padded to whole vectors.

use std::marker::PhantomData;
use std::ops::Range as Span;

use super::tiling::{Tile, Tiling};
use super::transform::{Input, Line, OUTPUTS, OutputAdjoint, POINTS, PRODUCTS, both_axes};
use crate::backend::cpu::pack::padded;
use crate::backend::cpu::range::Range;
use crate::backend::cpu::simd::{LANES, Vector, VectorWork};

/// Memory layout of the values of some tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
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
}

/// The pixels of a tile that a transform along both axes takes: `S x S` of them, `step` apart, of one image of a batch.
pub(crate) struct Pixels<const S: usize> {
    /// Height and width of the image.
    size: (usize, usize),
    image: usize,
    /// Row and column of the first pixel; may be outside.
    first: [isize; 2],
    step: usize,
    /// Rows and columns that lie in the image; the others are zeros.
    inside: [Span<usize>; 2],
    channels: Range,
}

impl<const S: usize> Pixels<S> {
    /// Where the channels of pixel (0, 0) begin, in wrapping arithmetic; and the floats from row to row, from column to column.
    fn place(&self) -> (usize, usize, usize) {
        let (Range { start, stride, .. }, [y, x]) = (self.channels, self.first);
        let origin = (self.image * self.size.0).wrapping_add_signed(y).wrapping_mul(self.size.1).wrapping_add_signed(x);
        (origin.wrapping_mul(stride).wrapping_add(start), self.step * self.size.1 * stride, self.step * stride)
    }

    /// Whether all of them lie in the image.
    fn are_inside(&self) -> bool {
        self.inside == [0..S, 0..S]
    }

    fn contain(&self, i: usize, j: usize) -> bool {
        self.inside[0].contains(&i) && self.inside[1].contains(&j)
    }
}

/// A transform of `S x S` pixels of a tile to its products.
pub(crate) trait Transform<const S: usize>: Line<S, POINTS> {
    /// The pixels that it takes.
    fn pixels(tiling: &Tiling, tile: &Tile) -> Pixels<S>;
}

/// `Bᵀ d B`.
impl Transform<POINTS> for Input {
    fn pixels(tiling: &Tiling, tile: &Tile) -> Pixels<POINTS> {
        let (shape, (first, inside)) = (&tiling.shape, tiling.inputs(tile));
        Pixels { size: shape.source, image: tile.image, first, step: shape.dilation, inside, channels: shape.read }
    }
}

/// `A dy Aᵀ`.
impl Transform<OUTPUTS> for OutputAdjoint {
    fn pixels(tiling: &Tiling, tile: &Tile) -> Pixels<OUTPUTS> {
        let (shape, first) = (&tiling.shape, [tile.y as isize, tile.x as isize]);
        let inside = tiling.outputs(tile);
        Pixels { size: shape.target, image: tile.image, first, step: shape.dilation, inside, channels: shape.write }
    }
}

/// Some tiles of `data` through `L`.
pub(crate) struct Gather<'a, L, const S: usize> {
    tiling: &'a Tiling,
    data: &'a [f32],
    /// Number of the first tile, and of those after the last.
    tiles: Span<usize>,
    layout: Layout,
    target: &'a mut [f32],
    line: PhantomData<L>,
}

impl<'a, L: Transform<S>, const S: usize> Gather<'a, L, S> {
    /// Tiles `tiles` of `data` to `target`, which is laid out by `layout`.
    pub fn new(tiling: &'a Tiling, data: &'a [f32], tiles: Span<usize>, layout: Layout, target: &'a mut [f32]) -> Self {
        Self { tiling, data, tiles, layout, target, line: PhantomData }
    }
}

impl<L: Transform<S>, const S: usize> VectorWork for Gather<'_, L, S> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { tiling, data, tiles, layout, target, .. } = self;
        for (index, tile) in tiles.map(|index| tiling.tile(index)).enumerate() {
            let pixels = L::pixels(tiling, &tile);
            let (origin, row, column) = pixels.place();
            let (inside, count) = (pixels.are_inside(), pixels.channels.count);
            for channel in (0..count).step_by(LANES) {
                let (to, at) = (index * layout.width + channel, origin.wrapping_add(channel));
                if inside && channel + LANES <= count {
                    transform::<L, V, S>(
                        #[inline(always)]
                        |i, j| V::load(data, at + i * row + j * column),
                        (&layout, to),
                        target,
                    );
                    continue;
                }
                transform::<L, V, S>(
                    #[inline(always)]
                    |i, j| match pixels.contain(i, j) {
                        true => V::load_first(data, at.wrapping_add(i * row + j * column), LANES.min(count - channel)),
                        false => V::splat(0.0),
                    },
                    (&layout, to),
                    target,
                );
            }
        }
    }
}

/// 16 channels of one tile through `L`, to `to` of every product.
#[inline(always)]
fn transform<L: Line<S, POINTS>, V: Vector, const S: usize>(
    load: impl Fn(usize, usize) -> V,
    (layout, to): (&Layout, usize),
    target: &mut [f32],
) {
    let plane = layout.plane();
    both_axes::<L, V, S, POINTS>(
        load,
        #[inline(always)]
        |i, j, value| value.store(target, to + (POINTS * i + j) * plane),
    );
}
