//! Random textures, and the nearest allowed sequence to a corrupted one.

use std::ops::Range;

use ndarray::{Array1, s};

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, square_norm};
use crate::theory::transition_set::TransitionSet;

/// Maximum number of random tries; a few dozen are usually enough.
const MAX_TRIES: usize = 10_000;

/// Number of states of every graph.
const STATES: usize = 6;

/// Random textures with their m, and the same number of periodic patterns.
pub(super) struct Worlds {
    pub(super) textures: Vec<(TransitionSet, usize)>,
    pub(super) periodic: Vec<TransitionSet>,
}

impl Worlds {
    pub(super) fn sample(stream: &mut Stream, count: usize) -> Result<Self> {
        let textures = (0..count).map(|_| texture(stream)).collect::<Result<_>>()?;
        let periodic = (0..count).map(|_| TransitionSet::periodic(letters(stream)?)).collect::<Result<_>>()?;
        Ok(Self { textures, periodic })
    }
}

/// Letters in R³ with δ ≥ Δ/3, so that the bound on the number of changed letters is meaningful.
fn letters(stream: &mut Stream) -> Result<Vec<Array1<f64>>> {
    for _ in 0..MAX_TRIES {
        let letters: Vec<Array1<f64>> = (0..STATES).map(|_| gaussian_vector(stream, 3)).collect();
        let set = TransitionSet::periodic(letters.clone())?;
        if set.gap() >= set.diameter() / 3.0 {
            return Ok(letters);
        }
    }
    Err(Error::argument("no random letters are far enough apart"))
}

/// A graph with two successors per state and m from 3 to 8, neither trivial nor close to periodic, with its m.
fn texture(stream: &mut Stream) -> Result<(TransitionSet, usize)> {
    let letters = letters(stream)?;
    for _ in 0..MAX_TRIES {
        let pick = |stream: &mut Stream| {
            let first = stream.below(STATES as u32) as usize;
            vec![first, (first + 1 + stream.below(STATES as u32 - 1) as usize) % STATES]
        };
        let successors = (0..STATES).map(|_| pick(stream)).collect();
        let set = TransitionSet::new(letters.clone(), successors)?;
        if let Some(m) = set.mixing_length().filter(|m| (3..=8).contains(m)) {
            return Ok((set, m));
        }
    }
    Err(Error::argument("no random graph has a full power from 3 to 8"))
}

/// A cycle of all states with one more edge, which skips a state: almost periodic, but all long enough steps are possible.
pub(super) fn nearly_periodic(stream: &mut Stream) -> Result<TransitionSet> {
    let mut successors: Vec<Vec<usize>> = (0..STATES).map(|state| vec![(state + 1) % STATES]).collect();
    successors[0].push(2);
    TransitionSet::new(letters(stream)?, successors)
}

/// What replaces a segment.
#[derive(Clone, Copy)]
pub(super) enum Replacement {
    /// Part of another allowed sequence; the next phase of a periodic pattern.
    Foreign,
    Noise,
    /// Values ten times as large as the letters.
    Far,
}

/// A normal sequence, and the nearest one to its copy that is corrupted on `segment`.
pub(super) struct Restored<'a> {
    set: &'a TransitionSet,
    pub(super) x: Vec<usize>,
    pub(super) z: Vec<usize>,
    pub(super) segment: Range<usize>,
}

impl<'a> Restored<'a> {
    pub(super) fn new(set: &'a TransitionSet, x: Vec<usize>, segment: Range<usize>, replacement: &Array1<f64>) -> Result<Self> {
        let mut corrupted = set.values(&x);
        let width = set.width();
        corrupted.slice_mut(s![segment.start * width..segment.end * width]).assign(replacement);
        let z = set.project_point(&corrupted)?;
        Ok(Self { set, x, z, segment })
    }

    pub(super) fn sample(
        set: &'a TransitionSet,
        length: usize,
        segment: Range<usize>,
        how: Replacement,
        stream: &mut Stream,
    ) -> Result<Self> {
        let x = set.sample(length, stream);
        let replacement = replacement(set, &x[segment.clone()], how, stream);
        Self::new(set, x, segment, &replacement)
    }

    /// `‖(z-x) off S∪B‖²`, B `margin` cells on either side.
    pub(super) fn change_beyond(&self, margin: usize) -> f64 {
        let near = self.segment.start.saturating_sub(margin)..self.segment.end + margin;
        let change = |cell: usize| square_norm(&(self.set.letter(self.z[cell]) - self.set.letter(self.x[cell])));
        (0..self.x.len()).filter(|cell| !near.contains(cell)).map(change).sum()
    }

    /// The largest distance of a changed cell outside S from S; 0 if none has changed.
    pub(super) fn farthest_change(&self) -> usize {
        let before =
            (0..self.segment.start).find(|&cell| self.x[cell] != self.z[cell]).map_or(0, |cell| self.segment.start - cell);
        let after = (self.segment.end..self.x.len()).rev().find(|&cell| self.x[cell] != self.z[cell]);
        before.max(after.map_or(0, |cell| cell + 1 - self.segment.end))
    }

    /// The preserved fraction outside S.
    pub(super) fn preserved(&self) -> f64 {
        let off: Vec<usize> = (0..self.x.len()).filter(|cell| !self.segment.contains(cell)).collect();
        off.iter().filter(|&&cell| self.x[cell] == self.z[cell]).count() as f64 / off.len() as f64
    }
}

/// The values that replace the letters x.
pub(super) fn replacement(set: &TransitionSet, x: &[usize], how: Replacement, stream: &mut Stream) -> Array1<f64> {
    let scale = match how {
        Replacement::Foreign if set.mixing_length().is_none() => {
            return set.values(&x.iter().map(|state| (state + 1) % set.states()).collect::<Vec<_>>());
        }
        Replacement::Foreign => return set.values(&set.sample(x.len(), stream)),
        Replacement::Noise => 1.0,
        Replacement::Far => 10.0,
    };
    scale * gaussian_vector(stream, x.len() * set.width())
}
