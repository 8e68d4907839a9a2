//! Moves of channel ranges: `target[r, target_start + i] = source[r, source_start + i]` for i below `count`, or `+=`.
//! The adjoint is the move back with `+=`, see [`ChannelsSpec::reversed`].

use super::{Reference, check_lengths};
use crate::backend::{Channels, Real};
use crate::error::Result;
use crate::shape::ChannelsSpec;

impl<T: Real> Channels for Reference<T> {
    fn channels_copy(&self, spec: &ChannelsSpec, source: &Vec<T>, target: &mut Vec<T>) -> Result<()> {
        check("channels_copy", spec, source, target)?;
        each_move(spec, |from, to| target[to] = source[from]);
        Ok(())
    }

    fn channels_add(&self, spec: &ChannelsSpec, source: &Vec<T>, target: &mut Vec<T>) -> Result<()> {
        check("channels_add", spec, source, target)?;
        each_move(spec, |from, to| target[to] += source[from]);
        Ok(())
    }
}

fn check<T>(op: &'static str, spec: &ChannelsSpec, source: &[T], target: &[T]) -> Result<()> {
    let [rows, from, to] = [spec.rows, spec.source, spec.target].map(|extent| extent as usize);
    check_lengths(op, &[("source", source.len(), rows * from), ("target", target.len(), rows * to)])
}

/// Every flat index of the source with the one it goes to in the target.
fn each_move(spec: &ChannelsSpec, mut visit: impl FnMut(usize, usize)) {
    for row in 0..spec.rows as usize {
        for i in 0..spec.count as usize {
            let from = row * spec.source as usize + spec.source_start as usize + i;
            let to = row * spec.target as usize + spec.target_start as usize + i;
            visit(from, to);
        }
    }
}
