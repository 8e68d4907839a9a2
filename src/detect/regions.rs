use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::mem;

use ndarray::{ArrayView2, Axis};
use serde::Serialize;

use crate::error::{Error, Result};

/// A connected region of the mask: anomalous pixels that touch by a side or a corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Region {
    /// First row of the bounding box.
    pub top: usize,
    /// First column of the bounding box.
    pub left: usize,
    /// Rows of the bounding box.
    pub height: usize,
    /// Columns of the bounding box.
    pub width: usize,
    /// Pixels of the region.
    pub area: usize,
    /// Largest heatmap value in the region.
    pub peak: f64,
    /// Mean heatmap value of the region.
    pub mean: f64,
}

/// The most regions of a picture that are listed. A mask of noise has one for every few pixels, which would take more memory than
/// the picture, and nobody would look at them.
pub const MOST_REGIONS: usize = 100_000;

/// The connected regions of a mask.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Regions {
    /// The one with the highest peak first, regions of equal peaks in reading order; at most [`MOST_REGIONS`].
    #[serde(rename = "regions")]
    pub listed: Vec<Region>,
    /// How many more there are. None of them has a higher peak than a listed one.
    #[serde(rename = "regions_left_out")]
    pub left_out: usize,
    /// The one of the largest area, listed or not; of equal ones that with the higher peak.
    #[serde(skip)]
    pub largest: Option<Region>,
}

impl Regions {
    /// How many there are, listed or not.
    pub fn count(&self) -> usize {
        self.listed.len() + self.left_out
    }
}

/// Sums and bounds of one region, collected pixel by pixel.
#[derive(Clone, Copy)]
struct Gathered {
    /// Row and column of the first pixel in reading order.
    first: [usize; 2],
    rows: [usize; 2],
    columns: [usize; 2],
    area: usize,
    peak: f64,
    sum: f64,
}

impl Gathered {
    const EMPTY: Self = Self {
        first: [usize::MAX; 2],
        rows: [usize::MAX, 0],
        columns: [usize::MAX, 0],
        area: 0,
        peak: f64::NEG_INFINITY,
        sum: 0.0,
    };

    fn join(&mut self, other: &Self) {
        let hull = |a: [usize; 2], b: [usize; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        self.first = self.first.min(other.first);
        self.rows = hull(self.rows, other.rows);
        self.columns = hull(self.columns, other.columns);
        self.area += other.area;
        self.peak = self.peak.max(other.peak);
        self.sum += other.sum;
    }

    /// The higher peak comes first; of equal ones the first in reading order.
    fn by_peak(&self, other: &Self) -> Ordering {
        other.peak.total_cmp(&self.peak).then(self.first.cmp(&other.first))
    }

    /// Whether its area is larger; of equal ones the one that comes first by its peak counts as larger.
    fn is_larger(&self, other: &Self) -> bool {
        self.area.cmp(&other.area).then(other.by_peak(self)).is_gt()
    }

    fn region(&self) -> Region {
        Region {
            top: self.rows[0],
            left: self.columns[0],
            height: self.rows[1] - self.rows[0] + 1,
            width: self.columns[1] - self.columns[0] + 1,
            area: self.area,
            peak: self.peak,
            mean: self.sum / self.area as f64,
        }
    }
}

/// Regions that are complete. Of very many, those with the highest peaks are kept.
#[derive(Default)]
struct Closed {
    kept: Vec<Gathered>,
    left_out: usize,
    largest: Option<Gathered>,
}

impl Closed {
    /// Space for more regions.
    ///
    /// # Errors
    /// Too little memory.
    fn reserve(&mut self, count: usize) -> Result<()> {
        self.kept.try_reserve(count.min(2 * MOST_REGIONS - self.kept.len())).map_err(|_| Error::OutOfMemory {
            device: "cpu",
            reason: format!("more than {} regions; a higher pixel threshold gives fewer", self.kept.len() + self.left_out),
        })
    }

    fn add(&mut self, region: Gathered) {
        if self.largest.is_none_or(|largest| region.is_larger(&largest)) {
            self.largest = Some(region);
        }
        self.kept.push(region);
        if self.kept.len() == 2 * MOST_REGIONS {
            self.leave_out();
        }
    }

    /// Keeps no more than are listed.
    fn leave_out(&mut self) {
        let more = self.kept.len().saturating_sub(MOST_REGIONS);
        if more > 0 {
            self.kept.select_nth_unstable_by(MOST_REGIONS, Gathered::by_peak);
            self.kept.truncate(MOST_REGIONS);
            self.left_out += more;
        }
    }

    fn regions(mut self) -> Regions {
        self.leave_out();
        self.kept.sort_unstable_by(Gathered::by_peak);
        Regions {
            listed: self.kept.iter().map(Gathered::region).collect(),
            left_out: self.left_out,
            largest: self.largest.as_ref().map(Gathered::region),
        }
    }
}

/// Finds the connected regions of a mask whose rows come one after the other. What is kept: one row of labels, as many parts as a
/// few rows can have, and of the regions that no further row can reach at most twice as many as are listed.
#[derive(Default)]
pub(super) struct RegionScan {
    /// Rows seen.
    rows: usize,
    /// The last row: 0 outside the mask, else 1 more than the number of a part.
    labels: Vec<u32>,
    /// Parts of regions in the order of their first pixels. A part that has turned out to touch an earlier one names it.
    parents: Vec<u32>,
    parts: Vec<Gathered>,
    /// Regions that do not reach the last row.
    closed: Closed,
}

impl RegionScan {
    /// The next rows of the heatmap. `is_marked` tells whether a value is in the mask.
    ///
    /// # Errors
    /// No memory for the regions.
    pub fn add(&mut self, heatmap: ArrayView2<'_, f32>, is_marked: impl Fn(f32) -> bool) -> Result<()> {
        for values in heatmap.axis_iter(Axis(0)) {
            let above = mem::replace(&mut self.labels, vec![0; values.len()]);
            for (column, &value) in values.iter().enumerate().filter(|(_, value)| is_marked(**value)) {
                let own = self.part_at(column, &above);
                let (place, value) = (self.rows, f64::from(value));
                self.parts[own as usize].join(&Gathered {
                    first: [place, column],
                    rows: [place; 2],
                    columns: [column; 2],
                    area: 1,
                    peak: value,
                    sum: value,
                });
                self.labels[column] = own + 1;
            }
            self.rows += 1;
            // A row adds at most half as many parts as it has pixels, so that this is rarely done for wide pictures.
            if self.parts.len() > 2 * values.len() {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Sets the regions aside that do not reach the last row, and numbers the other ones anew, in the same order.
    fn close(&mut self) -> Result<()> {
        let labels = mem::take(&mut self.labels);
        let own: Vec<Option<u32>> = labels.iter().map(|label| label.checked_sub(1).map(|part| self.first(part))).collect();
        let mut open: BTreeMap<u32, u32> = own.iter().flatten().map(|part| (*part, 0)).collect();
        let parts = mem::take(&mut self.parts);
        self.closed.reserve(parts.len())?;
        for (number, part) in (0..).zip(parts) {
            if let Some(new) = open.get_mut(&number) {
                *new = self.parts.len() as u32;
                self.parts.push(part);
            } else if part.area > 0 {
                self.closed.add(part);
            }
        }
        self.parents = (0..self.parts.len() as u32).collect();
        self.labels = own.iter().map(|part| part.and_then(|part| open.get(&part)).map_or(0, |new| new + 1)).collect();
        Ok(())
    }

    /// The part that a pixel belongs to: that of the pixels above and to its left, which it joins, or a new one.
    fn part_at(&mut self, column: usize, above: &[u32]) -> u32 {
        let around = [
            column.checked_sub(1).and_then(|left| self.labels.get(left)),
            column.checked_sub(1).and_then(|left| above.get(left)),
            above.get(column),
            above.get(column + 1),
        ];
        let mut own = None;
        for part in around.map(|label| label.and_then(|label| label.checked_sub(1))).into_iter().flatten() {
            let part = self.first(part);
            own = Some(own.map_or(part, |own| self.joined(own, part)));
        }
        own.unwrap_or_else(|| {
            self.parents.push(self.parts.len() as u32);
            self.parts.push(Gathered::EMPTY);
            self.parts.len() as u32 - 1
        })
    }

    /// The first part of the region of a part. The way there becomes shorter for the next one who asks.
    fn first(&mut self, mut part: u32) -> u32 {
        while self.parents[part as usize] != part {
            let next = self.parents[part as usize];
            self.parents[part as usize] = self.parents[next as usize];
            part = next;
        }
        part
    }

    /// Joins two first parts to the earlier one.
    fn joined(&mut self, one: u32, other: u32) -> u32 {
        let (early, late) = (one.min(other), one.max(other));
        if early != late {
            let part = mem::replace(&mut self.parts[late as usize], Gathered::EMPTY);
            self.parts[early as usize].join(&part);
            self.parents[late as usize] = early;
        }
        early
    }

    /// The regions.
    ///
    /// # Errors
    /// No memory for the regions.
    pub fn finish(mut self) -> Result<Regions> {
        self.closed.reserve(self.parts.len())?;
        self.parts.into_iter().filter(|part| part.area > 0).for_each(|part| self.closed.add(part));
        Ok(self.closed.regions())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Plane;
    use crate::detect::metrics::Components;
    use crate::rng::{Purpose, Stream};
    use ndarray::{array, s};

    /// The regions of values above 1, a few rows at a time.
    fn regions(heatmap: &Plane, together: usize) -> Vec<Region> {
        let mut scan = RegionScan::default();
        for top in (0..heatmap.nrows()).step_by(together) {
            scan.add(heatmap.slice(s![top..(top + together).min(heatmap.nrows()), ..]), |value| value > 1.0).unwrap();
        }
        let found = scan.finish().unwrap();
        assert_eq!((found.left_out, found.count()), (0, found.listed.len()));
        found.listed
    }

    #[test]
    fn regions_have_boxes_and_statistics_and_are_sorted_by_peak() {
        let heatmap = array![[2.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 9.0]];
        let expected = [
            Region { top: 2, left: 3, height: 1, width: 1, area: 1, peak: 9.0, mean: 9.0 },
            Region { top: 0, left: 0, height: 2, width: 2, area: 2, peak: 4.0, mean: 3.0 },
        ];
        assert_eq!(regions(&heatmap, 3), expected);
        assert!(regions(&heatmap.mapv(|value| value / 9.0), 1).is_empty());
    }

    #[test]
    fn of_many_rows_only_the_regions_are_kept() {
        let mut stream = Stream::new(6, Purpose::Test, 0, 0);
        let mut scan = RegionScan::default();
        for _ in 0..400 {
            // A region along the left side never ends.
            let row = Plane::from_shape_fn((1, 31), |(_, column)| if column == 0 || stream.uniform() < 0.2 { 2.0 } else { 0.0 });
            scan.add(row.view(), |value| value > 1.0).unwrap();
            assert!(scan.parts.len() <= 62 && scan.parents.len() == scan.parts.len());
        }
        assert!(scan.closed.kept.len() > 400);
        let found = scan.finish().unwrap();
        let first = found.listed[0];
        assert_eq!((first.top, first.left, first.height), (0, 0, 400));
        assert_eq!(found.largest, Some(first));
    }

    #[test]
    fn of_very_many_regions_those_with_the_highest_peaks_are_listed_and_all_are_counted() {
        // Every second pixel of every second row is a region: four times as many as are listed, the higher the lower in the picture.
        let (height, width) = (1000, 1600);
        let value = |row: usize, column: usize| if row % 2 + column % 2 == 0 { 2.0 + row as f32 } else { 0.0 };
        let mut scan = RegionScan::default();
        for top in 0..height {
            let mut row = Plane::from_shape_fn((1, width), |(_, column)| value(top, column));
            if top == 0 {
                row[[0, 1]] = 2.0;
            }
            scan.add(row.view(), |value| value > 1.0).unwrap();
            assert!(scan.closed.kept.capacity() <= 4 * MOST_REGIONS);
        }
        let found = scan.finish().unwrap();
        // The two pixels in the corner are joined.
        assert_eq!((found.listed.len(), found.count()), (MOST_REGIONS, height / 2 * (width / 2) - 1));
        let places = found.listed.iter().map(|own| (own.top, own.left));
        let expected = (0..height / 2).rev().flat_map(|row| (0..width / 2).map(move |column| (2 * row, 2 * column)));
        assert!(places.eq(expected.take(MOST_REGIONS)));
        let largest = found.largest.unwrap();
        assert_eq!((largest.top, largest.left, largest.area), (0, 0, 3), "it is counted and not listed");
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["regions_left_out"], found.left_out);
    }

    #[test]
    fn of_equal_areas_the_higher_peak_is_the_largest() {
        let heatmap = array![[2.0, 2.0, 0.0, 9.0], [0.0, 0.0, 0.0, 0.0], [5.0, 5.0, 0.0, 5.0], [0.0, 0.0, 0.0, 5.0]];
        let mut scan = RegionScan::default();
        scan.add(heatmap.view(), |value| value > 1.0).unwrap();
        let largest = scan.finish().unwrap().largest.unwrap();
        assert_eq!((largest.top, largest.left, largest.area, largest.peak), (2, 0, 2, 5.0));
        assert_eq!(RegionScan::default().finish().unwrap(), Regions::default());
    }

    #[test]
    fn rows_one_by_one_give_the_components_of_the_whole_mask() {
        let mut stream = Stream::new(5, Purpose::Test, 0, 0);
        for share in [0.2, 0.4, 0.6] {
            let heatmap = Plane::from_shape_simple_fn((40, 31), || if stream.uniform() < share { 2.0 } else { 0.0 });
            let components = Components::of(&heatmap.mapv(|value| value > 1.0));
            let wanted: Vec<(usize, [usize; 4])> = (0..components.areas.len())
                .map(|number| {
                    let is_own = |(at, label): ((usize, usize), &u32)| (*label as usize == number + 1).then_some(at);
                    let places: Vec<_> = components.labels.indexed_iter().filter_map(is_own).collect();
                    let bounds = |axis: fn(&(usize, usize)) -> usize| {
                        let values = places.iter().map(axis);
                        (values.clone().min().unwrap(), values.max().unwrap())
                    };
                    let ((top, bottom), (left, right)) = (bounds(|at| at.0), bounds(|at| at.1));
                    (places.len(), [top, left, bottom - top + 1, right - left + 1])
                })
                .collect();
            for together in [1, 7, 40] {
                let found = regions(&heatmap, together);
                // All peaks are equal, so that the order is that of the first pixels.
                let found: Vec<_> = found.iter().map(|own| (own.area, [own.top, own.left, own.height, own.width])).collect();
                assert_eq!(found, wanted, "{share}");
            }
        }
    }
}
