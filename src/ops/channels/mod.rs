//! Copies of channel ranges: `target[r, target_start + i] = source[r, source_start + i]` for i below `count`, or `+=`. The
//! adjoint copies in the reverse direction with `+=`, see [`ChannelsSpec::reversed`].

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::Contract;
use crate::backend::Phase;
use crate::error::{Error, Result};
use crate::shape::{Shape, extent};

/// Copies `count` channels of every row from one array to another. Used by concat, slice and their adjoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
#[repr(C)]
pub struct ChannelsSpec {
    /// Pixels or samples, the same on both sides.
    pub rows: u32,
    /// Channels of the source.
    pub source: u32,
    /// First channel read.
    pub source_start: u32,
    /// Channels of the target.
    pub target: u32,
    /// First channel written.
    pub target_start: u32,
    /// Channels copied.
    pub count: u32,
}

impl ChannelsSpec {
    /// Checks a copy of `count` channels from `source` (starting at `source_start`) to `target` (at `target_start`).
    ///
    /// # Errors
    /// Row counts that differ, or a range outside either array.
    pub fn new(
        op: &'static str,
        source: &Shape,
        source_start: usize,
        target: &Shape,
        target_start: usize,
        count: usize,
    ) -> Result<Self> {
        let fits = |start: usize, shape: &Shape| start.checked_add(count).is_some_and(|end| end <= shape.channels());
        let leading = |shape: &Shape| shape.dims()[..shape.dims().len() - 1].to_vec();
        if leading(source) != leading(target) {
            return Err(Error::shape(op, format!("all dimensions but the last must agree: {source} and {target}")));
        }
        if count == 0 || !fits(source_start, source) || !fits(target_start, target) {
            let reason = format!("{count} channels from {source_start} of {source} do not fit at {target_start} of {target}");
            return Err(Error::shape(op, reason));
        }
        Ok(Self {
            rows: extent(source.rows()),
            source: extent(source.channels()),
            source_start: extent(source_start),
            target: extent(target.channels()),
            target_start: extent(target_start),
            count: extent(count),
        })
    }

    /// The copy in the reverse direction, for the adjoint.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            source: self.target,
            source_start: self.target_start,
            target: self.source,
            target_start: self.source_start,
            ..self
        }
    }

    /// Elements of the source, of the target, and copied.
    fn lengths(&self) -> [usize; 3] {
        [self.source, self.target, self.count].map(|channels| self.rows as usize * channels as usize)
    }
}

/// A call. See [`ChannelsSpec`].
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Channels<'a, T> {
    /// `target[range] = source[range]`; the rest of `target` is untouched.
    Copy { spec: &'a ChannelsSpec, source: &'a T, target: &'a mut T },
    /// `target[range] += source[range]`.
    Add { spec: &'a ChannelsSpec, source: &'a T, target: &'a mut T },
}

impl<T> Channels<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        let contract = Contract::<T>::new("channels");
        match self {
            Self::Copy { spec, source, target } => {
                let [from, to, moved] = spec.lengths();
                contract.read("source", source, from).write("target", target, to).moves(2 * moved)
            }
            Self::Add { spec, source, target } => {
                let [from, to, moved] = spec.lengths();
                let contract = contract.phase(Phase::InputGradient).read("source", source, from);
                contract.update("target", target, to).flops(moved as u64).moves(3 * moved)
            }
        }
    }
}
