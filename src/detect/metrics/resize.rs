//! Bringing maps and masks to the resolution at which pixel metrics are computed.

use crate::data::Plane;
use crate::error::Result;

/// Where an output row or column reads: between `low` and `high`, `weight` of the way.
struct Tap {
    low: usize,
    high: usize,
    weight: f64,
}

/// An anomaly map at `height` x `width`, bilinear with half-pixel centres and clamped edges: output pixel `i` reads at
/// `(i + 1/2) from/to - 1/2`. No low-pass filter when shrinking. The same values where the size is the same.
/// This is PyTorch's `interpolate(mode="bilinear", align_corners=False)`.
///
/// # Errors
/// A side of 0.
pub fn resize_bilinear(map: &Plane, height: usize, width: usize) -> Result<Plane> {
    if (map.height, map.width) == (height, width) {
        return Ok(map.clone());
    }
    let (rows, columns) = (taps(map.height, height), taps(map.width, width));
    let mut values = Vec::with_capacity(rows.len() * columns.len());
    for row in &rows {
        let value = |y: usize, x: usize| f64::from(map.values[y * map.width + x]);
        let along = |y: usize, tap: &Tap| mix(value(y, tap.low), value(y, tap.high), tap.weight);
        values.extend(columns.iter().map(|tap| mix(along(row.low, tap), along(row.high, tap), row.weight) as f32));
    }
    Plane::new(height, width, values)
}

/// A mask at `height` x `width` by nearest neighbour with half-pixel centres: output pixel `i` reads pixel
/// `floor((i + 1/2) from/to)`, in integers. This is PyTorch's `nearest-exact`.
///
/// # Errors
/// A side of 0.
pub fn resize_nearest(mask: &Plane, height: usize, width: usize) -> Result<Plane> {
    let nearest = |index: usize, from: usize, to: usize| (2 * index + 1) * from / (2 * to);
    let columns: Vec<usize> = (0..width).map(|x| nearest(x, mask.width, width)).collect();
    let rows = (0..height).map(|y| nearest(y, mask.height, height) * mask.width);
    let values = rows.flat_map(|row| columns.iter().map(move |column| mask.values[row + column])).collect();
    Plane::new(height, width, values)
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let tap = |index: usize| {
        let place = ((index as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
        // Beyond the last centre both neighbours are the last one, so the weight no longer matters.
        let low = place as usize;
        Tap { low, high: (low + 1).min(from - 1), weight: place - low as f64 }
    };
    (0..to).map(tap).collect()
}

fn mix(a: f64, b: f64, weight: f64) -> f64 {
    a + (b - a) * weight
}
