//! How the change outside the segment depends on N.

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::claim::Check;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::{log_log_slope, mean};
use crate::theory::transition_set::TransitionSet;

use super::PERIODIC;
use super::restored::{Replacement, Restored, Worlds, replacement};

const LENGTHS: [usize; 7] = [64, 128, 256, 512, 1024, 2048, 4096];

/// Lengths of windows around one segment. The sides of the shortest have 69 cells, more than theorem C8.4 requires: m is at most
/// 8 and Δ at most 3δ, so `⌊(m-1)(Δ/δ)²⌋` is at most 63.
const WINDOWS: [usize; 5] = [288, 512, 1024, 2048, 4096];
/// Length of this segment: more than half of the shortest window, less than half of all others.
const SEGMENT: usize = 150;

/// Number of cells on either side of the segment in the profile.
const PROFILE_CELLS: usize = 12;

/// Means over trials for every N; six tenths of the sequence are replaced by a foreign one.
#[derive(Default)]
pub(super) struct Growth {
    /// `‖(z-x) off S‖² / Δ²`: textures, periodic patterns.
    change: [Vec<(f64, f64)>; 2],
    /// The preserved fraction outside S.
    preserved: [Vec<(f64, f64)>; 2],
    /// Lower bound of the preserved fraction, for textures.
    lower_bound: Vec<(f64, f64)>,
}

impl Growth {
    pub(super) fn measure(worlds: &Worlds, stream: &mut Stream, trials: usize) -> Result<Self> {
        let mut growth = Self::default();
        for length in LENGTHS {
            let n = length as f64;
            let replaced = length * 6 / 10;
            let mut found = [vec![], vec![], vec![], vec![]];
            let mut bounds = vec![];
            for trial in 0..trials {
                let start = stream.below((length - replaced) as u32 + 1) as usize;
                let (texture, m) = &worlds.textures[trial % worlds.textures.len()];
                for (kind, set) in [texture, &worlds.periodic[trial % worlds.periodic.len()]].into_iter().enumerate() {
                    let restored = Restored::sample(set, length, start..start + replaced, Replacement::Foreign, stream)?;
                    found[kind].push(restored.change_beyond(0) / set.diameter().powi(2));
                    found[2 + kind].push(restored.preserved());
                }
                let changed = 2.0 * (*m as f64 - 1.0) * (texture.diameter() / texture.gap()).powi(2);
                bounds.push(1.0 - changed / (length - replaced) as f64);
            }
            for kind in 0..2 {
                growth.change[kind].push((n, mean(&found[kind])));
                growth.preserved[kind].push((n, mean(&found[2 + kind])));
            }
            growth.lower_bound.push((n, mean(&bounds)));
        }
        Ok(growth)
    }

    pub(super) fn check(&self, tolerance: f64) -> Result<Check> {
        let because =
            "C8.1 only bounds the mean by a constant; the standard deviation of the slope is 0.03 for 240 trials, 0.012 for 1800";
        let [texture, periodic] = &self.change;
        // Means over sequences of which a share is periodic.
        let slope = |share: f64| {
            let mixed = texture.iter().zip(periodic).map(|((n, a), (_, b))| (*n, (1.0 - share) * a + share * b));
            log_log_slope(&mixed.collect::<Vec<_>>())
        };
        Check::equal("slope of ‖(z-x) off S‖² in N, |S| = 0.6 N", 0.0, slope(0.0)?, tolerance, because).against(PERIODIC, slope)
    }

    pub(super) fn figure(self) -> Figure {
        let [texture, periodic] = self.preserved;
        let series = vec![
            Series::line("preserved off S, textures", texture),
            Series::dashed("lower bound", self.lower_bound.into_iter().filter(|point| point.1 > 0.0).collect()),
            Series::line("preserved off S, periodic", periodic),
        ];
        Figure {
            stem: "c8_preserved".into(),
            title: "How much of a texture is preserved".into(),
            caption:
                "Six tenths of a sequence of N letters are replaced by another allowed sequence. Of the rest, textures preserve all \
                 but a constant number of letters; a periodic pattern takes the phase of the larger part."
                    .into(),
            content: Content::chart([AxisSpec::log("N"), AxisSpec::linear("fraction")], series),
        }
    }
}

/// Windows of different lengths N around one segment of fixed length, with the same letters near the segment. Textures come
/// first, periodic patterns second.
pub(super) struct Windows {
    /// Probability that z = x outside S, for each N.
    off_segment: [Vec<(f64, f64)>; 2],
    /// Probability that z = x outside S∪B, for each N; no B for periodic patterns.
    off_both: [Vec<(f64, f64)>; 2],
    /// Mean disagreement at distance 1, 2, … from the segment, in the shortest window.
    profiles: [Vec<(f64, f64)>; 2],
}

/// Counts over trials.
#[derive(Default)]
struct Counts {
    off_segment: [u32; WINDOWS.len()],
    off_both: [u32; WINDOWS.len()],
    profile: [u32; PROFILE_CELLS],
}

impl Windows {
    pub(super) fn measure(worlds: &Worlds, stream: &mut Stream, trials: usize) -> Result<Self> {
        let mut counts = [Counts::default(), Counts::default()];
        for trial in 0..trials {
            let (texture, m) = &worlds.textures[trial % worlds.textures.len()];
            counts[0].add(texture, *m, stream)?;
            counts[1].add(&worlds.periodic[trial % worlds.periodic.len()], 0, stream)?;
        }
        let fraction = |count: u32, of: usize| f64::from(count) / of as f64;
        let curve = |counts: [u32; WINDOWS.len()]| {
            WINDOWS.iter().zip(counts).map(|(&n, count)| (n as f64, fraction(count, trials))).collect::<Vec<_>>()
        };
        let profile =
            |counts: [u32; PROFILE_CELLS]| (1..).map(f64::from).zip(counts.map(|count| fraction(count, 2 * trials))).collect();
        Ok(Self {
            off_segment: [curve(counts[0].off_segment), curve(counts[1].off_segment)],
            off_both: [curve(counts[0].off_both), curve(counts[1].off_both)],
            profiles: [profile(counts[0].profile), profile(counts[1].profile)],
        })
    }

    pub(super) fn check(&self) -> Result<Check> {
        let change = |points: &[(f64, f64)]| points[points.len() - 1].1 - points[0].1;
        let because = "theorem C8.4: the same letters around S, and sides longer than it requires";
        let [texture, periodic] = &self.off_segment;
        let mixed = |share: f64| Ok((1.0 - share) * change(texture) + share * change(periodic));
        Check::equal("P(z = x off S), N = 4096 less N = 288", 0.0, change(texture), 0.0, because).against(PERIODIC, mixed)
    }

    pub(super) fn profile(&self) -> Figure {
        let [texture, periodic] = &self.profiles;
        let series = vec![Series::line("textures", texture.clone()), Series::dashed("periodic", periodic.clone())];
        Figure {
            stem: "c8_profile".into(),
            title: "Disagreement around a corrupted segment".into(),
            caption: format!(
                "How often z differs from x, by distance from a foreign segment of {SEGMENT} of 288 letters. The difference vanishes \
                 within a few letters in textures, and never in a periodic pattern if the segment is more than half of it."
            ),
            content: Content::chart([AxisSpec::linear("distance from S"), AxisSpec::linear("P(z ≠ x)")], series),
        }
    }

    pub(super) fn figure(self) -> Figure {
        let [texture, _] = self.off_segment;
        let [texture_beyond, periodic] = self.off_both;
        let series = vec![
            Series::line("off S, textures", texture),
            Series::line("off S∪B, textures", texture_beyond),
            Series::dashed("off S, periodic", periodic),
        ];
        Figure {
            stem: "c8_unchanged".into(),
            title: "Probability that nothing changes outside the segment".into(),
            caption: format!(
                "P(z = x) outside a foreign segment of {SEGMENT} letters, and outside S∪B, against the length of the sequence. In \
                 textures only the letters near the segment matter; a periodic pattern is restored as soon as the segment is the \
                 smaller part."
            ),
            content: Content::chart([AxisSpec::log("N"), AxisSpec::linear("probability")], series),
        }
    }
}

impl Counts {
    /// One sequence whose segment is replaced once, in all windows.
    fn add(&mut self, set: &TransitionSet, margin: usize, stream: &mut Stream) -> Result<()> {
        let longest = WINDOWS[WINDOWS.len() - 1];
        let x = set.sample(longest, stream);
        let middle = (longest - SEGMENT) / 2;
        let replacement = replacement(set, &x[middle..middle + SEGMENT], Replacement::Foreign, stream);
        for (index, length) in WINDOWS.into_iter().enumerate() {
            let cut = (longest - length) / 2;
            let (window, start) = (x[cut..cut + length].to_vec(), middle - cut);
            let restored = Restored::new(set, window, start..start + SEGMENT, &replacement)?;
            self.off_segment[index] += u32::from(restored.change_beyond(0) == 0.0);
            self.off_both[index] += u32::from(restored.change_beyond(margin) == 0.0);
            if index == 0 {
                self.add_profile(&restored);
            }
        }
        Ok(())
    }

    fn add_profile(&mut self, restored: &Restored<'_>) {
        for (index, count) in self.profile.iter_mut().enumerate() {
            for cell in [restored.segment.start - 1 - index, restored.segment.end + index] {
                *count += u32::from(restored.x[cell] != restored.z[cell]);
            }
        }
    }
}
