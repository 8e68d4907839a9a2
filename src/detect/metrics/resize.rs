//! Resizes maps and masks to the resolution of the pixel metrics.

use std::ops::Range;

use ndarray::{Array2, Axis};

use crate::backend::Real;
use crate::data::Plane;
use crate::data::arrays::{copied, reserved};
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// The input of an output row or column: the position between `low` and `high` at fraction `weight`.
struct Tap {
    low: u32,
    high: u32,
    weight: f64,
}

/// Resizes an anomaly map to `height` x `width`, bilinearly with half-pixel centres and clamped edges: output pixel `i` reads at
/// `(i + 1/2) from/to - 1/2`. Shrinking uses no low-pass filter. If the size does not change, neither do the values. This is
/// PyTorch's `interpolate(mode="bilinear", align_corners=False)`.
///
/// # Errors
/// A side of 0.
pub fn resize_bilinear<T: Real>(map: &Array2<T>, height: usize, width: usize) -> Result<Array2<T>> {
    if map.dim() == (height, width) {
        check_sides(map, height, width)?;
        return copied(&map.view());
    }
    resize_bilinear_rows(map, (height, width), 0..height)
}

/// Some of the rows of a map that is resized to `height` x `width`.
///
/// # Errors
/// A side of 0.
pub fn resize_bilinear_rows<T: Real>(map: &Array2<T>, (height, width): (usize, usize), rows: Range<usize>) -> Result<Array2<T>> {
    check_sides(map, height, width)?;
    let (taps_of_rows, columns) = (taps(map.nrows(), height, rows.clone()), taps(map.ncols(), width, 0..width));
    let mut resized = reserved(rows.len() * width)?;
    let (mut low, mut high) = (Stretched::new(width)?, Stretched::new(width)?);
    for row in taps_of_rows {
        // Going down, the lower neighbour becomes the upper one.
        if high.row == Some(row.low) {
            std::mem::swap(&mut low, &mut high);
        }
        low.read(map, row.low, &columns);
        high.read(map, row.high, &columns);
        resized.extend(low.values.iter().zip(&high.values).map(|(&low, &high)| T::of(mix(low, high, row.weight))));
    }
    Array2::from_shape_vec((rows.len(), width), resized).map_err(|error| Error::shape("resize", error))
}

/// A row of a map that has its new width.
struct Stretched {
    row: Option<u32>,
    values: Vec<f64>,
}

impl Stretched {
    fn new(width: usize) -> Result<Self> {
        Ok(Self { row: None, values: reserved(width)? })
    }

    /// Holds this row from now on.
    fn read<T: Real>(&mut self, map: &Array2<T>, row: u32, columns: &[Tap]) {
        if self.row.replace(row) == Some(row) {
            return;
        }
        let old = map.row(row as usize);
        let value = |x: u32| old[x as usize].f64();
        self.values.clear();
        self.values.extend(columns.iter().map(|column| mix(value(column.low), value(column.high), column.weight)));
    }
}

/// Resizes a mask to `height` x `width` by nearest neighbour with half-pixel centres: output pixel `i` reads pixel
/// `floor((i + 1/2) from/to)`, computed in integers. This is PyTorch's `nearest-exact`.
///
/// # Errors
/// A side of 0.
pub fn resize_nearest(mask: &Plane, height: usize, width: usize) -> Result<Plane> {
    check_sides(mask, height, width)?;
    let nearest = |from: usize, to: usize| (0..to).map(|index| (2 * index + 1) * from / (2 * to)).collect::<Vec<_>>();
    Ok(mask.select(Axis(0), &nearest(mask.nrows(), height)).select(Axis(1), &nearest(mask.ncols(), width)))
}

fn check_sides<T>(plane: &Array2<T>, height: usize, width: usize) -> Result<()> {
    let (h, w) = plane.dim();
    if [h, w, height, width].contains(&0) || height.checked_mul(width).is_none_or(|pixels| pixels > u32::MAX as usize) {
        return Err(Error::shape("resize", format!("{} cannot become {}", in_pixels(h, w), in_pixels(height, width))));
    }
    Ok(())
}

fn taps(from: usize, to: usize, wanted: Range<usize>) -> Vec<Tap> {
    let tap = |index: usize| {
        let place = ((index as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
        // Beyond the last centre both neighbours are the last pixel, so the weight does not matter.
        // Sides have at most 2^32-1 pixels.
        let low = place as u32;
        Tap { low, high: (low + 1).min((from - 1) as u32), weight: place - f64::from(low) }
    };
    wanted.map(tap).collect()
}

fn mix(a: f64, b: f64, weight: f64) -> f64 {
    a + (b - a) * weight
}
