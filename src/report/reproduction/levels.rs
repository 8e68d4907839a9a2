//! Heatmaps as one byte per pixel that answers every threshold of a slider exactly.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use ndarray::Array2;

use crate::data::Plane;
use crate::error::{Error, Result};

/// Largest number of thresholds: a level is one byte.
const MOST: usize = 255;

/// The thresholds begin at this quantile of all values.
const LOWEST_QUANTILE: f64 = 0.05;

/// The thresholds cover at most this ratio, so that neighbours differ by less than 5 %.
const WIDEST: f64 = 1e5;

/// The thresholds of the slider, rising. The level of a pixel is the number of thresholds that its value exceeds, so `level > i`
/// says the same as `value > thresholds[i]`, without rounding.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Levels(Vec<f64>);

impl Levels {
    /// Thresholds from the low values of `heatmaps` to their maximum, in equal ratios where all of them are above 0, else in
    /// equal steps. `own`, the threshold of the model, is one of them.
    pub(super) fn over<'a>(heatmaps: impl IntoIterator<Item = &'a Plane>, own: Option<f64>) -> Self {
        let mut values: Vec<f32> = heatmaps.into_iter().flatten().copied().collect();
        let most = MOST - usize::from(own.is_some());
        let mut thresholds = if values.is_empty() { Vec::new() } else { between(&mut values, most) };
        thresholds.extend(own);
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        Self(thresholds)
    }

    /// The thresholds, at most 255.
    pub(super) fn thresholds(&self) -> &[f64] {
        &self.0
    }

    /// The level of every pixel.
    pub(super) fn of(&self, heatmap: &Plane) -> Array2<u8> {
        heatmap.mapv(|value| self.0.partition_point(|&threshold| f64::from(value) > threshold) as u8)
    }
}

/// `count` numbers from the low values to the largest one.
fn between(values: &mut [f32], count: usize) -> Vec<f64> {
    let last = values.len() - 1;
    let (_, &mut low, _) = values.select_nth_unstable_by((LOWEST_QUANTILE * last as f64) as usize, f32::total_cmp);
    let high = f64::from(values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let low = if high > 0.0 && low >= 0.0 { f64::from(low).max(high / WIDEST) } else { f64::from(low) };
    let place = |index: usize| index as f64 / (count - 1) as f64;
    let threshold = |index: usize| match low > 0.0 {
        true => low * (high / low).powf(place(index)),
        false => low + (high - low) * place(index),
    };
    // The last one is the maximum to the bit: no pixel exceeds it.
    (0..count - 1).map(threshold).filter(|&value| value < high).chain([high]).collect()
}

/// Bytes row by row as base64 of a zlib stream (RFC 1950) of their second differences `v - left - above + above left` (modulo
/// 256), which are small where a map is smooth.
///
/// # Errors
/// None in practice: the stream is written to memory.
pub(super) fn packed(bytes: &Array2<u8>) -> Result<String> {
    let at = |row: usize, column: usize, up: usize, left: usize| match (row.checked_sub(up), column.checked_sub(left)) {
        (Some(row), Some(column)) => bytes[[row, column]],
        _ => 0,
    };
    let difference = |((row, column), &value): ((usize, usize), &u8)| {
        let neighbours = at(row, column, 0, 1).wrapping_add(at(row, column, 1, 0)).wrapping_sub(at(row, column, 1, 1));
        value.wrapping_sub(neighbours)
    };
    let differences: Vec<u8> = bytes.indexed_iter().map(difference).collect();
    let mut stream = ZlibEncoder::new(Vec::new(), Compression::best());
    let packed = stream.write_all(&differences).and_then(|()| stream.finish());
    Ok(STANDARD.encode(packed.map_err(|error| Error::argument(format!("a heatmap cannot be packed: {error}")))?))
}

/// The inverse of [`packed`] for a map of this size.
#[cfg(test)]
pub(super) fn unpacked(text: &str, height: usize, width: usize) -> Array2<u8> {
    use std::io::Read;

    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(STANDARD.decode(text).unwrap().as_slice()).read_to_end(&mut bytes).unwrap();
    let mut map = Array2::from_shape_vec((height, width), bytes).unwrap();
    for axis in 0..2 {
        map.accumulate_axis_inplace(ndarray::Axis(axis), |&before, value| *value = value.wrapping_add(before));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn thresholds_rise_in_equal_ratios_from_the_low_values_to_the_maximum() {
        let heatmap = Plane::from_shape_fn((10, 30), |(row, column)| 1.0 + (row * 30 + column) as f32);
        let levels = Levels::over([&heatmap], None);
        let thresholds = levels.thresholds();
        assert_eq!((thresholds.len(), thresholds[0], thresholds[254]), (255, 15.0, 300.0));
        assert!(thresholds.windows(2).all(|pair| (pair[1] / pair[0] - 20.0_f64.powf(1.0 / 254.0)).abs() < 1e-9));
    }

    #[test]
    fn a_range_around_zero_has_equal_steps_and_a_huge_range_is_cut() {
        let levels = Levels::over([&array![[-1.0, 1.0]]], None);
        assert_eq!((levels.thresholds()[0], levels.thresholds()[127], levels.thresholds()[254]), (-1.0, 0.0, 1.0));
        let levels = Levels::over([&array![[0.0, 0.0, 1000.0]]], None);
        assert_eq!(levels.thresholds()[0], 0.01);
    }

    #[test]
    fn a_constant_map_and_no_map_at_all_have_the_threshold_of_the_model() {
        assert_eq!(Levels::over([&array![[2.0, 2.0]]], Some(0.5)).thresholds(), [0.5, 2.0]);
        assert_eq!(Levels::over([&array![[0.0, 0.0]]], None).thresholds(), [0.0]);
        assert_eq!(Levels::over([], Some(0.5)).thresholds(), [0.5]);
        assert!(Levels::over([], None).thresholds().is_empty());
    }

    proptest! {
        #[test]
        fn a_level_answers_every_threshold_exactly(
            values in prop::collection::vec(-2e3_f32..2e3, 12),
            is_positive: bool,
            own in prop::option::of(-2e3_f64..2e3),
            pick in 0_usize..12,
        ) {
            let values: Vec<f32> = values.into_iter().map(|value| if is_positive { value.abs() } else { value }).collect();
            // A threshold may equal a value, which then does not exceed it.
            let own = own.map(|own| if pick % 2 == 0 { f64::from(values[pick]) } else { own });
            let heatmap = Plane::from_shape_vec((3, 4), values).unwrap();
            let levels = Levels::over([&heatmap], own);
            let thresholds = levels.thresholds();
            prop_assert!(thresholds.len() <= 255 && thresholds.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(own.is_none_or(|own| thresholds.contains(&own)));
            for (&level, &value) in levels.of(&heatmap).iter().zip(&heatmap) {
                for (index, &threshold) in thresholds.iter().enumerate() {
                    prop_assert_eq!(usize::from(level) > index, f64::from(value) > threshold);
                }
            }
        }

        #[test]
        fn bytes_survive_packing(bytes in prop::collection::vec(any::<u8>(), 15)) {
            let map = Array2::from_shape_vec((3, 5), bytes).unwrap();
            prop_assert_eq!(unpacked(&packed(&map).unwrap(), 3, 5), map);
        }
    }
}
