//! Discrete textures: sequences of letters that a finite transition graph allows, and the nearest of them.

use super::algebra::{norm, sub};
use super::manifold::check_vector;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// The sequences `a_{s_1} … a_{s_N}` of letters in Rᵏ with `s_{i+1}` among the successors of `s_i`, for any length N.
#[derive(Clone, Debug)]
pub struct TransitionSet {
    letters: Vec<Vec<f64>>,
    successors: Vec<Vec<usize>>,
}

impl TransitionSet {
    /// `letters[s]` is the value `[k]` of state s, `successors[s]` the states that may follow it.
    ///
    /// # Errors
    /// No letter; letters without values, of different length, not finite or equal; a state without a successor; a successor
    /// that is no state.
    pub fn new(letters: Vec<Vec<f64>>, successors: Vec<Vec<usize>>) -> Result<Self> {
        let (states, lists) = (letters.len(), successors.len());
        if states == 0 || lists != states || letters[0].is_empty() {
            return Err(Error::argument(format!("a transition set needs letters, each with successors: {states} and {lists}")));
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
    pub fn periodic(letters: Vec<Vec<f64>>) -> Result<Self> {
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

    /// δ, the least distance between two letters; infinite for one letter.
    pub fn gap(&self) -> f64 {
        self.letter_distances().fold(f64::INFINITY, f64::min)
    }

    /// Δ, the largest distance between two letters.
    pub fn diameter(&self) -> f64 {
        self.letter_distances().fold(0.0, f64::max)
    }

    /// m, the least power of the graph that is full: any state reaches any state in exactly m steps (and so in any larger
    /// number). None where there is no such m, as in a periodic set.
    pub fn mixing_length(&self) -> Option<usize> {
        let states = self.states();
        // Wielandt 1950: a graph of which some power is full has a full power not above (states - 1)² + 1.
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

    /// The values `[N k]` of a sequence of states.
    ///
    /// # Panics
    /// If one of them is no state of this set.
    pub fn values(&self, sequence: &[usize]) -> Vec<f64> {
        sequence.iter().flat_map(|&state| self.letters[state].iter().copied()).collect()
    }

    /// The letter of a state, `[k]`.
    ///
    /// # Panics
    /// If it is no state of this set.
    pub fn letter(&self, state: usize) -> &[f64] {
        &self.letters[state]
    }

    /// The states that may follow `state`.
    ///
    /// # Panics
    /// If it is no state of this set.
    pub fn successors(&self, state: usize) -> &[usize] {
        &self.successors[state]
    }

    /// π(y): the states of the allowed sequence nearest to y `[N k]`, by dynamic programming (Viterbi 1967). Of several nearest
    /// ones it returns the one that is smaller, compared from the last state backwards.
    ///
    /// # Errors
    /// y is empty, not a whole number of letters, not finite, or so far away that its distance overflows.
    pub fn project_point(&self, y: &[f64]) -> Result<Vec<usize>> {
        let width = self.width();
        check_vector("a sequence of letters", (y.len() / width).max(1) * width, y)?;
        let (first, rest) = y.split_at(width);
        let mut costs: Vec<f64> = (0..self.states()).map(|state| self.cost(state, first)).collect();
        let mut came_from = Vec::with_capacity(rest.len() / width);
        for cell in rest.chunks(width) {
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

    /// Least cost of a sequence that ends in each state one cell later, and the state before.
    fn advance(&self, costs: &[f64], cell: &[f64]) -> (Vec<f64>, Vec<usize>) {
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

    fn cost(&self, state: usize, cell: &[f64]) -> f64 {
        self.letters[state].iter().zip(cell).map(|(letter, value)| (letter - value).powi(2)).sum()
    }

    /// The states reached in one step from those that are `true`.
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
        pairs.map(|(a, b)| norm(&sub(&self.letters[a], &self.letters[b])))
    }
}

/// The first of the smallest values.
fn least(costs: &[f64]) -> usize {
    (0..costs.len()).fold(0, |best, state| if costs[state] < costs[best] { state } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden_mean() -> TransitionSet {
        TransitionSet::new(vec![vec![0.0], vec![1.0]], vec![vec![0, 1], vec![0]]).unwrap()
    }

    #[test]
    fn powers_of_the_graph() {
        assert_eq!(golden_mean().mixing_length(), Some(2));
        let letters = || (0..4).map(|s| vec![f64::from(s)]).collect::<Vec<_>>();
        assert_eq!(TransitionSet::periodic(letters()).unwrap().mixing_length(), None);
        // Wielandt's graph attains the bound (4 - 1)² + 1.
        let wielandt = TransitionSet::new(letters(), vec![vec![1], vec![2], vec![3], vec![0, 1]]).unwrap();
        assert_eq!(wielandt.mixing_length(), Some(10));
        assert_eq!((wielandt.gap(), wielandt.diameter()), (1.0, 3.0));
    }

    #[test]
    fn the_nearest_sequence_is_allowed_and_normal_ones_stay() {
        let set = golden_mean();
        assert_eq!(set.project_point(&[0.9, 0.8, 0.9]).unwrap(), [1, 0, 1]);
        assert_eq!(set.project_point(&[0.6, 0.9]).unwrap(), [0, 1]);
        let mut stream = Stream::new(3, crate::rng::Purpose::Test, 0, 0);
        let x = set.sample(50, &mut stream);
        assert!(set.allows(&x) && !set.allows(&[1, 1]) && !set.allows(&[2]));
        assert_eq!(set.project_point(&set.values(&x)).unwrap(), x);
    }

    #[test]
    fn bad_input_is_named() {
        let new = |letters: &[&[f64]], successors: &[&[usize]]| {
            let owned = |letters: &[&[f64]]| letters.iter().map(|letter| letter.to_vec()).collect();
            TransitionSet::new(owned(letters), successors.iter().map(|list| list.to_vec()).collect()).unwrap_err().to_string()
        };
        assert!(new(&[], &[]).contains("0 and 0"));
        assert!(new(&[&[0.0], &[1.0, 2.0]], &[&[0], &[0]]).contains("has 1 values, got 2"));
        assert!(new(&[&[0.0], &[1.0]], &[&[0], &[]]).contains("state 1"));
        assert!(new(&[&[0.0], &[1.0]], &[&[0], &[2]]).contains("no state 2"));
        assert!(new(&[&[0.5], &[0.5]], &[&[0], &[1]]).contains("same letter"));
        for y in [&[][..], &[f64::NAN], &[1e200]] {
            assert!(golden_mean().project_point(y).is_err());
        }
        let wide = TransitionSet::periodic(vec![vec![0.0, 0.0], vec![1.0, 0.0]]).unwrap();
        assert!(wide.project_point(&[0.0, 1.0, 2.0]).is_err());
    }
}
