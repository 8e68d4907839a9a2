//! The heatmap that is expected of a normal image, and heatmaps relative to it (Method §6). Not in the paper.
//!
//! A network reconstructs edges, highlights and the border of an image less exactly than plain surfaces, so normal images have
//! residuals there, too, and the residuals vary more from image to image. A small anomaly elsewhere then has a smaller maximum
//! than a normal image. Relative to what is expected at each position it stands out.

use ndarray::{Array2, Zip, s};
use serde::{Deserialize, Serialize};

use super::metrics::resize_bilinear_rows;
use super::settings::quantile;
use crate::data::Plane;
use crate::error::{Error, Result};

/// Cells along each side of an image. Objects in normal images are not aligned to the pixel, and few held-out images determine
/// few values.
const GRID: usize = 32;
/// Standard deviations above the mean.
const DEVIATIONS: f64 = 2.0;
/// Added to the expected values, as a share of their median, so that the ratio stays moderate where almost nothing is expected.
const FLOOR: f64 = 0.3;
/// Added as well, so that the ratio is defined if nothing at all is expected. Squared differences of 8-bit images are above 1e-6.
const LEAST: f32 = 1e-12;

/// Upper end of what the heatmap of a normal image is expected to be: mean plus two standard deviations over several images, on a
/// grid of 32 x 32 cells over the image, whatever its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Expected {
    /// `[GRID, GRID]`.
    cells: Plane,
}

impl TryFrom<Vec<f32>> for Expected {
    type Error = Error;

    fn try_from(values: Vec<f32>) -> Result<Self> {
        if let Some(value) = values.iter().find(|value| !(value.is_finite() && **value >= 0.0)) {
            return Err(Error::format(format!("an expected heatmap value is {value}; it must be finite and not negative")));
        }
        let count = values.len();
        let wrong = |_| Error::format(format!("the expected heatmap has {count} values, not {GRID} x {GRID}"));
        Ok(Self { cells: Plane::from_shape_vec((GRID, GRID), values).map_err(wrong)? })
    }
}

impl From<Expected> for Vec<f32> {
    fn from(expected: Expected) -> Self {
        expected.cells.into_iter().collect()
    }
}

impl Expected {
    /// What a single image lets expect: the means of its heatmap over the cells. A heatmap with fewer rows or columns than cells
    /// gives several cells the same value.
    ///
    /// # Errors
    /// An empty heatmap.
    pub fn of(heatmap: &Plane) -> Result<Self> {
        let (height, width) = heatmap.dim();
        if heatmap.is_empty() {
            return Err(Error::argument("an empty heatmap has no expected values"));
        }
        let part = |cell: usize, side: usize| cell * side / GRID..((cell + 1) * side).div_ceil(GRID);
        let mean = |(row, column)| heatmap.slice(s![part(row, height), part(column, width)]).mean().unwrap_or(0.0);
        Ok(Self { cells: Plane::from_shape_fn((GRID, GRID), mean) })
    }

    /// What several images let expect, and for each of them what the others do; a single image stands for itself. So no image is
    /// judged by values that it has contributed to.
    ///
    /// # Errors
    /// No image.
    pub fn leave_one_out(images: &[Self]) -> Result<(Vec<Self>, Self)> {
        match images {
            [] => Err(Error::argument("no normal image to take expected values from")),
            [only] => Ok((vec![only.clone()], only.clone())),
            _ => {
                let others = |left_out| images.iter().enumerate().filter(move |(at, _)| *at != left_out).map(|(_, image)| image);
                Ok(((0..images.len()).map(|at| Self::above(others(at))).collect(), Self::above(images.iter())))
            }
        }
    }

    /// Mean plus two standard deviations of at least one image.
    fn above<'a>(images: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let count = images.clone().count() as f64;
        let mean =
            images.clone().fold(Array2::<f64>::zeros((GRID, GRID)), |sum, image| sum + image.cells.mapv(f64::from)) / count;
        let square = |image: &Self| (image.cells.mapv(f64::from) - &mean).mapv_into(|deviation| deviation * deviation);
        // A single image does not say how much images vary.
        let variance = images.fold(Array2::zeros((GRID, GRID)), |sum, image| sum + square(image)) / (count - 1.0).max(1.0);
        Self { cells: (mean + DEVIATIONS * variance.mapv(f64::sqrt)).mapv(|value| value as f32) }
    }

    /// What is added to the expected values before a heatmap is divided by them.
    fn floor(&self) -> Result<f32> {
        let mut values: Vec<f32> = self.cells.iter().copied().collect();
        Ok((FLOOR * quantile(&mut values, 0.5)?) as f32 + LEAST)
    }

    /// `e + 0.3 median(e)` on the grid of cells, by which [`Expected::relative`] divides a heatmap.
    ///
    /// # Errors
    /// Expected values without a median.
    pub(crate) fn denominators(&self) -> Result<Plane> {
        let floor = self.floor()?;
        Ok(self.cells.mapv(|expected| expected + floor))
    }

    /// `h / (e + 0.3 median(e))` for a heatmap h and the expected values e, interpolated bilinearly between the cells.
    ///
    /// # Errors
    /// An empty heatmap.
    pub fn relative(&self, heatmap: &Plane) -> Result<Plane> {
        self.relative_rows(heatmap, 0, heatmap.nrows())
    }

    /// The same for some rows, from `first` on, of a heatmap of this height.
    ///
    /// # Errors
    /// As [`Expected::relative`].
    pub fn relative_rows(&self, heatmap: &Plane, first: usize, height: usize) -> Result<Plane> {
        let (count, width) = heatmap.dim();
        let expected = resize_bilinear_rows(&self.cells, (height, width), first..first + count)?;
        let floor = self.floor()?;
        Ok(Zip::from(heatmap).and(&expected).map_collect(|&value, &expected| value / (expected + floor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn constant(value: f32) -> Expected {
        Expected::of(&Plane::from_elem((64, 96), value)).unwrap()
    }

    #[test]
    fn cells_are_means_over_their_part_of_the_image() {
        let heatmap = Plane::from_shape_fn((64, 96), |(row, column)| (row * 100 + column) as f32);
        let cells = Expected::of(&heatmap).unwrap().cells;
        // Rows 2 and 3, columns 9 to 11.
        assert_abs_diff_eq!(cells[[1, 3]], 250.0 + 10.0, epsilon = 1e-3);
        let small = Expected::of(&Plane::from_shape_fn((2, 1), |(row, _)| row as f32)).unwrap().cells;
        assert_eq!((small[[0, 0]], small[[15, 31]], small[[16, 0]]), (0.0, 0.0, 1.0));
        assert!(Expected::of(&Plane::zeros((0, 4))).is_err());
    }

    #[test]
    fn a_heatmap_is_divided_by_what_is_expected_at_its_position() {
        // 8 at the left quarter, 2 elsewhere: the median is 2, so the floor is 0.6.
        let normal = Plane::from_shape_fn((64, 64), |(_, column)| if column < 16 { 8.0 } else { 2.0 });
        let relative = Expected::of(&normal).unwrap().relative(&normal).unwrap();
        assert_abs_diff_eq!(relative[[5, 3]], 8.0 / 8.6, epsilon = 1e-6);
        assert_abs_diff_eq!(relative[[5, 60]], 2.0 / 2.6, epsilon = 1e-6);
    }

    #[test]
    fn where_nothing_is_expected_the_ratio_is_finite() {
        let relative = constant(0.0).relative(&Plane::from_elem((8, 8), 0.5)).unwrap();
        assert!(relative.iter().all(|value| value.is_finite() && *value > 1e9));
    }

    #[test]
    fn each_image_is_judged_by_the_others() {
        let (others, all) = Expected::leave_one_out(&[constant(1.0), constant(2.0), constant(6.0)]).unwrap();
        // Standard deviations with n - 1: 4/√2, 5/√2, 1/√2; and √7 about the mean 3.
        let expected = [4.0 + 2.0 * 8.0_f32.sqrt(), 3.5 + 2.0 * 12.5_f32.sqrt(), 1.5 + 2.0 * 0.5_f32.sqrt()];
        for (other, expected) in others.iter().zip(expected) {
            assert_abs_diff_eq!(other.cells[[3, 4]], expected, epsilon = 1e-5);
        }
        assert_abs_diff_eq!(all.cells[[3, 4]], 3.0 + 2.0 * 7.0_f32.sqrt(), epsilon = 1e-5);
        let (others, all) = Expected::leave_one_out(&[constant(2.0)]).unwrap();
        assert_eq!((others, all), (vec![constant(2.0)], constant(2.0)));
        let (others, _) = Expected::leave_one_out(&[constant(2.0), constant(5.0)]).unwrap();
        assert_eq!(others, [constant(5.0), constant(2.0)]);
        assert!(Expected::leave_one_out(&[]).is_err());
    }

    #[test]
    fn values_round_trip_and_bad_ones_are_refused() {
        let json = serde_json::to_string(&constant(0.25)).unwrap();
        assert_eq!(serde_json::from_str::<Expected>(&json).unwrap(), constant(0.25));
        let refused = |values: Vec<f32>| Expected::try_from(values).unwrap_err().to_string();
        assert!(refused(vec![0.0; 5]).contains("5 values"), "{}", refused(vec![0.0; 5]));
        assert!(refused(vec![-1.0; GRID * GRID]).contains("-1"));
        assert!(refused(vec![f32::NAN; GRID * GRID]).contains("NaN"));
    }
}
