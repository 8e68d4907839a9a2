//! Copies of channel ranges.

use rayon::prelude::*;

use super::{Channels, ChannelsSpec};
use crate::backend::cpu::Buffer;

pub(in crate::ops) fn run(call: Channels<'_, Buffer>) {
    match call {
        Channels::Copy { spec, source, target } => {
            for_ranges(spec, source, target, |target, source| target.copy_from_slice(source));
        }
        Channels::Add { spec, source, target } => {
            for_ranges(spec, source, target, |target, source| target.iter_mut().zip(source).for_each(|(t, s)| *t += s));
        }
    }
}

/// Pixels per task.
const PIXELS: usize = 256;

/// `f(target range, source range)` for every pixel.
fn for_ranges(spec: &ChannelsSpec, source: &[f32], target: &mut [f32], f: impl Fn(&mut [f32], &[f32]) + Sync) {
    let (from, to) = (spec.source as usize, spec.target as usize);
    let (read, write, count) = (spec.source_start as usize, spec.target_start as usize, spec.count as usize);
    target.par_chunks_mut(PIXELS * to).zip(source.par_chunks(PIXELS * from)).for_each(|(target, source)| {
        for (target, source) in target.chunks_exact_mut(to).zip(source.chunks_exact(from)) {
            f(&mut target[write..write + count], &source[read..read + count]);
        }
    });
}
