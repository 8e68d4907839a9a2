//! Products of a matrix with every pixel: linear maps and 1x1 convolutions.

use rayon::prelude::*;

use super::Cpu;
use super::finish::Finish;
use super::pack::{Packed, pack_backward};
use super::range::ChannelRange;
use super::simd::ROWS;
use super::storage::Sum;
use super::strips::{Part, multiply_dense};
use crate::error::Result;

/// Pixels per task: whole strips, and few enough to stay in the second-level cache.
const PIXELS: usize = 16 * ROWS;

/// Applies a packed matrix to every pixel.
pub(crate) fn dense(
    cpu: &Cpu,
    (x, read): (&[f32], ChannelRange),
    weights: &Packed,
    finish: Finish<'_>,
    (y, write): (&mut [f32], ChannelRange),
) -> Result<()> {
    let tasks = y.par_chunks_mut(PIXELS * write.stride).zip(x.par_chunks(PIXELS * read.stride));
    tasks.try_for_each(|(y, x)| multiply_dense(cpu, [Part { data: x, channels: read, weights }], finish, (y, write)))
}

/// `dx += dz w` for every pixel, w `[c_out, c_in]`.
pub(crate) fn dense_input_grad(
    cpu: &Cpu,
    dz: (&[f32], ChannelRange),
    w: &[f32],
    (dx, channels): (Sum<'_>, ChannelRange),
) -> Result<()> {
    let weights = pack_backward(cpu, dz.1.count, channels.count, w)?;
    dense(cpu, dz, &weights, Finish::sum(dx.blank), (dx.data, channels))
}
