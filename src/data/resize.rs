//! Resampling, cropping, and padding for networks that need sides divisible by 8.
//!
//! Pixel i of n covers [i, i+1) of a side of length n (half-pixel centres). Resampling is separable: along each side the weight
//! of pixel i for an output centred at c is the triangle `max(0, 1 - |i + 1/2 - c| / s)`, normalised to sum 1, with
//! s = max(1, old size / new size). That is bilinear interpolation when enlarging, and an average over the covered area
//! without aliasing when shrinking. At the border, only the weights of pixels inside the image are used.

use ndarray::{Axis, s};

use super::arrays::{copied, reserved, zeros};
use super::image::{Image, check_size, image, row_major, sides};
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// Columns whose weights are in memory at a time.
const TOGETHER: usize = 4096;

/// Resizes an image to `height x width` with the triangle filter of the module's overview. What is in memory on the way is never
/// larger than both the image and the result, however long and thin they are.
///
/// # Errors
/// A side of 0; too little memory.
pub fn resize(image: &Image, height: usize, width: usize) -> Result<Image> {
    let (old_height, old_width) = sides("resize", image)?;
    check_size("resize", height, width)?;
    // The image in between has `old_height x width` pixels, or, in the other order, `height x old_width`.
    match height < old_height && width > old_width {
        true => to_width(&to_height(image, height)?, width),
        false => to_height(&to_width(image, width)?, height),
    }
}

/// Resizes every row of an image.
fn to_width(old: &Image, width: usize) -> Result<Image> {
    let (height, old_width, _) = old.dim();
    let (values, mut new) = (row_major(old), black(height * width)?);
    let (old, _) = values.as_chunks();
    for start in (0..width).step_by(TOGETHER) {
        let end = (start + TOGETHER).min(width);
        let windows: Vec<Window> = (start..end).map(|x| Window::triangle(old_width, width, x)).collect();
        for (old, new) in old.chunks_exact(old_width).zip(new.chunks_exact_mut(width)) {
            for (window, pixel) in windows.iter().zip(&mut new[start..end]) {
                let mut sum = [0.0; 3];
                window.weighted(old.iter()).for_each(|(weight, pixel)| add(&mut sum, weight, pixel));
                *pixel = sum.map(|value| value as f32);
            }
        }
    }
    image(height, width, new.into_flattened())
}

/// Resizes every column of an image.
fn to_height(old: &Image, height: usize) -> Result<Image> {
    let (old_height, width, _) = old.dim();
    let (values, mut new) = (row_major(old), black(height * width)?);
    let (old, _) = values.as_chunks();
    for start in (0..width).step_by(TOGETHER) {
        let columns = start..(start + TOGETHER).min(width);
        let mut sums = vec![[0.0; 3]; columns.len()];
        for (y, new) in new.chunks_exact_mut(width).enumerate() {
            sums.fill([0.0; 3]);
            let window = Window::triangle(old_height, height, y);
            for (weight, row) in window.weighted(old.chunks_exact(width)) {
                sums.iter_mut().zip(&row[columns.clone()]).for_each(|(sum, pixel)| add(sum, weight, pixel));
            }
            new[columns.clone()].iter_mut().zip(&sums).for_each(|(pixel, sum)| *pixel = sum.map(|value| value as f32));
        }
    }
    image(height, width, new.into_flattened())
}

/// So many black pixels.
fn black(pixels: usize) -> Result<Vec<[f32; 3]>> {
    let mut all = reserved(pixels)?;
    all.resize(pixels, [0.0; 3]);
    Ok(all)
}

fn add(sum: &mut [f64; 3], weight: f64, pixel: &[f32; 3]) {
    sum.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += weight * f64::from(value));
}

/// The `height x width` pixels whose first row is `top` and first column `left`.
///
/// # Errors
/// A side of 0, or a window that is not inside the image; too little memory.
pub fn crop(image: &Image, top: usize, left: usize, height: usize, width: usize) -> Result<Image> {
    let (h, w) = sides("crop", image)?;
    let fits = |first: usize, side: usize, whole: usize| side > 0 && first.checked_add(side).is_some_and(|end| end <= whole);
    if !fits(top, height, h) || !fits(left, width, w) {
        let size = in_pixels(height, width);
        return Err(Error::shape("crop", format!("{size} from row {top}, column {left} leave {}", in_pixels(h, w))));
    }
    copied(&image.slice(s![top..top + height, left..left + width, ..]))
}

/// Pads an image at the bottom and right to `height x width` by reflection without repeating the edge:
/// `a b c` becomes `a b c b a b …`. A side of one pixel is repeated.
///
/// # Errors
/// A side smaller than the image's; too little memory.
pub fn pad_reflect(image: &Image, height: usize, width: usize) -> Result<Image> {
    let (h, w) = sides("pad_reflect", image)?;
    check_size("pad_reflect", height, width)?;
    if height < h || width < w {
        return Err(Error::shape("pad_reflect", format!("{} cannot be padded to {}", in_pixels(h, w), in_pixels(height, width))));
    }
    let mut padded: Image = zeros((height, width, 3))?;
    for (y, mut row) in padded.outer_iter_mut().enumerate() {
        let own = image.index_axis(Axis(0), reflect(y, h));
        row.slice_mut(s![..w, ..]).assign(&own);
        for x in w..width {
            row.row_mut(x).assign(&own.row(reflect(x, w)));
        }
    }
    Ok(padded)
}

/// The position in `0..n` that `i >= 0` is reflected to.
fn reflect(i: usize, n: usize) -> usize {
    let period = (2 * (n - 1)).max(1);
    let within = i % period;
    within.min(period - within).min(n - 1)
}

/// The weights of one output position: `weights[k]` belongs to input `first + k`; they sum to 1.
struct Window {
    first: usize,
    weights: Vec<f64>,
}

impl Window {
    /// The window of position `place` when a side of `old` pixels gets `new` ones.
    fn triangle(old: usize, new: usize, place: usize) -> Self {
        let ratio = old as f64 / new as f64;
        let reach = ratio.max(1.0);
        let centre = (place as f64 + 0.5) * ratio;
        let first = (centre - reach - 0.5).floor().max(0.0) as usize;
        let last = ((centre + reach + 0.5).ceil() as usize).min(old);
        let raw: Vec<f64> = (first..last).map(|i| (1.0 - (i as f64 + 0.5 - centre).abs() / reach).max(0.0)).collect();
        let total: f64 = raw.iter().sum();
        Self { first, weights: raw.iter().map(|weight| weight / total).collect() }
    }

    /// The inputs in the window with their weights.
    fn weighted<T>(&self, inputs: impl Iterator<Item = T>) -> impl Iterator<Item = (f64, T)> {
        self.weights.iter().copied().zip(inputs.skip(self.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use proptest::prelude::*;

    fn noise(height: usize, width: usize) -> Image {
        let mut stream = Stream::new(3, Purpose::Test, height as u32, width as u32);
        Image::from_shape_simple_fn((height, width, 3), || stream.uniform())
    }

    /// The definition in the module's overview, in two dimensions and without windows.
    fn by_definition(image: &Image, height: usize, width: usize, y: usize, x: usize, c: usize) -> f64 {
        let weight = |i: usize, old: usize, j: usize, new: usize| {
            let ratio = old as f64 / new as f64;
            (1.0 - (i as f64 + 0.5 - (j as f64 + 0.5) * ratio).abs() / ratio.max(1.0)).max(0.0)
        };
        let (mut sum, mut total) = (0.0, 0.0);
        for i in 0..image.dim().0 {
            for k in 0..image.dim().1 {
                let w = weight(i, image.dim().0, y, height) * weight(k, image.dim().1, x, width);
                sum += w * f64::from(image[[i, k, c]]);
                total += w;
            }
        }
        sum / total
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn resize_agrees_with_the_definition(h in 1_usize..12, w in 1_usize..12, oh in 1_usize..25, ow in 1_usize..25) {
            let image = noise(h, w);
            let out = resize(&image, oh, ow).unwrap();
            for ((y, x, c), &value) in out.indexed_iter() {
                let want = by_definition(&image, oh, ow, y, x, c);
                prop_assert!((f64::from(value) - want).abs() < 1e-6, "{value} {want}");
            }
        }

        #[test]
        fn padding_is_undone_by_cropping(h in 1_usize..9, w in 1_usize..9, down in 0_usize..30, right in 0_usize..30) {
            let image = noise(h, w);
            let padded = pad_reflect(&image, h + down, w + right).unwrap();
            prop_assert_eq!(crop(&padded, 0, 0, h, w).unwrap(), image);
        }
    }

    #[test]
    fn thin_images_need_no_more_memory_than_themselves_and_the_result() {
        // In the wrong order each of these has 12.6 million million pixels on the way.
        let (tall, wide) = (noise(1 << 20, 1), noise(1, 1 << 20));
        let (small, back) = (resize(&tall, 2, 2).unwrap(), resize(&resize(&wide, 3, 2).unwrap(), 1, 1 << 20).unwrap());
        assert!(small.iter().all(|value| (value - 0.5).abs() < 0.01), "{small}");
        assert_eq!(back.dim(), wide.dim());
        assert_eq!(resize(&tall, 1, 1 << 20).unwrap().dim(), wide.dim());
        assert_eq!(resize(&wide, 1 << 20, 1).unwrap().dim(), tall.dim());
    }

    #[test]
    fn more_columns_than_are_in_memory_at_a_time_agree_with_the_definition() {
        let (image, width) = (noise(2, 3), 2 * TOGETHER + 5);
        let out = resize(&image, 2, width).unwrap();
        for x in [0, TOGETHER - 1, TOGETHER, 2 * TOGETHER, width - 1] {
            assert!((f64::from(out[[1, x, 2]]) - by_definition(&image, 2, width, 1, x, 2)).abs() < 1e-6, "{x}");
        }
    }

    fn row(values: &[f32]) -> Image {
        Image::from_shape_fn((1, values.len(), 3), |(_, column, _)| values[column])
    }

    #[test]
    fn enlarging_is_bilinear_and_halving_two_pixels_is_their_mean() {
        let image = row(&[0.0, 1.0]);
        assert_eq!(resize(&image, 1, 4).unwrap(), row(&[0.0, 0.25, 0.75, 1.0]));
        assert_eq!(resize(&image, 1, 1).unwrap(), row(&[0.5]));
        let same = noise(7, 5);
        assert_eq!(resize(&same, 7, 5).unwrap(), same);
    }

    #[test]
    fn reflection_does_not_repeat_the_edge() {
        let padded = pad_reflect(&row(&[1.0, 2.0, 3.0]), 2, 8).unwrap();
        let reds: Vec<f32> = padded.slice(s![.., .., 0]).iter().copied().collect();
        let once = [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0];
        assert_eq!(reds, [once, once].concat());
        assert_eq!(pad_reflect(&row(&[4.0]), 1, 5).unwrap(), row(&[4.0; 5]));
        assert_eq!(pad_reflect(&row(&[4.0, 5.0]), 1, 5).unwrap(), row(&[4.0, 5.0, 4.0, 5.0, 4.0]));
        assert!(pad_reflect(&row(&[4.0, 5.0]), 1, 1).is_err());
    }

    #[test]
    fn crops_stay_inside() {
        let image = noise(5, 6);
        let part = crop(&image, 1, 1, 2, 3).unwrap();
        assert_eq!(part, image.slice(s![1..3, 1..4, ..]));
        let error = crop(&image, 0, 0, 6, 6).unwrap_err().to_string();
        assert_eq!(error, "crop: 6x6 pixels from row 0, column 0 leave 5x6 pixels (height x width)");
        assert!(crop(&image, usize::MAX, 0, 2, 2).is_err());
        assert!(crop(&image, 0, 0, 0, 2).is_err() && resize(&image, 0, 4).is_err());
    }
}
