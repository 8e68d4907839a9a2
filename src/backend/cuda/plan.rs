//! Placement of the buffers of repeated work: all in one slab, sharing space if their lifetimes do not overlap.

/// Every block of a GPU starts at a multiple of this.
pub(crate) const ALIGNMENT: usize = 256;

/// One buffer of a recorded run. Time is counted in allocations: number k happens at time k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub bytes: usize,
    /// Its own number.
    pub from: usize,
    /// How many allocations had happened when it was dropped.
    pub until: usize,
}

impl Life {
    /// What it takes in the slab.
    fn room(&self) -> usize {
        self.bytes.max(1).next_multiple_of(ALIGNMENT)
    }

    fn meets(&self, other: &Self) -> bool {
        self.from < other.until && other.from < self.until
    }
}

/// What a plan needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Buffers that the work makes.
    pub buffers: usize,
    /// Bytes of the slab that holds them all.
    pub slab: usize,
    /// Peak bytes alive at once, a lower bound for every plan.
    pub alive: usize,
    /// Total bytes of all buffers.
    pub sum: usize,
}

/// Buffers in the order of their allocation, each with its place.
#[derive(Debug)]
pub(crate) struct Plan {
    pub lives: Vec<Life>,
    pub offsets: Vec<usize>,
    pub size: Planned,
}

impl Plan {
    /// Greedy best fit, largest first (Pisarchyk, Lee 2020): each buffer goes into the smallest gap between those placed
    /// before it that live at the same time, or behind them all.
    pub fn new(lives: Vec<Life>) -> Self {
        let mut order: Vec<usize> = (0..lives.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(lives[index].room()), index));
        let mut offsets = vec![0; lives.len()];
        let mut placed: Vec<usize> = Vec::with_capacity(lives.len());
        for index in order {
            let neighbours = placed.iter().filter(|&&other| lives[other].meets(&lives[index]));
            offsets[index] = best_gap(neighbours.map(|&other| (offsets[other], lives[other].room())), lives[index].room());
            // Sorted by place, so that gaps are found in one walk.
            let at = placed.partition_point(|&other| offsets[other] <= offsets[index]);
            placed.insert(at, index);
        }
        let slab = lives.iter().zip(&offsets).map(|(life, offset)| offset + life.room()).max().unwrap_or(0);
        let sum = lives.iter().map(Life::room).sum();
        let size = Planned { buffers: lives.len(), slab, alive: most_alive(&lives), sum };
        Self { lives, offsets, size }
    }

    /// How many buffers have been dropped when allocation number `time` happens.
    pub fn dropped_before(&self, time: usize) -> usize {
        self.lives.iter().filter(|life| life.until <= time).count()
    }
}

/// Start of the smallest gap of at least `room` between `(offset, room)` sorted by offset, else the end of the last.
fn best_gap(neighbours: impl Iterator<Item = (usize, usize)>, room: usize) -> usize {
    let (mut end, mut best) = (0, None);
    for (offset, taken) in neighbours {
        let gap = offset.saturating_sub(end);
        if gap >= room && best.is_none_or(|(smallest, _)| gap < smallest) {
            best = Some((gap, end));
        }
        end = end.max(offset + taken);
    }
    best.map_or(end, |(_, start)| start)
}

/// Largest sum of the rooms of buffers alive at one time. It can only grow at an allocation.
fn most_alive(lives: &[Life]) -> usize {
    let mut ends: Vec<(usize, usize)> = lives.iter().map(|life| (life.until, life.room())).collect();
    ends.sort_unstable();
    let (mut alive, mut most, mut ended) = (0, 0, ends.iter().peekable());
    for (time, life) in lives.iter().enumerate() {
        while let Some((_, room)) = ended.next_if(|(until, _)| *until <= time) {
            alive -= room;
        }
        alive += life.room();
        most = most.max(alive);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Random sizes; each buffer lives for a random number of later allocations, at most until the end.
    fn lives() -> impl Strategy<Value = Vec<Life>> {
        prop::collection::vec((0..5000_usize, 1..12_usize), 0..60).prop_map(|drawn| {
            let count = drawn.len();
            let life = |(from, (bytes, span)): (usize, (usize, usize))| Life { bytes, from, until: (from + span).min(count) };
            drawn.into_iter().enumerate().map(life).collect()
        })
    }

    proptest! {
        #[test]
        fn buffers_that_live_together_lie_apart(lives in lives()) {
            let Plan { lives, offsets, size } = Plan::new(lives);
            for (i, a) in lives.iter().enumerate() {
                prop_assert_eq!(offsets[i] % ALIGNMENT, 0);
                prop_assert!(offsets[i] + a.bytes <= size.slab);
                for (j, b) in lives.iter().enumerate().skip(i + 1) {
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    prop_assert!(apart || a.until <= b.from || b.until <= a.from, "buffers {} and {} overlap", i, j);
                }
            }
        }

        #[test]
        fn the_slab_lies_between_what_is_alive_and_the_sum(lives in lives()) {
            let size = Plan::new(lives.clone()).size;
            let at = |time| lives.iter().filter(|life| life.from <= time && time < life.until).map(Life::room).sum::<usize>();
            prop_assert_eq!(size.alive, (0..lives.len()).map(at).max().unwrap_or(0));
            prop_assert!(size.alive <= size.slab && size.slab <= size.sum);
        }
    }

    /// A network: activations are kept until the backward pass, which takes them in reverse order, with two gradients alive.
    fn training_step(layers: usize, bytes: impl Fn(usize) -> usize) -> Vec<Life> {
        let count = 2 * layers;
        let forward = (0..layers).map(|k| Life { bytes: bytes(k), from: k, until: count - k });
        let backward = (0..layers).map(|k| {
            let from = layers + k;
            Life { bytes: bytes(layers - 1 - k), from, until: (from + 2).min(count) }
        });
        forward.chain(backward).collect()
    }

    #[test]
    fn typical_work_needs_little_more_than_is_alive() {
        for (name, lives, most) in [
            ("equal layers", training_step(20, |_| 1 << 20), 1.0),
            ("a pyramid", training_step(20, |k| (1 << 22) >> (k / 4)), 1.15),
            ("ragged layers", training_step(30, |k| 10_007 * (1 + (7 * k) % 11)), 1.15),
            ("a chain", (0..50).map(|k| Life { bytes: 4096, from: k, until: (k + 2).min(50) }).collect(), 1.0),
        ] {
            let size = Plan::new(lives).size;
            let ratio = size.slab as f64 / size.alive as f64;
            assert!(ratio <= most, "{name}: {ratio} of what is alive, {size:?}");
            assert!(size.slab < size.sum, "{name}: {size:?}");
        }
    }

    #[test]
    fn a_plan_of_nothing_is_empty() {
        assert_eq!(Plan::new(Vec::new()).size, Planned { buffers: 0, slab: 0, alive: 0, sum: 0 });
    }
}
