//! Plain-woven cloth: warp threads run down, weft threads across, each over one and under the next.

use super::noise::{Colour, Noise, Point, lit};
use super::scene::{Material, Sample};
use crate::rng::Stream;

/// The two directions of thread.
const WARP: usize = 0;
const WEFT: usize = 1;

pub(super) struct Cloth {
    spacing: f32,
    colours: [Colour; 2],
    threads: Noise,
    fibres: Noise,
    missing: Option<Missing>,
}

/// A thread that is missing between `from` and `to` (in threads of the other direction).
struct Missing {
    direction: usize,
    thread: i32,
    from: f32,
    to: f32,
}

/// A point in the coordinates of a thread: the number of the thread, the position across it in [-1/2, 1/2] and along it, in
/// threads.
#[derive(Clone, Copy)]
struct OnThread {
    direction: usize,
    number: i32,
    across: f32,
    along: f32,
}

impl Cloth {
    pub fn new(stream: &mut Stream) -> Self {
        let shade = stream.range(0.95, 1.05);
        Self {
            spacing: 7.4 * stream.range(0.97, 1.03),
            colours: [lit([0.56, 0.63, 0.72], shade), lit([0.78, 0.76, 0.70], shade)],
            threads: Noise::new(stream),
            fibres: Noise::new(stream),
            missing: None,
        }
    }

    /// The thread of one direction nearest to `(across, along)`, both in threads.
    fn thread(&self, direction: usize, across: f32, along: f32) -> OnThread {
        // Threads are not straight; they deviate by a fraction of their spacing.
        let wander = 0.22 * self.threads.at(across * 0.35 + 31.0 * direction as f32, along * 0.16);
        let across = across + wander;
        let number = across.floor() as i32;
        let jitter = 0.07 * self.threads.of_cell(number, 7 + direction as i32);
        OnThread { direction, number, across: across - across.floor() - 0.5 + jitter, along }
    }

    fn is_missing(&self, on: &OnThread) -> bool {
        self.missing.as_ref().is_some_and(|gap| {
            gap.direction == on.direction && gap.thread == on.number && on.along > gap.from && on.along < gap.to
        })
    }

    /// The colour of the thread, if the point is on it. `rise` is 1 where the thread is on top and -1 where it is below.
    fn shown(&self, on: OnThread, rise: f32) -> Option<Colour> {
        let half = 0.45 + 0.03 * self.threads.of_cell(on.number, 20 + on.direction as i32);
        let round = 1.0 - (on.across / half).powi(2);
        if round <= 0.0 || self.is_missing(&on) {
            return None;
        }
        let twist = (std::f32::consts::TAU * (1.6 * on.along + 1.1 * on.across)).sin();
        let fibre = self.fibres.at(on.across * 9.0 + 13.0 * on.number as f32, on.along * 1.7 + 5.0 * on.direction as f32);
        let tone = 1.0 + 0.06 * self.threads.of_cell(on.number, 40 + on.direction as i32);
        let shade = 0.42 + 0.42 * round.sqrt() + 0.20 * rise - 0.10 * on.across;
        Some(lit(self.colours[on.direction], tone * shade * (1.0 + 0.05 * twist + 0.13 * fibre)))
    }
}

impl Material for Cloth {
    fn sample(&self, p: Point) -> Sample {
        let (v, u) = (p.y / self.spacing, p.x / self.spacing);
        let warp = self.thread(WARP, u, v);
        let weft = self.thread(WEFT, v, u);
        // The thread on top alternates between crossings. Half-way between two crossings, a thread passes through the cloth.
        let warp_first = (warp.number + weft.number) % 2 == 0;
        let (top, below) = if warp_first { (warp, weft) } else { (weft, warp) };
        let crossing = (std::f32::consts::PI * if warp_first { weft.across } else { warp.across }).cos();
        let gap = lit(self.colours[WARP], 0.18);
        let colour = self.shown(top, crossing).or_else(|| self.shown(below, -0.75)).unwrap_or(gap);
        Sample::solid(colour)
    }

    fn alter(&mut self, p: Point, reach: f32, stream: &mut Stream) {
        let direction = stream.below(2) as usize;
        let (v, u) = (p.y / self.spacing, p.x / self.spacing);
        let (across, along) = if direction == WARP { (u, v) } else { (v, u) };
        let half = (1.4 * reach / self.spacing).max(2.0);
        let thread = self.thread(direction, across, along).number;
        self.missing = Some(Missing { direction, thread, from: along - half, to: along + half });
    }
}
