//! Discrete textures: the sequences of letters that a finite transition graph allows, and the nearest of them.

use ndarray::{Array1, ArrayView1};

use super::manifold::check_vector;
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::norm;

/// The sequences `a_{s_1} … a_{s_N}` of letters in Rᵏ in which every `s_{i+1}` is a successor of `s_i`, of any length N.
#[derive(Clone, Debug)]
pub struct TransitionSet {
    letters: Vec<Array1<f64>>,
    successors: Vec<Vec<usize>>,
}

impl TransitionSet {
    /// `letters[s]` `[k]` is the value of state s, `successors[s]` lists the states that may follow it.
    ///
    /// # Errors
    /// No letter; letters that are empty, of different length, not finite or equal; a state without successor; a successor that
    /// is not a state.
    pub fn new(letters: Vec<Array1<f64>>, successors: Vec<Vec<usize>>) -> Result<Self> {
        let (states, lists) = (letters.len(), successors.len());
        if states == 0 || lists != states || letters[0].is_empty() {
            return Err(Error::argument(format!(
                "a transition set needs letters and a list of successors for each, got {states} and {lists}"
            )));
        }
        for letter in &letters {
            check_vector("a letter of a transition set", letters[0].len(), letter)?;
        }
        if let Some(state) = successors.iter().position(Vec::is_empty) {
            return Err(Error::argument(format!("state {state} of a transition set has no successor")));
        }
        if let Some(&next) = successors.iter().flatten().find(|&&next| next >= states) {
            return Err(Error::argument(format!("a transition set of {states} states has no state {next}")));
        }
        let set = Self { letters, successors };
        if states > 1 && set.gap() == 0.0 {
            return Err(Error::argument("two states of a transition set have the same letter"));
        }
        Ok(set)
    }

    /// The strictly periodic sequences: state s is followed by s + 1, the last by the first.
    ///
    /// # Errors
    /// As [`TransitionSet::new`].
    pub fn periodic(letters: Vec<Array1<f64>>) -> Result<Self> {
        let states = letters.len();
        Self::new(letters, (0..states).map(|state| vec![(state + 1) % states]).collect())
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.letters.len()
    }

    /// k, the number of values of a letter.
    pub fn width(&self) -> usize {
        self.letters[0].len()
    }

    /// δ, the smallest distance between two letters; infinite for one letter.
    pub fn gap(&self) -> f64 {
        self.letter_distances().fold(f64::INFINITY, f64::min)
    }

    /// Δ, the largest distance between two letters.
    pub fn diameter(&self) -> f64 {
        self.letter_distances().fold(0.0, f64::max)
    }

    /// m, the smallest power of the graph that is full: any state reaches any state in exactly m steps (hence also in any larger
    /// number of steps). None if there is no such m, as for a periodic set.
    pub fn mixing_length(&self) -> Option<usize> {
        let states = self.states();
        // Wielandt 1950: if some power of the graph is full, one of at most (states - 1)² + 1 is.
        let longest = (states - 1).pow(2) + 1;
        let mut reached: Vec<Vec<bool>> = (0..states).map(|from| (0..states).map(|to| from == to).collect()).collect();
        for m in 1..=longest {
            reached = reached.iter().map(|from| self.one_step(from)).collect();
            if reached.iter().flatten().all(|&is_reached| is_reached) {
                return Some(m);
            }
        }
        None
    }

    /// Whether every letter of `sequence` is a state and may follow the one before it.
    pub fn allows(&self, sequence: &[usize]) -> bool {
        sequence.iter().all(|&state| state < self.states())
            && sequence.windows(2).all(|pair| self.successors[pair[0]].contains(&pair[1]))
    }

    /// A random walk of `length` steps from a random state, each successor equally likely.
    pub fn sample(&self, length: usize, stream: &mut Stream) -> Vec<usize> {
        let mut pick = |count: usize| stream.below(count as u32) as usize;
        let mut state = pick(self.states());
        let mut sequence = Vec::with_capacity(length);
        for _ in 0..length {
            sequence.push(state);
            state = self.successors[state][pick(self.successors[state].len())];
        }
        sequence
    }

    /// The values `[N k]` of a sequence of states of this set.
    pub(super) fn values(&self, sequence: &[usize]) -> Array1<f64> {
        sequence.iter().flat_map(|&state| self.letters[state].iter().copied()).collect()
    }

    /// The letter `[k]` of a state of this set.
    pub(super) fn letter(&self, state: usize) -> &Array1<f64> {
        &self.letters[state]
    }

    /// The states that may follow `state`, a state of this set.
    pub(super) fn successors(&self, state: usize) -> &[usize] {
        &self.successors[state]
    }

    /// π(y): the states of the allowed sequence nearest to y `[N k]`, by dynamic programming (Viterbi 1967). Ties are broken by
    /// the smaller state, compared from the last state backwards.
    ///
    /// # Errors
    /// y is empty, not a whole number of letters, not finite, or so far away that the distance overflows.
    pub fn project_point(&self, y: &Array1<f64>) -> Result<Vec<usize>> {
        let width = self.width();
        check_vector("a sequence of letters", (y.len() / width).max(1) * width, y)?;
        let mut cells = y.exact_chunks(width).into_iter();
        let first = cells.next().ok_or_else(|| Error::argument("a sequence of letters is empty"))?;
        let mut costs: Vec<f64> = (0..self.states()).map(|state| self.cost(state, first)).collect();
        let mut came_from = Vec::with_capacity(y.len() / width);
        for cell in cells {
            let (next, best) = self.advance(&costs, cell);
            costs = next;
            came_from.push(best);
        }
        let mut state = least(&costs);
        if !costs[state].is_finite() {
            return Err(Error::argument("a sequence of letters is too far from the transition set"));
        }
        let mut sequence = vec![state];
        for best in came_from.iter().rev() {
            state = best[state];
            sequence.push(state);
        }
        sequence.reverse();
        Ok(sequence)
    }

    /// For each state, the smallest cost of a sequence that ends in it one cell later, and the state before.
    fn advance(&self, costs: &[f64], cell: ArrayView1<'_, f64>) -> (Vec<f64>, Vec<usize>) {
        let mut next = vec![f64::INFINITY; self.states()];
        let mut best = vec![0; self.states()];
        for (state, successors) in self.successors.iter().enumerate() {
            for &successor in successors {
                if costs[state] < next[successor] {
                    (next[successor], best[successor]) = (costs[state], state);
                }
            }
        }
        for (state, cost) in next.iter_mut().enumerate() {
            *cost += self.cost(state, cell);
        }
        (next, best)
    }

    fn cost(&self, state: usize, cell: ArrayView1<'_, f64>) -> f64 {
        self.letters[state].iter().zip(cell).map(|(letter, value)| (letter - value).powi(2)).sum()
    }

    /// Which states are reached in one step from those marked `true`.
    fn one_step(&self, from: &[bool]) -> Vec<bool> {
        let mut reached = vec![false; self.states()];
        for state in (0..self.states()).filter(|&state| from[state]) {
            for &successor in &self.successors[state] {
                reached[successor] = true;
            }
        }
        reached
    }

    fn letter_distances(&self) -> impl Iterator<Item = f64> + '_ {
        let pairs = (0..self.states()).flat_map(|a| (0..a).map(move |b| (a, b)));
        pairs.map(|(a, b)| norm(&(&self.letters[a] - &self.letters[b])))
    }
}

/// Index of the first smallest value.
fn least(costs: &[f64]) -> usize {
    (0..costs.len()).fold(0, |best, state| if costs[state] < costs[best] { state } else { best })
}
