use ndarray::{ArrayView1, Zip};

use super::map::Map;
use super::quantity::Quantity;
use super::samples::Samples;
use super::sums::Sums;
use crate::error::Result;
use crate::theory::algebra::square_norm;

/// Adds the quantities that need values of f only.
pub(super) fn behaviour(map: &mut dyn Map, samples: &Samples<'_>, sums: &mut Sums) -> Result<()> {
    let Samples { images, corrupted, region, .. } = samples;
    let of_images = map.apply(images)?;
    let once = map.apply(corrupted)?;
    let twice = map.apply(&once)?;
    for index in 0..samples.count() {
        let [x, damaged, fixed, restored, again] = [images, corrupted, &of_images, &once, &twice].map(|array| array.row(index));
        let size = squared_distance(&damaged, &x);
        let region = region.row(index);
        let squared = |from: &ArrayView1<'_, f64>, wanted: bool| {
            Zip::from(&restored).and(from).and(&region).fold(0.0, |sum, after, before, &is_in_region| {
                if is_in_region == wanted { sum + (after - before).powi(2) } else { sum }
            })
        };
        sums.push(Quantity::Residual, squared_distance(&fixed, &x), x.len() as f64);
        sums.push(Quantity::Idempotence, squared_distance(&again, &restored), size);
        sums.push(Quantity::Error, squared_distance(&restored, &x), size);
        sums.push(Quantity::ErrorOn, squared(&x, true), size);
        sums.push(Quantity::ChangeOn, squared(&damaged, true), size);
        sums.push(Quantity::ChangeOff, squared(&damaged, false), size);
    }
    Ok(())
}

fn squared_distance(a: &ArrayView1<'_, f64>, b: &ArrayView1<'_, f64>) -> f64 {
    square_norm(&(a - b))
}
