//! Planes as pictures: a perceptual colour map, heatmaps and overlays.

use crate::data::{Image, Plane};
use crate::error::{Error, Result};

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

/// How strongly the heat covers the input at the top of the scale.
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
        let values = planes.into_iter().flat_map(|plane| &plane.values).copied().filter(|value| value.is_finite());
        let empty = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };
        let scale = values.fold(empty, |scale, v| Self { low: scale.low.min(v), high: scale.high.max(v) });
        if scale.low <= scale.high { scale } else { Self { low: 0.0, high: 1.0 } }
    }

    /// Where `value` lies between `low` (0) and `high` (1), clamped to [0, 1]; NaN stays NaN.
    /// A scale without extent (`low == high`) puts everything up to it at 0 and everything above it at 1.
    pub fn place(self, value: f32) -> f32 {
        if value.is_nan() {
            return value;
        }
        if value <= self.low {
            0.0
        } else if value >= self.high {
            1.0
        } else {
            // Halves, so that the widest scale does not overflow.
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

/// `plane` drawn with [`heat`], its values read on `scale`.
pub fn heatmap(plane: &Plane, scale: Scale) -> Image {
    paint(plane, |value| heat(scale.place(value)))
}

/// A 0/1 mask in black and white: white where the value exceeds one half.
pub fn mask_picture(mask: &Plane) -> Image {
    paint(mask, |value| if is_inside(value) { [1.0; 3] } else { [0.0; 3] })
}

/// The heat of `plane` over the greyed `image`; the heat covers more where the value is larger.
///
/// # Errors
/// `image` and `plane` differ in size.
pub fn overlay(image: &Image, plane: &Plane, scale: Scale) -> Result<Image> {
    same_size("overlay", image, plane)?;
    let mut result = image.clone();
    for (pixel, &value) in result.pixels.chunks_exact_mut(3).zip(&plane.values) {
        let grey = luminance(pixel);
        let place = scale.place(value);
        let alpha = OVERLAY_OPACITY * if place.is_nan() { 1.0 } else { place };
        for (channel, heat) in pixel.iter_mut().zip(heat(place)) {
            *channel = (1.0 - alpha) * grey + alpha * heat;
        }
    }
    Ok(result)
}

/// Relative luminance of an RGB pixel by ITU-R BT.709, on the stored (gamma-encoded) values.
fn luminance(rgb: &[f32]) -> f32 {
    0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
}

fn is_inside(value: f32) -> bool {
    value > 0.5
}

fn paint(plane: &Plane, colour: impl Fn(f32) -> [f32; 3]) -> Image {
    let pixels = plane.values.iter().flat_map(|&value| colour(value)).collect();
    Image { height: plane.height, width: plane.width, pixels }
}

fn same_size(op: &'static str, image: &Image, plane: &Plane) -> Result<()> {
    if (image.height, image.width) == (plane.height, plane.width) {
        return Ok(());
    }
    let reason = format!("image is {}x{}, plane is {}x{}", image.height, image.width, plane.height, plane.width);
    Err(Error::shape(op, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    fn plane(height: usize, width: usize, values: &[f32]) -> Plane {
        Plane::new(height, width, values.to_vec()).unwrap()
    }

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
        let steps: Vec<f32> = (0..=500).map(|i| luminance(&heat(i as f32 / 500.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_scale_without_extent_does_not_divide_by_zero() {
        let scale = Scale { low: 2.0, high: 2.0 };
        assert_eq!([1.0, 2.0, 3.0].map(|v| scale.place(v)), [0.0, 0.0, 1.0]);
        assert_eq!(heatmap(&plane(1, 2, &[2.0, 2.0]), scale).pixels, [heat(0.0), heat(0.0)].concat());
        assert_eq!(Scale { low: f32::MIN, high: f32::MAX }.place(0.0), 0.5);
    }

    #[test]
    fn the_scale_over_planes_skips_what_is_not_finite() {
        let (a, b) = (plane(1, 2, &[3.0, f32::NAN]), plane(2, 1, &[f32::INFINITY, -1.0]));
        assert_eq!(Scale::over([&a, &b]), Scale { low: -1.0, high: 3.0 });
        assert_eq!(Scale::over([]), Scale { low: 0.0, high: 1.0 });
    }

    #[test]
    fn overlay_is_grey_at_the_bottom_and_mostly_heat_at_the_top() {
        let image = Image::new(1, 2, vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).unwrap();
        let found = overlay(&image, &plane(1, 2, &[0.0, 5.0]), Scale { low: 0.0, high: 5.0 }).unwrap();
        for c in 0..3 {
            assert_abs_diff_eq!(found.pixels[c], 0.2126, epsilon = 1e-6);
            assert_abs_diff_eq!(found.pixels[3 + c], 0.85 * heat(1.0)[c] + 0.15 * 0.2126, epsilon = 1e-6);
        }
    }

    #[test]
    fn sizes_must_agree() {
        let image = Image::new(1, 2, vec![0.0; 6]).unwrap();
        let error = overlay(&image, &plane(2, 1, &[0.0; 2]), Scale { low: 0.0, high: 1.0 }).unwrap_err().to_string();
        assert_eq!(error, "overlay: image is 1x2, plane is 2x1");
        assert!(overlay(&image, &plane(1, 1, &[0.0]), Scale { low: 0.0, high: 1.0 }).is_err());
    }

    proptest! {
        #[test]
        fn every_value_has_a_colour(value: f32, low: f32, high: f32) {
            let colour = heat(Scale { low, high }.place(value));
            prop_assert!(colour.iter().all(|channel| (0.0..=1.0).contains(channel)));
        }
    }
}
