use std::sync::OnceLock;

use super::options::{Foreground, ForegroundMethod, ObjectSide};
use super::sample::Colour;
use crate::data::Image;
use ndarray::Axis;

/// Bins of the grey values for Otsu's threshold.
const BINS: usize = 256;
/// Every grey value: there is no background.
const EVERYTHING: [f32; 2] = [-1.0, 2.0];

/// Grey values of the object in each training image, made at first use.
#[derive(Clone, Debug, Default)]
pub struct ObjectRanges {
    of_images: OnceLock<Vec<[f32; 2]>>,
}

impl ObjectRanges {
    /// Grey values [low, high) of the object in image `number` of `images`. The settings and the images must be the same in every
    /// call.
    pub(in crate::data) fn of(&self, foreground: &Foreground, images: &[Image], number: usize) -> [f32; 2] {
        let all = self.of_images.get_or_init(|| images.iter().map(|image| foreground.range(image)).collect());
        all.get(number).copied().unwrap_or(EVERYTHING)
    }
}

impl Foreground {
    /// Whether patches are restricted to the object.
    pub fn is_on(&self) -> bool {
        self.method != ForegroundMethod::Off
    }

    /// Grey values [low, high) of the object in an image `[height, width, 3]`: those on one side of the threshold. With
    /// [`ObjectSide::Auto`] it is the side on which fewer of the pixels along the image's border are. An image of one grey value
    /// has no background.
    pub fn range(&self, image: &Image) -> [f32; 2] {
        let threshold = match self.method {
            ForegroundMethod::Off => None,
            ForegroundMethod::Threshold => Some(self.threshold),
            ForegroundMethod::Otsu => otsu(image),
        };
        let Some(threshold) = threshold else {
            return EVERYTHING;
        };
        let is_darker = match self.object {
            ObjectSide::Darker => true,
            ObjectSide::Brighter => false,
            ObjectSide::Auto => border_is_brighter(image, threshold),
        };
        if is_darker { [EVERYTHING[0], threshold] } else { [threshold, EVERYTHING[1]] }
    }
}

/// Whether a pixel is on the object, of grey values [low, high).
pub(super) fn is_object(pixel: Colour, [low, high]: [f32; 2]) -> bool {
    let grey = (pixel[0] + pixel[1] + pixel[2]) / 3.0;
    low <= grey && grey < high
}

/// Grey values of an image, row by row.
fn greys(image: &Image) -> impl Iterator<Item = f32> {
    image.lanes(Axis(2)).into_iter().map(|pixel| (pixel[0] + pixel[1] + pixel[2]) / 3.0)
}

/// Whether at least half of the pixels along the border are at least as bright as the threshold.
fn border_is_brighter(image: &Image, threshold: f32) -> bool {
    let (height, width, _) = image.dim();
    let on_border = |index: usize| {
        let (row, column) = (index / width, index % width);
        row == 0 || column == 0 || row + 1 == height || column + 1 == width
    };
    let border = || greys(image).enumerate().filter(|&(index, _)| on_border(index));
    2 * border().filter(|&(_, grey)| grey >= threshold).count() >= border().count()
}

/// Otsu's threshold (1979): the grey value that splits the histogram of 256 bins into two classes of the largest variance between
/// them. If several do, the middle of the first of them and those that follow it without a gap. `None` if all pixels are in one
/// bin.
fn otsu(image: &Image) -> Option<f32> {
    let mut histogram = [0u64; BINS];
    for grey in greys(image) {
        histogram[((grey * BINS as f32) as usize).min(BINS - 1)] += 1;
    }
    let moment = |bins: &[u64]| bins.iter().enumerate().map(|(bin, &count)| bin as f64 * count as f64).sum::<f64>();
    let (total, whole) = (histogram.iter().sum::<u64>() as f64, moment(&histogram));
    let (mut best, mut first, mut last) = (0.0, 0, 0);
    let (mut below, mut sum) = (0.0, 0.0);
    for split in 1..BINS {
        below += histogram[split - 1] as f64;
        sum += (split - 1) as f64 * histogram[split - 1] as f64;
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let between = below * above * (sum / below - (whole - sum) / above).powi(2);
        if between > best {
            (best, first, last) = (between, split, split);
        } else if between == best && split == last + 1 {
            last = split;
        }
    }
    (best > 0.0).then(|| (first + last) as f32 / (2 * BINS) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    fn square(object: f32, background: f32) -> Image {
        Image::from_shape_fn(
            (12, 16, 3),
            |(row, column, _)| {
                if (3..9).contains(&row) && (4..12).contains(&column) { object } else { background }
            },
        )
    }

    fn otsu_of(object: ObjectSide) -> Foreground {
        Foreground { method: ForegroundMethod::Otsu, object, ..Foreground::default() }
    }

    #[test]
    fn otsu_splits_two_greys_in_the_middle() {
        // Bins 51 and 204: every split from 52 to 204 is the best, so the threshold is 128/256.
        assert_eq!(otsu(&square(0.2, 0.8)), Some(0.5));
        assert_eq!(otsu(&square(0.8, 0.2)), Some(0.5));
        assert_eq!(otsu(&square(0.7, 0.7)), None);
        // Bins 0 (2 pixels), 64 (1), 192 (1): splitting behind bin 0 gives 2 · 2 · 128² = 65536, behind 64 gives 3 · 1 · (192 -
        // 64/3)² = 87381.
        let four = Image::from_shape_fn((1, 4, 3), |(_, column, _)| [0.0, 0.0, 0.25, 0.75][column]);
        assert_eq!(otsu(&four), Some((65.0 + 192.0) / 512.0));
    }

    #[test]
    fn the_side_of_the_object_follows_from_the_border() {
        assert_eq!(otsu_of(ObjectSide::Auto).range(&square(0.2, 0.8)), [-1.0, 0.5]);
        assert_eq!(otsu_of(ObjectSide::Auto).range(&square(0.8, 0.2)), [0.5, 2.0]);
        assert_eq!(otsu_of(ObjectSide::Brighter).range(&square(0.2, 0.8)), [0.5, 2.0]);
        assert_eq!(otsu_of(ObjectSide::Darker).range(&square(0.8, 0.2)), [-1.0, 0.5]);
        assert_eq!(otsu_of(ObjectSide::Auto).range(&square(0.5, 0.5)), EVERYTHING);
        let fixed = Foreground { method: ForegroundMethod::Threshold, threshold: 0.3, ..Foreground::default() };
        assert_eq!(fixed.range(&square(0.8, 0.2)), [0.3, 2.0]);
        assert_eq!(Foreground::default().range(&square(0.8, 0.2)), EVERYTHING);
    }

    #[test]
    fn ranges_belong_to_their_image() {
        let (ranges, foreground) = (ObjectRanges::default(), otsu_of(ObjectSide::Auto));
        let images = [square(0.2, 0.8), square(0.8, 0.2)];
        assert_eq!(ranges.of(&foreground, &images, 1), [0.5, 2.0]);
        assert_eq!(ranges.of(&foreground, &images, 0), [-1.0, 0.5]);
    }

    proptest! {
        #[test]
        fn otsu_is_the_best_of_all_thresholds(values in prop::collection::vec(0u8..=255, 2..40)) {
            let [found, best] = variances(&values);
            prop_assert!((found - best).abs() <= 1e-9 * best, "{} of {}", found, best);
        }
    }

    /// Of two equally good thresholds with worse ones between them, the middle would be worse.
    #[test]
    fn otsu_of_two_equal_maxima_is_one_of_them() {
        let values = [10, 56, 0, 186, 195, 46, 1, 60, 196, 145, 57, 163, 138, 104, 124, 144, 81, 184, 28, 240, 14, 145, 31, 100];
        let [found, best] = variances(&values);
        assert_relative_eq!(found, best, max_relative = 1e-9);
    }

    /// The variance between the classes by its definition, at Otsu's threshold and at the best of all.
    fn variances(values: &[u8]) -> [f64; 2] {
        let image = Image::from_shape_fn((1, values.len(), 3), |(_, column, _)| (f32::from(values[column]) + 0.5) / 256.0);
        let between = |threshold: f64| {
            let (dark, bright): (Vec<f64>, Vec<f64>) =
                values.iter().map(|&value| f64::from(value)).partition(|value| (value + 0.5) / 256.0 < threshold);
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
            match dark.len() as f64 * bright.len() as f64 {
                0.0 => 0.0,
                pairs => pairs * (mean(&dark) - mean(&bright)).powi(2),
            }
        };
        let best = (0..=256).map(|bin| between(f64::from(bin) / 256.0)).fold(0.0, f64::max);
        [otsu(&image).map_or(0.0, |threshold| between(f64::from(threshold))), best]
    }
}
