//! Memory plan for the buffers of repeated work: all are placed in one slab, and buffers whose lifetimes do not overlap may share
//! memory.

/// Alignment in bytes of every block on a GPU.
pub(crate) const ALIGNMENT: usize = 256;

/// Size and lifetime of a buffer of a recorded run. Time is counted in allocations: allocation k happens at time k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub bytes: usize,
    /// Number of its allocation.
    pub from: usize,
    /// Number of allocations made before it was dropped.
    pub until: usize,
}

impl Lifetime {
    /// Bytes that it takes up in the slab.
    fn aligned_size(&self) -> usize {
        self.bytes.max(1).next_multiple_of(ALIGNMENT)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.from < other.until && other.from < self.until
    }
}

/// Memory requirements of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanSize {
    /// Number of buffers that the work allocates.
    pub buffers: usize,
    /// Bytes of the slab that holds them all.
    pub slab: usize,
    /// Peak bytes alive at a time, a lower bound for the slab of any plan.
    pub alive: usize,
    /// Total bytes of all buffers.
    pub sum: usize,
}

/// The buffers in the order of their allocation, each with its offset in the slab.
#[derive(Debug)]
pub(crate) struct Plan {
    pub lifetimes: Vec<Lifetime>,
    pub offsets: Vec<usize>,
    pub size: PlanSize,
}

impl Plan {
    /// Greedy best fit, largest first (Pisarchyk, Lee 2020): each buffer is placed in the smallest sufficient gap between the
    /// buffers placed earlier with overlapping lifetimes, or after all of them.
    pub fn new(lifetimes: Vec<Lifetime>) -> Self {
        let mut order: Vec<usize> = (0..lifetimes.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(lifetimes[index].aligned_size()), index));
        let mut offsets = vec![0; lifetimes.len()];
        let mut placed: Vec<usize> = Vec::with_capacity(lifetimes.len());
        for index in order {
            let neighbours = placed.iter().filter(|&&other| lifetimes[other].overlaps(&lifetimes[index]));
            offsets[index] = best_gap(
                neighbours.map(|&other| (offsets[other], lifetimes[other].aligned_size())),
                lifetimes[index].aligned_size(),
            );
            // Sorted by offset, so that one pass finds all gaps.
            let at = placed.partition_point(|&other| offsets[other] <= offsets[index]);
            placed.insert(at, index);
        }
        let slab = lifetimes.iter().zip(&offsets).map(|(lifetime, offset)| offset + lifetime.aligned_size()).max().unwrap_or(0);
        let sum = lifetimes.iter().map(Lifetime::aligned_size).sum();
        let size = PlanSize { buffers: lifetimes.len(), slab, alive: peak_alive(&lifetimes), sum };
        Self { lifetimes, offsets, size }
    }

    /// Number of buffers that are dropped before allocation number `time`.
    pub fn dropped_before(&self, time: usize) -> usize {
        self.lifetimes.iter().filter(|lifetime| lifetime.until <= time).count()
    }
}

/// Start of the smallest gap of at least `size` bytes between `neighbours`, given as `(offset, size)` sorted by offset; if there
/// is none, the end of the last neighbour.
fn best_gap(neighbours: impl Iterator<Item = (usize, usize)>, size: usize) -> usize {
    let (mut end, mut best) = (0, None);
    for (offset, taken) in neighbours {
        let gap = offset.saturating_sub(end);
        if gap >= size && best.is_none_or(|(smallest, _)| gap < smallest) {
            best = Some((gap, end));
        }
        end = end.max(offset + taken);
    }
    best.map_or(end, |(_, start)| start)
}

/// Largest total size of the buffers alive at a time. It can only grow at an allocation.
fn peak_alive(lifetimes: &[Lifetime]) -> usize {
    let mut ends: Vec<(usize, usize)> = lifetimes.iter().map(|lifetime| (lifetime.until, lifetime.aligned_size())).collect();
    ends.sort_unstable();
    let (mut alive, mut most, mut ended) = (0, 0, ends.iter().peekable());
    for (time, lifetime) in lifetimes.iter().enumerate() {
        while let Some((_, size)) = ended.next_if(|(until, _)| *until <= time) {
            alive -= size;
        }
        alive += lifetime.aligned_size();
        most = most.max(alive);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Buffers of random size, each alive for a random number of allocations, at most until the end.
    fn lifetimes() -> impl Strategy<Value = Vec<Lifetime>> {
        prop::collection::vec((0..5000_usize, 1..12_usize), 0..60).prop_map(|drawn| {
            let count = drawn.len();
            let lifetime =
                |(from, (bytes, span)): (usize, (usize, usize))| Lifetime { bytes, from, until: (from + span).min(count) };
            drawn.into_iter().enumerate().map(lifetime).collect()
        })
    }

    proptest! {
        #[test]
        fn buffers_with_overlapping_lifetimes_do_not_overlap_in_memory(lifetimes in lifetimes()) {
            let Plan { lifetimes, offsets, size } = Plan::new(lifetimes);
            for (i, a) in lifetimes.iter().enumerate() {
                prop_assert_eq!(offsets[i] % ALIGNMENT, 0);
                prop_assert!(offsets[i] + a.bytes <= size.slab);
                for (j, b) in lifetimes.iter().enumerate().skip(i + 1) {
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    prop_assert!(apart || a.until <= b.from || b.until <= a.from, "buffers {} and {} overlap", i, j);
                }
            }
        }

        #[test]
        fn the_slab_size_is_between_the_peak_alive_and_the_sum(lifetimes in lifetimes()) {
            let size = Plan::new(lifetimes.clone()).size;
            let at = |time| lifetimes.iter().filter(|lifetime| lifetime.from <= time && time < lifetime.until).map(Lifetime::aligned_size).sum::<usize>();
            prop_assert_eq!(size.alive, (0..lifetimes.len()).map(at).max().unwrap_or(0));
            prop_assert!(size.alive <= size.slab && size.slab <= size.sum);
        }
    }

    /// The buffers of a network's training step: activations are kept until the backward pass, which uses them in reverse order
    /// with two gradients alive at a time.
    fn training_step(layers: usize, bytes: impl Fn(usize) -> usize) -> Vec<Lifetime> {
        let count = 2 * layers;
        let forward = (0..layers).map(|k| Lifetime { bytes: bytes(k), from: k, until: count - k });
        let backward = (0..layers).map(|k| {
            let from = layers + k;
            Lifetime { bytes: bytes(layers - 1 - k), from, until: (from + 2).min(count) }
        });
        forward.chain(backward).collect()
    }

    #[test]
    fn typical_work_needs_little_more_than_the_peak_alive() {
        for (name, lifetimes, most) in [
            ("equal layers", training_step(20, |_| 1 << 20), 1.0),
            ("a pyramid", training_step(20, |k| (1 << 22) >> (k / 4)), 1.15),
            ("ragged layers", training_step(30, |k| 10_007 * (1 + (7 * k) % 11)), 1.15),
            ("a chain", (0..50).map(|k| Lifetime { bytes: 4096, from: k, until: (k + 2).min(50) }).collect(), 1.0),
        ] {
            let size = Plan::new(lifetimes).size;
            let ratio = size.slab as f64 / size.alive as f64;
            assert!(ratio <= most, "{name}: {ratio} times the peak alive, {size:?}");
            assert!(size.slab < size.sum, "{name}: {size:?}");
        }
    }

    #[test]
    fn a_plan_without_buffers_is_empty() {
        assert_eq!(Plan::new(Vec::new()).size, PlanSize { buffers: 0, slab: 0, alive: 0, sum: 0 });
    }
}
