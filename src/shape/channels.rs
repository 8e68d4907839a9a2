use super::{Shape, extent};
use crate::error::{Error, Result};

/// Moves `count` channels of every row from one array into another: join, slice and their adjoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Channels moved.
    pub count: u32,
}

impl ChannelsSpec {
    /// Checks a move of `count` channels from `source` (starting at `source_start`) to `target` (at `target_start`).
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
        let leading = |shape: &Shape| shape.extents()[..shape.extents().len() - 1].to_vec();
        if leading(source) != leading(target) {
            return Err(Error::shape(op, format!("all extents but the last must agree: {source} and {target}")));
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

    /// The same channels moved back: the adjoint.
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
}
