//! Transforms the inputs and output gradients of some tiles to `[product][tile][channel]`, channels padded to whole vectors.

use std::marker::PhantomData;
use std::ops::Range;

use super::tiling::{Tile, Tiling};
use super::transform::{Input, OUTPUTS, OutputAdjoint, POINTS, PRODUCTS, Transform1d, both_axes};
use crate::backend::cpu::pack::padded;
use crate::backend::cpu::range::ChannelRange;
use crate::backend::cpu::simd::{LANES, Vector, VectorWork};

/// Memory layout of the transformed values of some tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Maximum number of tiles.
    pub tiles: usize,
    /// Distance between tiles in floats.
    pub width: usize,
}

impl Layout {
    pub fn new(tiles: usize, channels: usize) -> Self {
        Self { tiles, width: padded(channels) }
    }

    /// Distance between products in floats. It is one cache line longer than the tiles need, because with a power of two all
    /// products would share a few cache sets.
    pub fn plane(&self) -> usize {
        self.tiles * self.width + LANES
    }

    /// Floats of all products.
    pub fn len(&self) -> usize {
        PRODUCTS * self.plane()
    }
}

/// The `S x S` pixels of one image, `step` apart, that the transform of a tile reads.
pub(crate) struct Pixels<const S: usize> {
    /// Height and width of the image.
    size: (usize, usize),
    image: usize,
    /// Row and column of the first pixel, possibly outside the image.
    first: [isize; 2],
    step: usize,
    /// Rows and columns inside the image; the others are zeros.
    inside: [Range<usize>; 2],
    channels: ChannelRange,
}

impl<const S: usize> Pixels<S> {
    /// Offset of the channels of pixel (0, 0), computed with wrapping arithmetic, and the distances between rows and between
    /// columns, all in floats.
    fn place(&self) -> (usize, usize, usize) {
        let (ChannelRange { start, stride, .. }, [y, x]) = (self.channels, self.first);
        let origin = (self.image * self.size.0).wrapping_add_signed(y).wrapping_mul(self.size.1).wrapping_add_signed(x);
        (origin.wrapping_mul(stride).wrapping_add(start), self.step * self.size.1 * stride, self.step * stride)
    }

    /// Whether all pixels are inside the image.
    fn are_inside(&self) -> bool {
        self.inside == [0..S, 0..S]
    }

    fn contain(&self, i: usize, j: usize) -> bool {
        self.inside[0].contains(&i) && self.inside[1].contains(&j)
    }
}

/// A transform from `S x S` pixels of a tile to the operands of its products.
pub(crate) trait Transform<const S: usize>: Transform1d<S, POINTS> {
    /// The pixels that the transform reads.
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

/// Applies transform `L` to some tiles of `data`.
pub(crate) struct Gather<'a, L, const S: usize> {
    tiling: &'a Tiling,
    data: &'a [f32],
    /// Indices of the tiles.
    tiles: Range<usize>,
    layout: Layout,
    target: &'a mut [f32],
    transform: PhantomData<L>,
}

impl<'a, L: Transform<S>, const S: usize> Gather<'a, L, S> {
    /// Transforms the tiles `tiles` of `data` to `target`, which has the given layout.
    pub fn new(tiling: &'a Tiling, data: &'a [f32], tiles: Range<usize>, layout: Layout, target: &'a mut [f32]) -> Self {
        Self { tiling, data, tiles, layout, target, transform: PhantomData }
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

/// Transforms 16 channels of one tile with `L` and stores them at offset `to` of every product.
#[inline(always)]
fn transform<L: Transform1d<S, POINTS>, V: Vector, const S: usize>(
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
