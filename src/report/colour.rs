//! Planes as images: a perceptual colour map, heatmaps, overlays and masks.

use ndarray::Array2;

use crate::data::arrays::{each, mapped, reserved};
use crate::data::{Image, Plane, image, row_major, sides};
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// "Inferno" by Nathaniel Smith and Stéfan van der Walt (2015, matplotlib, released under CC0), at 0, 0.1, …, 1.
/// Its lightness grows evenly from black to pale yellow, so it also reads in grey and for colour-blind eyes.
const INFERNO: [[u8; 3]; 11] = [
    [0x00, 0x00, 0x04],
    [0x16, 0x0b, 0x39],
    [0x42, 0x0a, 0x68],
    [0x6a, 0x17, 0x6e],
    [0x93, 0x26, 0x67],
    [0xbc, 0x37, 0x54],
    [0xdd, 0x51, 0x3a],
    [0xf3, 0x78, 0x19],
    [0xfc, 0xa5, 0x0a],
    [0xf6, 0xd7, 0x46],
    [0xfc, 0xff, 0xa4],
];

/// Drawn where a value is not a number: grey does not occur in the colour map.
const NOT_A_NUMBER: [f32; 3] = [0.5; 3];

/// Opacity of the heat over the input at the top of the scale.
const OVERLAY_OPACITY: f32 = 0.85;

/// The values drawn as the darkest and the brightest colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// This value and all below it are drawn as the darkest colour.
    pub low: f32,
    /// This value and all above it are drawn as the brightest colour.
    pub high: f32,
}

impl Scale {
    /// The smallest and the largest finite value of all `planes`, or 0 and 1 when there is none.
    pub fn over<'a>(planes: impl IntoIterator<Item = &'a Plane>) -> Self {
        let values = planes.into_iter().flatten().copied().filter(|value| value.is_finite());
        let empty = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };
        let scale = values.fold(empty, |scale, v| Self { low: scale.low.min(v), high: scale.high.max(v) });
        if scale.low <= scale.high { scale } else { Self { low: 0.0, high: 1.0 } }
    }

    /// From 0 to four times the pixel threshold, so that heatmaps can be compared. Without a threshold (or with one that is not
    /// above 0), from 0 to the maximum of `heatmap`.
    pub fn for_heatmap(heatmap: &Plane, pixel_threshold: Option<f64>) -> Self {
        match pixel_threshold {
            Some(threshold) if threshold > 0.0 => Self { low: 0.0, high: 4.0 * threshold as f32 },
            _ => Self { low: 0.0, ..Self::over([heatmap]) },
        }
    }

    /// The position of `value` between `low` (0) and `high` (1), clamped to [0, 1]; NaN stays NaN.
    /// With `low == high`, values up to it are at 0 and values above it at 1.
    pub fn place(self, value: f32) -> f32 {
        if value.is_nan() {
            return value;
        }
        if value <= self.low {
            0.0
        } else if value >= self.high {
            1.0
        } else {
            // Halved, so that the difference does not overflow on the widest scale.
            ((0.5 * value - 0.5 * self.low) / (0.5 * self.high - 0.5 * self.low)).clamp(0.0, 1.0)
        }
    }
}

/// The colour (red, green, blue in [0, 1]) of `value`, clamped to [0, 1]: black for 0, pale yellow for 1, grey for NaN.
pub fn heat(value: f32) -> [f32; 3] {
    if value.is_nan() {
        return NOT_A_NUMBER;
    }
    let last = INFERNO.len() - 1;
    let position = value.clamp(0.0, 1.0) * last as f32;
    let below = (position as usize).min(last - 1);
    let fraction = position - below as f32;
    let (dark, bright) = (INFERNO[below], INFERNO[below + 1]);
    [0, 1, 2].map(|c| (f32::from(dark[c]) * (1.0 - fraction) + f32::from(bright[c]) * fraction) / 255.0)
}

/// `plane` drawn with [`heat`], with its values on `scale`.
///
/// # Errors
/// Too little memory.
pub fn heatmap(plane: &Plane, scale: Scale) -> Result<Image> {
    paint(plane, |value| heat(scale.place(value)))
}

/// A mask in white on black.
///
/// # Errors
/// Too little memory.
pub fn mask_picture(mask: &Array2<bool>) -> Result<Image> {
    grey(&mapped(&mask.view(), f32::from)?)
}

/// The plane as a grey image; values are clamped to [0, 1], NaN is black.
///
/// # Errors
/// Too little memory.
pub fn grey(plane: &Plane) -> Result<Image> {
    paint(plane, |value| [if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }; 3])
}

/// The heat of `plane` over `picture` in grey; its opacity grows with the value.
///
/// # Errors
/// `picture` and `plane` differ in size; too little memory.
pub fn overlay(picture: &Image, plane: &Plane, scale: Scale) -> Result<Image> {
    let ((height, width), (h, w)) = (sides("overlay", picture)?, plane.dim());
    if (height, width) != (h, w) {
        let [image, plane] = [in_pixels(height, width), in_pixels(h, w)];
        return Err(Error::shape("overlay", format!("the image has {image}, the plane {plane}")));
    }
    let heated = |pixel: [f32; 3], value: f32| {
        let (grey, place) = (luminance(pixel), scale.place(value));
        let alpha = OVERLAY_OPACITY * if place.is_nan() { 1.0 } else { place };
        heat(place).map(|heat| (1.0 - alpha) * grey + alpha * heat)
    };
    let (colours, values) = (row_major(picture), row_major(plane));
    let (pixels, _) = colours.as_chunks();
    let mut result = reserved(pixels.len())?;
    result.extend(pixels.iter().zip(&*values).map(|(&pixel, &value)| heated(pixel, value)));
    image(height, width, result.into_flattened())
}

/// Relative luminance of an RGB pixel by ITU-R BT.709, on the stored (gamma-encoded) values.
fn luminance(rgb: [f32; 3]) -> f32 {
    0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
}

fn paint(plane: &Plane, colour: impl Fn(f32) -> [f32; 3]) -> Result<Image> {
    let (height, width) = plane.dim();
    image(height, width, each(&plane.view(), colour)?.into_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::{arr3, array};
    use proptest::prelude::*;

    /// Rows 64, 128 and 192 of the published 256-row table.
    #[test]
    fn the_map_agrees_with_the_published_one() {
        let published =
            [(64, [0.341500, 0.062325, 0.429425]), (128, [0.735683, 0.215906, 0.330245]), (192, [0.978422, 0.557937, 0.034931])];
        for (row, expected) in published {
            let found = heat(row as f32 / 255.0);
            for c in 0..3 {
                assert_abs_diff_eq!(found[c], expected[c], epsilon = 0.04);
            }
        }
        assert_eq!(heat(0.0), [0.0, 0.0, 4.0 / 255.0]);
        assert_eq!(heat(1.0), [252.0 / 255.0, 1.0, 164.0 / 255.0]);
        assert_eq!((heat(-3.0), heat(f32::INFINITY), heat(f32::NAN)), (heat(0.0), heat(1.0), [0.5; 3]));
    }

    #[test]
    fn luminance_grows_with_the_value() {
        let steps: Vec<f32> = (0..=500).map(|i| luminance(heat(i as f32 / 500.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_scale_without_extent_does_not_divide_by_zero() {
        let scale = Scale { low: 2.0, high: 2.0 };
        assert_eq!([1.0, 2.0, 3.0].map(|v| scale.place(v)), [0.0, 0.0, 1.0]);
        assert_eq!(heatmap(&array![[2.0, 2.0]], scale).unwrap(), arr3(&[[heat(0.0), heat(0.0)]]));
        assert_eq!(Scale { low: f32::MIN, high: f32::MAX }.place(0.0), 0.5);
    }

    #[test]
    fn the_scale_over_planes_skips_what_is_not_finite() {
        let (a, b) = (array![[3.0, f32::NAN]], array![[f32::INFINITY], [-1.0]]);
        assert_eq!(Scale::over([&a, &b]), Scale { low: -1.0, high: 3.0 });
        assert_eq!(Scale::over([]), Scale { low: 0.0, high: 1.0 });
    }

    #[test]
    fn overlay_is_grey_at_the_bottom_and_mostly_heat_at_the_top() {
        let image = array![[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]];
        let found = overlay(&image, &array![[0.0, 5.0]], Scale { low: 0.0, high: 5.0 }).unwrap();
        for c in 0..3 {
            assert_abs_diff_eq!(found[[0, 0, c]], 0.2126, epsilon = 1e-6);
            assert_abs_diff_eq!(found[[0, 1, c]], 0.85 * heat(1.0)[c] + 0.15 * 0.2126, epsilon = 1e-6);
        }
    }

    #[test]
    fn sizes_must_agree() {
        let scale = Scale { low: 0.0, high: 1.0 };
        let error = overlay(&Image::zeros((1, 2, 3)), &Plane::zeros((2, 1)), scale).unwrap_err().to_string();
        assert_eq!(error, "overlay: the image has 1x2 pixels (height x width), the plane 2x1 pixels (height x width)");
    }

    #[test]
    fn grey_clamps_to_the_unit_range_and_masks_are_white_on_black() {
        let expected = arr3(&[[[0.0; 3], [0.25; 3], [1.0; 3], [0.0; 3]]]);
        assert_eq!(grey(&array![[-1.0, 0.25, 7.0, f32::NAN]]).unwrap(), expected);
        assert_eq!(mask_picture(&array![[true, false]]).unwrap(), arr3(&[[[1.0; 3], [0.0; 3]]]));
    }

    #[test]
    fn heatmaps_share_a_scale_where_there_is_a_threshold() {
        let heatmap = array![[1.0, 3.0]];
        assert_eq!(Scale::for_heatmap(&heatmap, Some(0.5)), Scale { low: 0.0, high: 2.0 });
        for none in [None, Some(0.0), Some(-1.0)] {
            assert_eq!(Scale::for_heatmap(&heatmap, none), Scale { low: 0.0, high: 3.0 });
        }
    }

    proptest! {
        #[test]
        fn every_value_has_a_colour(value: f32, low: f32, high: f32) {
            let colour = heat(Scale { low, high }.place(value));
            prop_assert!(colour.iter().all(|channel| (0.0..=1.0).contains(channel)));
        }
    }
}
