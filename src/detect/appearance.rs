//! What images look like in eight coarse numbers, so that a picture of something else is noticed before a verdict about it.
//!
//! The verdict of a detector means nothing for pictures that its training images are not like: another object, another light,
//! another camera. A defect changes such numbers little, because it is local.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Image;

/// What the numbers are, in order.
const NAMES: [&str; 8] = [
    "mean of red",
    "mean of green",
    "mean of blue",
    "deviation of red",
    "deviation of green",
    "deviation of blue",
    "difference of horizontal neighbours",
    "difference of vertical neighbours",
];
/// A number may lie outside of the range of the training images by this part of its length, and by this much on top. Chosen
/// by looking at four sets of real images, and not tried on others.
const PART: f64 = 0.5;
const MARGIN: f64 = 0.02;

/// The numbers of one image `[height, width, 3]` with values in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
struct Numbers([f64; 8]);

/// The ranges of the numbers over the training images at working resolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Appearance {
    low: [f64; 8],
    high: [f64; 8],
}

/// The number of an image that is farthest outside of the range of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Unlike {
    /// What it is.
    pub number: &'static str,
    /// Its value.
    pub value: f64,
    /// The range of the training images.
    pub training: [f64; 2],
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, value, training: [low, high] } = self;
        write!(f, "its {number} is {value:.3}, and {low:.3} to {high:.3} in the training images")
    }
}

/// Sums over the rows of an image from which its numbers follow.
#[derive(Clone, Debug, Default)]
pub(super) struct RunningNumbers {
    pixels: f64,
    /// Of the values of each colour, and of their squares.
    sums: [f64; 3],
    squares: [f64; 3],
    /// Of the differences between horizontal and between vertical neighbours, in grey, and how many there are.
    differences: [f64; 2],
    neighbours: [f64; 2],
    /// The last row in grey.
    last: Vec<f64>,
}

impl RunningNumbers {
    /// Adds rows `[rows, width, 3]`.
    pub(super) fn add(&mut self, rows: &Image) {
        for row in rows.outer_iter() {
            let grey: Vec<f64> =
                row.outer_iter().map(|colours| colours.iter().map(|&value| f64::from(value)).sum::<f64>() / 3.0).collect();
            for colours in row.outer_iter() {
                for (channel, &value) in colours.iter().enumerate().take(3) {
                    self.sums[channel] += f64::from(value);
                    self.squares[channel] += f64::from(value) * f64::from(value);
                }
            }
            self.pixels += grey.len() as f64;
            self.compare(0, grey.iter().zip(grey.iter().skip(1)));
            let above = std::mem::take(&mut self.last);
            self.compare(1, above.iter().zip(&grey));
            self.last = grey;
        }
    }

    fn compare<'a>(&mut self, direction: usize, pairs: impl Iterator<Item = (&'a f64, &'a f64)>) {
        for (one, other) in pairs {
            self.differences[direction] += (one - other).abs();
            self.neighbours[direction] += 1.0;
        }
    }

    fn finish(&self) -> Numbers {
        let mut numbers = [0.0; 8];
        let pixels = self.pixels.max(1.0);
        for channel in 0..3 {
            let mean = self.sums[channel] / pixels;
            numbers[channel] = mean;
            numbers[3 + channel] = (self.squares[channel] / pixels - mean * mean).max(0.0).sqrt();
        }
        for direction in 0..2 {
            numbers[6 + direction] = self.differences[direction] / self.neighbours[direction].max(1.0);
        }
        Numbers(numbers)
    }
}

impl Numbers {
    fn of(image: &Image) -> Self {
        let mut running = RunningNumbers::default();
        running.add(image);
        running.finish()
    }
}

impl Appearance {
    /// The ranges over images at working resolution; None without any.
    pub fn of<'a>(images: impl IntoIterator<Item = &'a Image>) -> Option<Self> {
        let mut numbers = images.into_iter().map(|image| Numbers::of(image).0);
        let first = numbers.next()?;
        let (mut low, mut high) = (first, first);
        for own in numbers {
            low.iter_mut().zip(own).for_each(|(low, value)| *low = low.min(value));
            high.iter_mut().zip(own).for_each(|(high, value)| *high = high.max(value));
        }
        Some(Self { low, high })
    }

    /// The number of an image at working resolution that is farthest outside, if one is too far outside.
    pub fn unlike(&self, image: &Image) -> Option<Unlike> {
        self.farthest(Numbers::of(image))
    }

    /// The same of an image of which all rows were added.
    pub(super) fn unlike_rows(&self, rows: &RunningNumbers) -> Option<Unlike> {
        self.farthest(rows.finish())
    }

    fn farthest(&self, Numbers(numbers): Numbers) -> Option<Unlike> {
        let excess = |at: usize| {
            let room = PART * (self.high[at] - self.low[at]) + MARGIN;
            (self.low[at] - numbers[at]).max(numbers[at] - self.high[at]) / room
        };
        let farthest = (0..NAMES.len()).max_by(|&a, &b| excess(a).total_cmp(&excess(b)))?;
        let found =
            Unlike { number: NAMES[farthest], value: numbers[farthest], training: [self.low[farthest], self.high[farthest]] };
        (excess(farthest) > 1.0).then_some(found)
    }

    /// Whether all values are numbers and no range is empty, as after training.
    pub(super) fn is_valid(&self) -> bool {
        self.low.iter().zip(&self.high).all(|(low, high)| low.is_finite() && high.is_finite() && low <= high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn picture(red: f32, green: f32, blue: f32, stripe: f32) -> Image {
        Array3::from_shape_fn((8, 6, 3), |(_, x, c)| [red, green, blue][c] + if x % 2 == 1 { stripe } else { 0.0 })
    }

    #[test]
    fn the_numbers_are_those_of_the_definition() {
        let Numbers(found) = Numbers::of(&picture(0.25, 0.5, 0.0, 0.25));
        let expected = [0.375, 0.625, 0.125, 0.125, 0.125, 0.125, 0.25, 0.0];
        found.iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-7, "{found} {expected}"));
        // The same in pieces, and of values that are all equal.
        let (mut running, whole) = (RunningNumbers::default(), picture(0.25, 0.5, 0.0, 0.25));
        whole.axis_chunks_iter(ndarray::Axis(0), 3).for_each(|rows| running.add(&rows.to_owned()));
        assert_eq!(running.finish(), Numbers::of(&whole));
        assert!(Numbers::of(&Array3::from_elem((300, 200, 3), 0.7)).0[3] < 1e-7);
        // One pixel has no neighbours.
        assert_eq!(Numbers::of(&Array3::from_elem((1, 1, 3), 0.5)).0, [0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_too_far_outside_is_named() {
        let training = [picture(0.2, 0.5, 0.5, 0.0), picture(0.3, 0.5, 0.5, 0.02)];
        let appearance = Appearance::of(&training).unwrap();
        assert!(training.iter().all(|image| appearance.unlike(image).is_none()));
        // The range of red is 0.2 to 0.31, with a room of 0.075.
        assert_eq!(appearance.unlike(&picture(0.37, 0.5, 0.5, 0.0)), None);
        let unlike = appearance.unlike(&picture(0.42, 0.5, 0.5, 0.0)).unwrap();
        assert_eq!(unlike.to_string(), "its mean of red is 0.420, and 0.200 to 0.310 in the training images");
        assert_eq!(appearance.unlike(&picture(0.25, 0.4, 0.4, 0.2)).unwrap().number, "difference of horizontal neighbours");
        assert_eq!(Appearance::of(&[]), None);
    }
}
