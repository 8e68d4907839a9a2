//! Sums of products back to pixels: `Aᵀ m A`, bias and activation, or addition to what is there.

use super::gather::Layout;
use super::tiling::{Tile, Tiling};
use super::transform::{OUTPUTS, Output, POINTS, both_axes};
use crate::backend::cpu::activation::activate;
use crate::backend::cpu::pack::Block;
use crate::backend::cpu::simd::{LANES, Simd, Vector, VectorWork};
use crate::backend::cpu::strips::{Finish, Range};

/// Sums of one block of channels, from column `column` on; tile `first` stands first.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub sums: &'a [f32],
    pub layout: Layout,
    pub column: usize,
    pub first: usize,
}

/// The outputs of some tiles and one block of channels.
pub(super) struct Outputs<'a> {
    pub simd: Simd,
    pub tiling: &'a Tiling,
    pub part: Part<'a>,
    /// Number of the first tile, whose band `y` begins with, and of those after the last.
    pub tiles: std::ops::Range<usize>,
    pub block: &'a Block,
    pub finish: Finish<'a>,
    pub y: &'a mut [f32],
}

impl VectorWork for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { simd, tiling, part: Part { sums, layout, column, first: origin }, tiles, block, finish, y } = self;
        let plane = layout.plane();
        let (first, mut pixels) = (tiling.tile(tiles.start), [0.0; OUTPUTS * OUTPUTS * LANES]);
        for (index, tile) in tiles.map(|index| (index - origin, tiling.tile(index))) {
            for channel in (0..block.count).step_by(LANES) {
                let from = index * layout.width + column + channel;
                let bias = bias::<V>(finish, block, channel);
                both_axes::<Output, V, POINTS, OUTPUTS>(
                    #[inline(always)]
                    |i, j| V::load(sums, from + (POINTS * i + j) * plane),
                    #[inline(always)]
                    |i, j, value| value.add(bias).store(&mut pixels, (OUTPUTS * i + j) * LANES),
                );
                if let Finish::Assign { activation, .. } = finish {
                    activate(simd, activation, &mut pixels);
                }
                let channels = channel..block.count.min(channel + LANES);
                write::<V>(tiling, (&tile, &first), &pixels, (block.first, channels), finish, y);
            }
        }
    }
}

/// The bias of 16 channels, 0 where there is none.
#[inline(always)]
fn bias<V: Vector>(finish: Finish<'_>, block: &Block, channel: usize) -> V {
    let mut values = [0.0; LANES];
    if let Finish::Assign { bias: Some(bias), .. } = finish {
        let end = block.count.min(channel + LANES);
        values[..end - channel].copy_from_slice(&bias[block.first + channel..block.first + end]);
    }
    V::load(&values, 0)
}

/// Those of a tile's 16 pixels that exist, to the channels `first + channels` of `y`, which begins where the band of `start` does.
#[inline(always)]
fn write<V: Vector>(
    tiling: &Tiling,
    (tile, start): (&Tile, &Tile),
    pixels: &[f32],
    (first, channels): (usize, std::ops::Range<usize>),
    finish: Finish<'_>,
    y: &mut [f32],
) {
    let (Range { start: offset, stride, .. }, (height, width)) = (tiling.shape.write, tiling.shape.target);
    let (step, count) = (tiling.shape.dilation, channels.len());
    let [rows, columns] = tiling.outputs(tile);
    let line = (tile.image - start.image) * height + tile.y - start.y;
    for (i, j) in rows.flat_map(|i| columns.clone().map(move |j| (i, j))) {
        let to = ((line + i * step) * width + tile.x + j * step) * stride + offset + first + channels.start;
        let from = (OUTPUTS * i + j) * LANES;
        if count == LANES {
            let value = V::load(pixels, from);
            let value = if let Finish::Add = finish { V::load(y, to).add(value) } else { value };
            value.store(y, to);
            continue;
        }
        let (source, target) = (&pixels[from..from + count], &mut y[to..to + count]);
        match finish {
            Finish::Assign { .. } => target.copy_from_slice(source),
            Finish::Add => target.iter_mut().zip(source).for_each(|(y, value)| *y += value),
        }
    }
}
