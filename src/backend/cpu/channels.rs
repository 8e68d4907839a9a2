//! Moves of channel ranges.

use rayon::prelude::*;

use super::storage::Buffer;
use super::{Cpu, check_lengths};
use crate::backend::Channels;
use crate::error::Result;
use crate::shape::ChannelsSpec;

/// Pixels of one task.
const PIXELS: usize = 256;

/// `f(target range, source range)` for every pixel.
fn for_ranges(
    op: &'static str,
    spec: &ChannelsSpec,
    source: &[f32],
    target: &mut [f32],
    f: impl Fn(&mut [f32], &[f32]) + Sync,
) -> Result<()> {
    let (rows, from, to) = (spec.rows as usize, spec.source as usize, spec.target as usize);
    check_lengths(op, &[(source.len(), rows * from), (target.len(), rows * to)])?;
    let (read, write, count) = (spec.source_start as usize, spec.target_start as usize, spec.count as usize);
    target.par_chunks_mut(PIXELS * to).zip(source.par_chunks(PIXELS * from)).for_each(|(target, source)| {
        for (target, source) in target.chunks_exact_mut(to).zip(source.chunks_exact(from)) {
            f(&mut target[write..write + count], &source[read..read + count]);
        }
    });
    Ok(())
}

impl Channels for Cpu {
    fn channels_copy(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        for_ranges("channels_copy", spec, source, target, |target, source| target.copy_from_slice(source))
    }

    fn channels_add(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        let add = |target: &mut [f32], source: &[f32]| target.iter_mut().zip(source).for_each(|(t, s)| *t += s);
        for_ranges("channels_add", spec, source, target, add)
    }
}
