use ndarray::Array2;
use serde::Serialize;

use super::metrics::Score;
use crate::backend::Real;

/// The image scores of Method §6.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ImageScores {
    /// Maximum of the heatmap.
    #[serde(rename = "score_max")]
    pub max: f64,
    /// Sum of the heatmap.
    #[serde(rename = "score_sum")]
    pub sum: f64,
    /// Mean of the largest values of the heatmap, a given share of all.
    #[serde(rename = "score_top")]
    pub top: f64,
}

impl ImageScores {
    /// The scores of a heatmap. `top_share`, above 0 and at most 1, is the share of pixels for the score `top`: of a heatmap of N
    /// pixels, the `top_share N` largest values, rounded up to a whole number of pixels.
    pub fn of<T: Real>(heatmap: &Array2<T>, top_share: f64) -> Self {
        let mut running = RunningScores::new(heatmap.len(), top_share);
        heatmap.iter().for_each(|value| running.add(value.f64()));
        running.finish()
    }

    /// The score named by `which`.
    pub fn get(&self, which: Score) -> f64 {
        match which {
            Score::Max => self.max,
            Score::Sum => self.sum,
            Score::Top => self.top,
        }
    }
}

/// The scores of a heatmap whose values come one by one, row by row.
pub(super) struct RunningScores {
    max: f64,
    sum: f64,
    largest: Largest,
}

impl RunningScores {
    /// For a heatmap of `pixels` values.
    pub fn new(pixels: usize, top_share: f64) -> Self {
        // A product such as 0.07 · 100 can come out just above the whole number that is meant.
        let wanted = (top_share * pixels as f64 - 1e-6).ceil() as usize;
        Self { max: f64::NEG_INFINITY, sum: 0.0, largest: Largest { count: wanted.clamp(1, pixels.max(1)), values: Vec::new() } }
    }

    pub fn add(&mut self, value: f64) {
        self.max = self.max.max(value);
        self.sum += value;
        self.largest.add(value);
    }

    pub fn finish(self) -> ImageScores {
        ImageScores { max: self.max, sum: self.sum, top: self.largest.mean() }
    }
}

/// The largest of many values, of which no more than about twice as many are kept. They are collected whatever the image score
/// is, because every result has `score_top`.
struct Largest {
    count: usize,
    values: Vec<f64>,
}

impl Largest {
    fn add(&mut self, value: f64) {
        self.values.push(value);
        if self.values.len() >= 2 * self.count + 1024 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.count < self.values.len() {
            self.values.select_nth_unstable_by(self.count, |a, b| b.total_cmp(a));
            self.values.truncate(self.count);
        }
    }

    /// They are added from the largest on, so that the bits do not depend on the order of the values. A NaN makes the mean NaN.
    fn mean(mut self) -> f64 {
        self.cut();
        self.values.sort_unstable_by(|a, b| b.total_cmp(a));
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_top_score_is_the_mean_of_the_largest_share() {
        let heatmap = array![[3.0, 1.0, 2.0, 0.0, -4.0], [5.0, 4.0, 7.0, 6.0, 8.0]];
        let top = |share| ImageScores::of(&heatmap, share).top;
        // 1, 2 (0.2 · 10), 3 (rounded up from 2.5), and all of the ten values.
        assert_eq!([top(1e-9), top(0.1), top(0.2), top(0.25), top(1.0)], [8.0, 8.0, 7.5, 7.0, 3.2]);
        let scores = ImageScores::of(&heatmap, 0.3);
        assert_eq!([Score::Max, Score::Sum, Score::Top].map(|which| scores.get(which)), [8.0, 32.0, 7.0]);
        assert!(ImageScores::of(&array![[f64::NAN, 1.0]], 0.5).top.is_nan());
        // In floating point, 0.07 · 100 is above 7.
        let hundred = Array2::from_shape_fn((10, 10), |(row, column)| (10 * row + column) as f64);
        assert_eq!(ImageScores::of(&hundred, 0.07).top, 96.0);
    }

    #[test]
    fn only_as_many_values_are_kept_as_are_needed() {
        let mut running = RunningScores::new(100_000, 0.001);
        for k in 0..100_000_u32 {
            running.add(f64::from(k.wrapping_mul(2_654_435_761) % 100_003));
            assert!(running.largest.values.len() < 1300);
        }
        let mut all: Vec<f64> = (0..100_000_u32).map(|k| f64::from(k.wrapping_mul(2_654_435_761) % 100_003)).collect();
        all.sort_unstable_by(|a, b| b.total_cmp(a));
        assert_eq!(running.finish().top, all[..100].iter().sum::<f64>() / 100.0);
    }
}
