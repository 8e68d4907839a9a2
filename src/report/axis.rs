//! Chart axes: from values to pixels, and ticks at round numbers or at named categories.

use super::number::readable;
use super::wrap::width;

/// Values beyond this are not drawn; their differences would overflow.
const LARGEST: f64 = 1e100;
/// Approximate number of ticks of an axis.
const TICKS: f64 = 5.0;
/// An axis whose extent is a smaller fraction of its values is widened, because its labels would hardly differ.
const SMALLEST_EXTENT: f64 = 1e-4;

/// Whether a chart can show `value`.
pub(super) fn is_drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// The smallest and the largest value; None if there is none.
pub(super) fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .fold(None, |ends, value| Some(ends.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value)))))
}

/// A linear or logarithmic axis over pixels `start..end`.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    is_log: bool,
    /// Names of the categories 1, 2, …; empty for an axis of numbers.
    names: Vec<String>,
}

impl Axis {
    /// A linear axis from `low` to `high`, widened when they are nearly the same.
    pub(super) fn linear(low: f64, high: f64, (start, end): (f64, f64)) -> Self {
        let slack = if high - low > SMALLEST_EXTENT * low.abs().max(high.abs()) {
            0.0
        } else {
            (0.1 * low.abs()).max(if low == 0.0 { 1.0 } else { 0.0 })
        };
        Self { low: low - slack, high: high + slack, start, end, is_log: false, names: vec![] }
    }

    /// A logarithmic axis (base 10) from `low` to `high`, both above 0, widened when they are nearly the same.
    pub(super) fn log(low: f64, high: f64, (start, end): (f64, f64)) -> Self {
        let (low, high) = (low.log10(), high.log10());
        let slack = (0.15 - 0.5 * (high - low)).max(0.0);
        Self { low: low - slack, high: high + slack, start, end, is_log: true, names: vec![] }
    }

    /// The axis with ticks at 1, 2, … labelled with these names.
    pub(super) fn named(self, names: &[String]) -> Self {
        Self { names: names.to_vec(), ..self }
    }

    /// Height in pixels of slanted names below the axis; 0 for numbers.
    pub(super) fn label_height(&self) -> f64 {
        let longest = self.names.iter().map(|name| width(name)).max().unwrap_or(0);
        if longest == 0 { 0.0 } else { 4.4 * longest as f64 }
    }

    /// The pixel of `value`; a value beyond an end is placed at that end.
    pub(super) fn pixel(&self, value: f64) -> f64 {
        let fraction = ((self.position(value) - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.start + fraction * (self.end - self.start)
    }

    /// `value`, or its logarithm on a logarithmic axis.
    fn position(&self, value: f64) -> f64 {
        if self.is_log { value.log10() } else { value }
    }

    /// Values that divide the axis into about `count` bins of equal width. An `anchor` inside the axis is one of them; the bins
    /// at the ends are then narrower.
    pub(super) fn bin_edges(&self, count: usize, anchor: Option<f64>) -> Vec<f64> {
        let width = (self.high - self.low) / count as f64;
        let value = |position: f64| if self.is_log { 10f64.powf(position) } else { position };
        let anchor = anchor.filter(|&anchor| self.position(anchor) > self.low && self.position(anchor) < self.high);
        let start = anchor.map_or(self.low, |anchor| self.position(anchor));
        let steps = |from: f64, to: f64| ((to - from) / width - 1e-9).floor().max(0.0) as usize;
        let (below, above) = (steps(self.low, start), steps(start, self.high));
        let lower = (1..=below).rev().map(|index| value(start - width * index as f64));
        let upper = (1..=above).map(|index| value(start + width * index as f64));
        let edges = [value(self.low)].into_iter().chain(lower).chain(anchor).chain(upper);
        edges.chain([value(self.high)]).collect()
    }

    /// Pixel and label of round values along the axis.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if !self.names.is_empty() {
            return (1..).map(f64::from).zip(&self.names).map(|(value, name)| (self.pixel(value), name.clone())).collect();
        }
        let values = if self.is_log { self.log_ticks() } else { self.linear_ticks() };
        values.into_iter().map(|value| (self.pixel(value), readable(value, 4))).collect()
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn linear_ticks(&self) -> Vec<f64> {
        let wanted = (self.high - self.low) / TICKS;
        let power = 10f64.powf(wanted.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|&step| step >= 0.999 * wanted);
        let step = step.unwrap_or(wanted);
        multiples(self.low / step, self.high / step).map(|index| index * step).collect()
    }

    /// Whole powers of ten, every one or every few; 1, 2 and 5 times them over a short range, and linear ticks over a very
    /// short one.
    fn log_ticks(&self) -> Vec<f64> {
        let decades = self.high - self.low;
        if decades > 2.5 {
            let every = (decades / TICKS).ceil();
            return multiples(self.low / every, self.high / every).map(|index| 10f64.powf(index * every)).collect();
        }
        let powers = multiples(self.low.floor(), self.high).map(|exponent| 10f64.powf(exponent));
        let inside = |value: &f64| (self.low..=self.high).contains(&value.log10());
        let ticks: Vec<f64> = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * power)).filter(inside).collect();
        if ticks.len() >= 3 {
            return ticks;
        }
        Self { low: 10f64.powf(self.low), high: 10f64.powf(self.high), is_log: false, ..self.clone() }.linear_ticks()
    }
}

/// The whole numbers from `low` to `high`, with a little tolerance for rounding.
fn multiples(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let (first, last) = ((low - 1e-9).ceil(), (high + 1e-9).floor());
    (0..=(last - first).max(0.0) as u32).map(move |index| first + f64::from(index)).filter(move |&index| index <= last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let pixels = (0.0, 100.0);
        assert_eq!(labels(Axis::linear(0.0, 1.0, pixels)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(Axis::linear(3.0, 47.0, pixels)), ["10", "20", "30", "40"]);
        assert_eq!(labels(Axis::log(1e-4, 1.0, pixels)), ["10⁻⁴", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(Axis::log(0.015, 0.3, pixels)), ["0.02", "0.05", "0.1", "0.2"]);
        assert_eq!(labels(Axis::log(0.5, 0.5, pixels)), ["0.4", "0.5", "0.6", "0.7"]);
    }

    #[test]
    fn values_are_mapped_to_pixels_and_bins() {
        let axis = Axis::log(0.01, 100.0, (400.0, 0.0));
        assert_eq!([0.01, 1.0, 100.0, 1e9].map(|value| axis.pixel(value).round()), [400.0, 200.0, 0.0, 0.0]);
        let edges = Axis::linear(0.0, 8.0, (0.0, 1.0)).bin_edges(4, None);
        assert_eq!(edges, [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Axis::linear(0.0, 8.0, (0.0, 1.0)).bin_edges(4, Some(3.0)), [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]);
        let log = Axis::log(1.0, 1e4, (0.0, 1.0)).bin_edges(4, Some(20.0));
        assert!(log.len() == 6 && log[2] == 20.0 && log.is_sorted(), "{log:?}");
    }

    proptest! {
        #[test]
        fn ticks_are_few_distinct_and_inside(a in -1e6..1e6f64, extent in 0.0..1e6f64, is_log: bool) {
            let pixels = (10.0, 500.0);
            let axis = if is_log {
                let low = 10f64.powf(a / 1e5);
                Axis::log(low, low * 10f64.powf(extent / 1e5), pixels)
            } else {
                Axis::linear(a, a + extent, pixels)
            };
            let ticks = axis.ticks();
            prop_assert!((2..=12).contains(&ticks.len()), "{ticks:?}");
            prop_assert!(ticks.iter().all(|tick| (10.0..=500.0).contains(&tick.0)));
            prop_assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1), "{ticks:?}");
        }
    }
}
