//! The memory that a launch reads and writes. The compiler of the kernels may assume that what a kernel writes overlaps nothing
//! else (`__restrict__`), and a GPU then reads inputs through a cache that sees no writes, so every launch is checked.

use super::driver::Address;

/// The buffers of a launch, in the order of its arguments.
#[derive(Default)]
pub(super) struct Operands(Vec<Range>);

/// Addresses from `start` to before `end`.
#[derive(Clone, Copy)]
struct Range {
    start: Address,
    end: Address,
    written: bool,
}

impl Range {
    /// Whether both share memory that one of them writes. A buffer without elements shares nothing.
    fn conflicts_with(self, other: Self) -> bool {
        (self.written || other.written) && self.start.max(other.start) < self.end.min(other.end)
    }
}

impl Operands {
    /// Adds a buffer of `bytes` bytes.
    pub(super) fn push(&mut self, start: Address, bytes: usize, written: bool) {
        self.0.push(Range { start, end: start + bytes as Address, written });
    }

    /// The numbers, counted from 0, of two buffers that share memory of which at least one is written.
    pub(super) fn conflict(&self) -> Option<(usize, usize)> {
        let ranges = &self.0;
        let of = |second: usize| (0..second).find(|&first| ranges[first].conflicts_with(ranges[second]));
        (1..ranges.len()).find_map(|second| Some((of(second)?, second)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(buffers: &[(Address, usize, bool)]) -> Option<(usize, usize)> {
        let mut operands = Operands::default();
        buffers.iter().for_each(|&(start, bytes, written)| operands.push(start, bytes, written));
        operands.conflict()
    }

    #[test]
    fn what_is_written_must_overlap_nothing() {
        let (read, written) = (false, true);
        assert_eq!(conflict(&[]), None);
        assert_eq!(conflict(&[(0, 8, read), (0, 8, read), (8, 8, written)]), None);
        assert_eq!(conflict(&[(0, 8, read), (0, 8, written)]), Some((0, 1)));
        assert_eq!(conflict(&[(32, 4, read), (7, 1, written), (0, 8, read)]), Some((1, 2)));
        assert_eq!(conflict(&[(0, 8, written), (64, 8, read), (4, 8, written)]), Some((0, 2)));
        assert_eq!(conflict(&[(0, 0, written), (0, 8, written), (4, 0, read)]), None);
    }
}
