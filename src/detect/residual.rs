//! What an image and its reconstruction are compared by, pixel by pixel, before smoothing.

use std::fmt;

use ndarray::{Array2, Axis, Zip, s};
use serde::{Deserialize, Serialize};

use super::metrics::resize_bilinear;
use crate::backend::Real;
use crate::data::{Image, Plane, plane};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::shape::Shape;
use crate::tape::{Tape, Tensor, Var};
use crate::train::{check_scales, check_ssim_window};

/// Weights of the comparisons whose sum is smoothed to the heatmap. The paper has the squared difference alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Residual {
    /// Mean over the channels of (x̂ - f(x̂))².
    pub squared: f64,
    /// Root of the same mean. Small differences weigh more than in the squared difference.
    pub root: f64,
    /// 1 - multi-scale gradient magnitude similarity (Zavrtanik, Kristan, Skočaj, *Reconstruction by inpainting*, 2021): structure,
    /// whatever its contrast.
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

/// Keeps the gradient magnitude similarity at 1 where both images are flat.
const GRADIENT_CONSTANT: f32 = 0.0026;

impl Residual {
    /// Checks ranges.
    ///
    /// # Errors
    /// A weight that is negative or not finite, no positive weight, more than 8 scales or none, a window that is even or outside 3 to 31.
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

    /// The weighted sum for an image and its reconstruction, both `[height, width, 3]`; `[height, width]`. SSIM is computed on `backend`.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn of<B: Backend>(&self, backend: &B, x: &Image, reconstruction: &Image) -> Result<Array2<f64>> {
        let mut sum = Zip::from(x.lanes(Axis(2))).and(reconstruction.lanes(Axis(2))).map_collect(|a, b| {
            let squares: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            let mean = squares / 3.0;
            if self.root == 0.0 { self.squared * mean } else { self.squared * mean + self.root * mean.sqrt() }
        });
        if self.gradient > 0.0 {
            let dissimilarity = gradient_dissimilarity(&grey(x), &grey(reconstruction), self.scales)?;
            sum.zip_mut_with(&dissimilarity, |sum, &value| *sum += self.gradient * f64::from(value));
        }
        if self.ssim > 0.0 {
            let dissimilarity = structural_dissimilarity(backend, [x, reconstruction], self.ssim_window, self.ssim_scales)?;
            sum.zip_mut_with(&dissimilarity, |sum, &value| *sum += self.ssim * f64::from(value));
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

fn grey(image: &Image) -> Plane {
    image.map_axis(Axis(2), |pixel| pixel.sum() / 3.0)
}

/// 1 - GMS, the mean over scales, each resized to the first.
fn gradient_dissimilarity(x: &Plane, y: &Plane, scales: u32) -> Result<Plane> {
    let (height, width) = x.dim();
    let (mut x, mut y, mut sum) = (x.clone(), y.clone(), Plane::zeros((height, width)));
    let mut done = 0.0;
    for _ in 0..scales {
        let similarity = Zip::from(&gradient_magnitude(&x))
            .and(&gradient_magnitude(&y))
            .map_collect(|&a, &b| (2.0 * a * b + GRADIENT_CONSTANT) / (a * a + b * b + GRADIENT_CONSTANT));
        sum += &resize_bilinear(&similarity.mapv(|value| 1.0 - value), height, width)?;
        done += 1.0;
        if x.dim().0.min(x.dim().1) < 4 {
            break;
        }
        (x, y) = (halved(&x), halved(&y));
    }
    Ok(sum / done)
}

/// 1 - SSIM, the mean over channels and scales, each scale resized to the first. Images that are too small are not halved again.
fn structural_dissimilarity<B: Backend>(backend: &B, images: [&Image; 2], window: usize, scales: u32) -> Result<Plane> {
    let (height, width, _) = images[0].dim();
    let mut tape = Tape::new(backend.clone());
    // Channels one after the other, as a batch of grey images.
    let mut batch = |image: &Image| {
        let channels = image.view().permuted_axes([2, 0, 1]);
        let values: Vec<B::Elem> = channels.iter().map(|&value| B::Elem::of(f64::from(value))).collect();
        let shape = Shape::new(&[channels.dim().0, height, width, 1])?;
        Ok::<_, Error>(tape.constant(Tensor::from_host(backend, shape, &values)?))
    };
    let [mut x, mut y] = [batch(images[0])?, batch(images[1])?];
    let (mut sum, mut done) = (Plane::zeros((height, width)), 0.0);
    for _ in 0..scales {
        let map = tape.ssim(x, y, window)?;
        sum += &resize_bilinear(&mean_dissimilarity(&tape, map)?, height, width)?;
        done += 1.0;
        let Some(halved) = tape.halved(x, y)? else { break };
        [x, y] = halved;
    }
    Ok(sum / done)
}

/// 1 - the mean over the batch of a map `[N, H, W, 1]`.
fn mean_dissimilarity<B: Backend>(tape: &Tape<B>, map: Var) -> Result<Plane> {
    let [count, height, width, _] = tape.shape(map).nhwc("ssim")?;
    let mut values = vec![0.0; height * width];
    for channel in tape.host(map)?.chunks_exact(height * width) {
        values.iter_mut().zip(channel).for_each(|(sum, value)| *sum += value.f64());
    }
    plane(height, width, values.iter().map(|sum| (1.0 - sum / count as f64) as f32).collect())
}

/// Magnitude of the Prewitt gradient, whose weights sum to 1 on each side; the border is repeated.
fn gradient_magnitude(plane: &Plane) -> Plane {
    let (height, width) = plane.dim();
    let at = |row: usize, column: usize| plane[[row.clamp(1, height) - 1, column.clamp(1, width) - 1]];
    Plane::from_shape_fn((height, width), |(row, column)| {
        // One row and column of border on each side, so that place (row, column) is at (row + 1, column + 1).
        let side = |of: &dyn Fn(usize) -> f32| (of(0) + of(1) + of(2)) / 3.0;
        let down = side(&|k| at(row + 2, column + k)) - side(&|k| at(row, column + k));
        let right = side(&|k| at(row + k, column + 2)) - side(&|k| at(row + k, column));
        (down * down + right * right).sqrt()
    })
}

/// Means of 2 x 2 pixels; an odd last row or column is dropped.
fn halved(plane: &Plane) -> Plane {
    let (height, width) = (plane.dim().0 / 2, plane.dim().1 / 2);
    let part = |row: usize, column: usize| plane.slice(s![row..2 * height;2, column..2 * width;2]);
    (&part(0, 0) + &part(0, 1) + part(1, 0) + part(1, 1)) / 4.0
}

/// a and b of CIELAB for sRGB under D65; values outside [0, 1] are cut off.
fn chroma(rgb: [f32; 3]) -> [f64; 2] {
    let [r, g, b] = rgb.map(|value| {
        let value = f64::from(value.clamp(0.0, 1.0));
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    let f = |t: f64| if t > (6.0f64 / 29.0).powi(3) { t.cbrt() } else { t * (29.0f64 / 6.0).powi(2) / 3.0 + 4.0 / 29.0 };
    let x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.950470);
    let y = f(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
    let z = f((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.088830);
    [500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Reference;
    use approx::assert_abs_diff_eq;
    use ndarray::array;

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
    fn gradients_of_ramps_are_their_slopes() {
        let ramp = Plane::from_shape_fn((5, 6), |(row, column)| 0.25 * row as f32 - 0.5 * column as f32);
        let found = gradient_magnitude(&ramp);
        // The kernel spans two pixels.
        let slope = 2.0 * (0.25f32 * 0.25 + 0.5 * 0.5).sqrt();
        assert_abs_diff_eq!(found[[2, 3]], slope, epsilon = 1e-6);
        assert_abs_diff_eq!(found[[0, 3]], (0.25f32 * 0.25 + 1.0).sqrt(), epsilon = 1e-6);
        assert!(gradient_magnitude(&Plane::from_elem((1, 1), 0.5)) == array![[0.0]]);
    }

    #[test]
    fn gradient_similarity_ignores_brightness_and_sees_a_missing_edge() {
        let step = Plane::from_shape_fn((16, 16), |(_, column)| if column < 8 { 0.0 } else { 0.5 });
        let brighter = step.mapv(|value| value + 0.25);
        assert!(gradient_dissimilarity(&step, &brighter, 3).unwrap().iter().all(|&value| value < 1e-6));
        let flat = Plane::from_elem((16, 16), 0.25);
        let found = gradient_dissimilarity(&step, &flat, 1).unwrap();
        // At the edge: 1 - c / (0.5² + c).
        assert_abs_diff_eq!(found[[8, 7]], 1.0 - GRADIENT_CONSTANT / (0.25 + GRADIENT_CONSTANT), epsilon = 1e-6);
        assert_eq!(found[[8, 2]], 0.0);
        assert!(gradient_dissimilarity(&step, &flat, 3).unwrap()[[8, 4]] > 0.0);
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
    fn halving_averages_four_pixels() {
        assert_eq!(halved(&array![[1.0, 3.0, 9.0], [5.0, 7.0, 9.0], [0.0, 0.0, 0.0]]), array![[4.0]]);
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
