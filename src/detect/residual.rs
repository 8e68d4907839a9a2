//! What an image and its reconstruction are compared by, pixel by pixel, before smoothing.

use std::fmt;

use ndarray::{Array2, ArrayView3, Axis, Ix2, Zip};
use serde::{Deserialize, Serialize};

use super::metrics::resize_bilinear;
use crate::backend::Real;
use crate::data::arrays::{collected, reserved, zeros};
use crate::data::{Image, Plane};
use crate::error::{Error, Result};
use crate::ops::{Backend, check_scales, check_ssim_window};
use crate::shape::Shape;
use crate::tape::{Tape, Tensor, Var};

/// Weights of the comparisons whose sum is smoothed to the heatmap. The paper has the squared difference alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Residual {
    /// Mean over the channels of (x̂ - f(x̂))².
    pub squared: f64,
    /// Root of the same mean. Small differences weigh more than in the squared difference.
    pub root: f64,
    /// 1 - multi-scale gradient magnitude similarity (Zavrtanik, Kristan, Skočaj, *Reconstruction by inpainting*, 2021):
    /// structure, whatever its contrast.
    pub gradient: f64,
    /// Scales of the gradient magnitude similarity; each halves the one before.
    pub scales: u32,
    /// 1 - SSIM (Wang, Bovik, Sheikh, Simoncelli 2004), mean over the channels: structure with its contrast and brightness.
    pub ssim: f64,
    /// Window of SSIM in pixels, odd: Gaussian, with 1.5/11 of that as standard deviation.
    pub ssim_window: usize,
    /// Scales of SSIM; each halves the one before.
    pub ssim_scales: u32,
    /// (Δa)² + (Δb)² in CIELAB (D65): colour without lightness.
    pub chroma: f64,
}

impl Default for Residual {
    fn default() -> Self {
        Self { squared: 1.0, root: 0.0, gradient: 0.0, scales: 2, ssim: 0.0, ssim_window: 11, ssim_scales: 1, chroma: 0.0 }
    }
}

impl fmt::Display for Residual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gradient = format!("gradient ({} scales)", self.scales);
        let ssim = format!("ssim (window {}, {} scales)", self.ssim_window, self.ssim_scales);
        let terms = [
            (self.squared, "squared"),
            (self.root, "root"),
            (self.gradient, gradient.as_str()),
            (self.ssim, ssim.as_str()),
            (self.chroma, "chroma"),
        ];
        let terms = terms.iter().filter(|(weight, _)| *weight > 0.0).map(|(weight, name)| format!("{weight} {name}"));
        f.write_str(&terms.collect::<Vec<_>>().join(" + "))
    }
}

impl Residual {
    /// Checks ranges.
    ///
    /// # Errors
    /// A weight that is negative or not finite, no positive weight, more than 8 scales or none, a window that is even or outside
    /// 3 to 31.
    pub fn validate(&self) -> Result<()> {
        let weights = [
            ("squared", self.squared),
            ("root", self.root),
            ("gradient", self.gradient),
            ("ssim", self.ssim),
            ("chroma", self.chroma),
        ];
        for (key, weight) in weights {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::config(format!("detection.residual.{key}"), format!("must be 0 or above, got {weight}")));
            }
        }
        if weights.iter().all(|&(_, weight)| weight == 0.0) {
            return Err(Error::config("detection.residual", "one of squared, root, gradient, ssim and chroma must be above 0"));
        }
        check_scales("detection.residual.scales", self.scales)?;
        check_ssim_window("detection.residual.ssim_window", self.ssim_window)?;
        check_scales("detection.residual.ssim_scales", self.ssim_scales)
    }

    /// Whether this is the residual of the paper.
    pub fn is_of_the_paper(&self) -> bool {
        let Self { squared, root, gradient, ssim, chroma, .. } = *self;
        squared > 0.0 && [root, gradient, ssim, chroma] == [0.0; 4]
    }

    /// How many pixels away a value of the residual still depends on an image, and the side of the blocks of pixels that become
    /// one at the coarsest scale.
    pub(super) fn reach(&self) -> (usize, usize) {
        let of_scales = |radius: usize, scales: u32| match 1 << (scales - 1) {
            1 => (radius, 1),
            // A value lies between two blocks; each of them has looked at `radius` blocks around it.
            block => (block * (radius + 2) - 1, block),
        };
        let gradient = if self.gradient > 0.0 { of_scales(1, self.scales) } else { (0, 1) };
        let ssim = if self.ssim > 0.0 { of_scales(self.ssim_window / 2, self.ssim_scales) } else { (0, 1) };
        (gradient.0.max(ssim.0), gradient.1.max(ssim.1))
    }

    /// The weighted sum for an image and its reconstruction, both `[height, width, 3]`; `[height, width]`. Similarities are
    /// computed on `backend`.
    ///
    /// # Errors
    /// The device failed; too little memory.
    pub(super) fn of<B: Backend>(&self, backend: &B, x: &Image, reconstruction: &Image) -> Result<Array2<f64>> {
        let (height, width, _) = x.dim();
        let mut sum = zeros((height, width))?;
        Zip::from(&mut sum).and(x.lanes(Axis(2))).and(reconstruction.lanes(Axis(2))).for_each(|sum: &mut f64, a, b| {
            let squares: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            let mean = squares / 3.0;
            *sum = if self.root == 0.0 { self.squared * mean } else { self.squared * mean + self.root * mean.sqrt() };
        });
        let mut add =
            |weight: f64, dissimilarity: Plane| sum.zip_mut_with(&dissimilarity, |sum, &value| *sum += weight * f64::from(value));
        if self.gradient > 0.0 {
            let greys = [grey(x)?, grey(reconstruction)?];
            let batches = greys.each_ref().map(|grey| grey.view().insert_axis(Axis(0)));
            add(self.gradient, dissimilarity(backend, batches, self.scales, Tape::gradient_similarity)?);
        }
        if self.ssim > 0.0 {
            let channels = [x, reconstruction].map(|image| image.view().permuted_axes([2, 0, 1]));
            let ssim = |tape: &mut Tape<B>, x, y| tape.ssim(x, y, self.ssim_window);
            add(self.ssim, dissimilarity(backend, channels, self.ssim_scales, ssim)?);
        }
        if self.chroma > 0.0 {
            Zip::from(&mut sum).and(x.lanes(Axis(2))).and(reconstruction.lanes(Axis(2))).for_each(|sum, a, b| {
                let [a, b] = [a, b].map(|pixel| chroma([pixel[0], pixel[1], pixel[2]]));
                *sum += self.chroma * ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
            });
        }
        Ok(sum)
    }
}

/// The mean of the channels.
fn grey(image: &Image) -> Result<Plane> {
    let (height, width, _) = image.dim();
    collected(Ix2(height, width), height * width, image.lanes(Axis(2)).into_iter().map(|pixel| pixel.sum() / 3.0))
}

/// 1 - the mean over the grey images `[count, height, width]` of two batches, and over scales, of a similarity, each scale
/// resized to the first. Images that are too small are not halved again.
fn dissimilarity<B: Backend>(
    backend: &B,
    batches: [ArrayView3<'_, f32>; 2],
    scales: u32,
    similarity: impl Fn(&mut Tape<B>, Var, Var) -> Result<Var>,
) -> Result<Plane> {
    let (_, height, width) = batches[0].dim();
    let mut tape = Tape::new(backend.clone());
    let [mut x, mut y] = [batch(&mut tape, batches[0])?, batch(&mut tape, batches[1])?];
    let (mut sum, mut done): (Plane, _) = (zeros((height, width))?, 0.0);
    for _ in 0..scales {
        let map = similarity(&mut tape, x, y)?;
        sum += &resize_bilinear(&mean_dissimilarity(&tape, map)?, height, width)?;
        done += 1.0;
        let Some(halved) = tape.halved(x, y)? else { break };
        [x, y] = halved;
    }
    Ok(sum / done)
}

/// Grey images `[count, height, width]` as `[count, height, width, 1]`.
fn batch<B: Backend>(tape: &mut Tape<B>, images: ArrayView3<'_, f32>) -> Result<Var> {
    let (count, height, width) = images.dim();
    let mut values = reserved(images.len())?;
    values.extend(images.iter().map(|&value| B::Elem::of(f64::from(value))));
    let tensor = Tensor::from_host(tape.backend(), Shape::new(&[count, height, width, 1])?, &values)?;
    Ok(tape.constant(tensor))
}

/// 1 - the mean over the batch of a map `[N, H, W, 1]`.
fn mean_dissimilarity<B: Backend>(tape: &Tape<B>, map: Var) -> Result<Plane> {
    let [count, height, width, _] = tape.shape(map).nhwc("dissimilarity")?;
    let mut values = reserved(height * width)?;
    values.resize(height * width, 0.0);
    for channel in tape.host(map)?.chunks_exact(height * width) {
        values.iter_mut().zip(channel).for_each(|(sum, value)| *sum += value.f64());
    }
    let mean = values.iter().map(|sum: &f64| (1.0 - sum / count as f64) as f32);
    collected(Ix2(height, width), height * width, mean)
}

/// sRGB without its gamma: v / slope up to limit, else ((v + offset) / scale)^power; as `[limit, slope, offset, scale, power]`.
pub(crate) const LINEAR_LIGHT: [f64; 5] = [0.04045, 12.92, 0.055, 1.055, 2.4];
/// XYZ of linear sRGB under D65, row by row.
pub(crate) const XYZ: [[f64; 3]; 3] =
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];
/// XYZ of white under D65.
pub(crate) const WHITE: [f64; 3] = [0.950470, 1.0, 1.088830];
/// a and b of CIELAB: these times the differences of compressed X and Y, and of Y and Z.
pub(crate) const CHROMA: [f64; 2] = [500.0, 200.0];

/// a and b of CIELAB for sRGB under D65; values outside [0, 1] are cut off.
fn chroma(rgb: [f32; 3]) -> [f64; 2] {
    let [limit, slope, offset, scale, power] = LINEAR_LIGHT;
    let rgb = rgb.map(|value| {
        let value = f64::from(value.clamp(0.0, 1.0));
        if value <= limit { value / slope } else { ((value + offset) / scale).powf(power) }
    });
    let f = |t: f64| if t > (6.0f64 / 29.0).powi(3) { t.cbrt() } else { t * (29.0f64 / 6.0).powi(2) / 3.0 + 4.0 / 29.0 };
    let axis = |axis: usize| f(XYZ[axis].iter().zip(rgb).map(|(weight, value)| weight * value).sum::<f64>() / WHITE[axis]);
    let [x, y, z] = [axis(0), axis(1), axis(2)];
    [CHROMA[0] * (x - y), CHROMA[1] * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Reference;
    use approx::assert_abs_diff_eq;

    const NONE: Residual =
        Residual { squared: 0.0, root: 0.0, gradient: 0.0, scales: 1, ssim: 0.0, ssim_window: 5, ssim_scales: 1, chroma: 0.0 };

    fn of(residual: Residual, x: &Image, y: &Image) -> Array2<f64> {
        residual.of(&Reference::<f64>::default(), x, y).unwrap()
    }

    fn pair() -> [Image; 2] {
        let x = Image::from_shape_fn((9, 7, 3), |(row, column, c)| ((row * 5 + column * 3 + c) % 11) as f32 / 11.0);
        let y = x.mapv(|value| 1.0 - value * value);
        [x, y]
    }

    #[test]
    fn weights_add_up() {
        let [x, y] = pair();
        let of = |residual: Residual| of(residual, &x, &y);
        let parts = [
            Residual { squared: 2.0, ..NONE },
            Residual { root: 3.0, ..NONE },
            Residual { gradient: 0.5, ..NONE },
            Residual { ssim: 0.25, ..NONE },
            Residual { chroma: 0.01, ..NONE },
        ];
        let sum = parts.map(of).into_iter().reduce(|a, b| a + b).unwrap();
        let whole = of(Residual { squared: 2.0, root: 3.0, gradient: 0.5, ssim: 0.25, chroma: 0.01, ..NONE });
        assert!(whole.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-9));
        assert_abs_diff_eq!(of(parts[1])[[0, 0]], 3.0 * (of(parts[0])[[0, 0]] / 2.0).sqrt(), epsilon = 1e-12);
    }

    #[test]
    fn equal_images_have_no_residual() {
        let [x, _] = pair();
        let all = Residual {
            squared: 1.0,
            root: 1.0,
            gradient: 1.0,
            scales: 4,
            ssim: 1.0,
            ssim_window: 11,
            ssim_scales: 4,
            chroma: 1.0,
        };
        assert!(of(all, &x, &x).iter().all(|&value| value.abs() < 1e-6));
    }

    #[test]
    fn gradient_similarity_ignores_brightness_and_sees_a_missing_edge() {
        // The constant of the similarity, and what is added to every squared gradient.
        const GRADIENT: f64 = 0.0026;
        const FLAT: f64 = 1e-6;
        let image = |value: &dyn Fn(usize) -> f32| Image::from_shape_fn((16, 16, 3), |(_, column, _)| value(column));
        let step = image(&|column| if column < 8 { 0.0 } else { 0.5 });
        let gradient = |scales, y: &Image| of(Residual { gradient: 2.0, scales, ..NONE }, &step, y);
        assert!(gradient(3, &step.mapv(|value| value + 0.25)).iter().all(|&value| value < 1e-5));
        let flat = image(&|_| 0.25);
        let found = gradient(1, &flat);
        let similarity = (2.0 * (0.25f64 + FLAT).sqrt() * FLAT.sqrt() + GRADIENT) / (0.25 + 2.0 * FLAT + GRADIENT);
        assert_abs_diff_eq!(found[[8, 7]], 2.0 * (1.0 - similarity), epsilon = 1e-5);
        assert_abs_diff_eq!(found[[8, 2]], 0.0, epsilon = 1e-6);
        assert!(gradient(3, &flat)[[8, 4]] > 0.0);
    }

    #[test]
    fn ssim_of_flat_images_compares_their_brightness_and_scales_are_averaged() {
        let flat = |value: f32| Image::from_elem((16, 12, 3), value);
        // Without variance only the first factor is left: (2 a b + C₁) / (a² + b² + C₁), C₁ = 0.0001.
        let expected = 1.0 - (2.0 * 0.2 * 0.6 + 1e-4) / (0.2 * 0.2 + 0.6 * 0.6 + 1e-4);
        for ssim_scales in [1, 3] {
            let found = of(Residual { ssim: 2.0, ssim_scales, ..NONE }, &flat(0.2), &flat(0.6));
            assert!(found.iter().all(|value| (value - 2.0 * expected).abs() < 1e-6), "{found:?}");
        }
        // A single changed pixel is seen only within half a window, at the first scale.
        let mut spot = flat(0.5);
        spot[[8, 6, 1]] = 0.9;
        let near = of(Residual { ssim: 1.0, ..NONE }, &flat(0.5), &spot);
        assert!(near[[8, 6]] > 0.1 && near[[10, 8]] > 1e-4 && near[[8, 9]].abs() < 1e-6 && near[[11, 6]].abs() < 1e-6);
        let far = of(Residual { ssim: 1.0, ssim_scales: 2, ..NONE }, &flat(0.5), &spot);
        assert!(far[[8, 9]] > 1e-3, "{}", far[[8, 9]]);
    }

    #[test]
    fn images_too_small_to_halve_have_one_scale() {
        let [x, y] = [0.25, 0.5].map(|value| Image::from_elem((3, 9, 3), value));
        let one = of(Residual { ssim: 1.0, ..NONE }, &x, &y);
        assert_eq!(one, of(Residual { ssim: 1.0, ssim_scales: 8, ..NONE }, &x, &y));
    }

    #[test]
    fn the_reach_is_what_perturbations_find() {
        for (residual, blocks) in [
            (Residual { gradient: 1.0, scales: 1, ..NONE }, 1),
            (Residual { gradient: 1.0, scales: 3, ..NONE }, 4),
            (Residual { ssim: 1.0, ..NONE }, 1),
            (Residual { ssim: 1.0, ssim_scales: 2, ..NONE }, 2),
            (Residual { squared: 1.0, chroma: 1.0, ..NONE }, 1),
        ] {
            let image = |bright: Option<usize>, phase: usize| {
                Image::from_shape_fn((96, 16, 3), |(row, column, _)| match bright == Some(row) {
                    true => 0.9,
                    false => ((row * 5 + column * 3 + phase) % 11) as f32 / 22.0,
                })
            };
            let (usual, (reach, coarsest)) = (of(residual, &image(None, 0), &image(None, 4)), residual.reach());
            assert_eq!(coarsest, blocks);
            let mut farthest = 0;
            for bright in 44..52 {
                let found = of(residual, &image(Some(bright), 0), &image(None, 4));
                let changed =
                    found.indexed_iter().filter(|(at, value)| **value != usual[*at]).map(|((row, _), _)| row.abs_diff(bright));
                farthest = farthest.max(changed.max().unwrap());
            }
            assert!(farthest <= reach && farthest + coarsest > reach, "{residual}: {farthest} of {reach}");
        }
    }

    #[test]
    fn chroma_is_that_of_cielab() {
        // skimage.color.rgb2lab of scikit-image 0.26, whose matrix has fewer digits.
        for (rgb, lab) in [
            ([1.0, 0.0, 0.0], [80.0923, 67.2028]),
            ([0.0, 0.0, 1.0], [79.1856, -107.8573]),
            ([0.2, 0.6, 0.4], [-41.5097, 18.4527]),
            ([0.5, 0.5, 0.5], [-0.0015, 0.0028]),
        ] {
            let found = chroma(rgb);
            assert_abs_diff_eq!(found[0], lab[0], epsilon = 0.01);
            assert_abs_diff_eq!(found[1], lab[1], epsilon = 0.01);
        }
    }

    #[test]
    fn the_words_name_every_term() {
        let residual = Residual { squared: 0.0, gradient: 1.0, chroma: 0.003, ..Residual::default() };
        assert_eq!(residual.to_string(), "1 gradient (2 scales) + 0.003 chroma");
        assert!(Residual::default().is_of_the_paper() && !residual.is_of_the_paper());
        let residual = Residual { ssim: 0.5, ssim_scales: 2, ..Residual::default() };
        assert_eq!(residual.to_string(), "1 squared + 0.5 ssim (window 11, 2 scales)");
        assert!(!residual.is_of_the_paper());
    }

    #[test]
    fn weights_outside_their_range_are_refused() {
        for (residual, key) in [
            (Residual { squared: -1.0, ..NONE }, "detection.residual.squared"),
            (Residual { chroma: f64::NAN, ..NONE }, "detection.residual.chroma"),
            (NONE, "detection.residual"),
            (Residual { scales: 9, ..Residual::default() }, "detection.residual.scales"),
            (Residual { ssim: f64::INFINITY, ..NONE }, "detection.residual.ssim"),
            (Residual { ssim_window: 4, ..Residual::default() }, "detection.residual.ssim_window"),
            (Residual { ssim_window: 33, ..Residual::default() }, "detection.residual.ssim_window"),
            (Residual { ssim_scales: 0, ..Residual::default() }, "detection.residual.ssim_scales"),
        ] {
            match residual.validate() {
                Err(Error::Config { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}
