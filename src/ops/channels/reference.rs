//! Copies of channel ranges: `target[r, target_start + i] = source[r, source_start + i]` for i below `count`, or `+=`. The
//! adjoint copies in the reverse direction with `+=`, see [`ChannelsSpec::reversed`].

use super::{Channels, ChannelsSpec};
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: Channels<'_, Vec<T>>) {
    match call {
        Channels::Copy { spec, source, target } => each_move(spec, |from, to| target[to] = source[from]),
        Channels::Add { spec, source, target } => each_move(spec, |from, to| target[to] += source[from]),
    }
}

/// Pairs of flat indices in the source and in the target.
fn each_move(spec: &ChannelsSpec, mut visit: impl FnMut(usize, usize)) {
    for row in 0..spec.rows as usize {
        for i in 0..spec.count as usize {
            let from = row * spec.source as usize + spec.source_start as usize + i;
            let to = row * spec.target as usize + spec.target_start as usize + i;
            visit(from, to);
        }
    }
}
