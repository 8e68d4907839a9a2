//! Similarity of two images, composed of operations of the tape, so that every derivative and every backend comes with it.

use super::{Backend, Filter};
use crate::error::{Error, Result};
use crate::tape::{Tape, Var};

/// Constants of SSIM for values in [0, 1]: (K₁ L)² and (K₂ L)² with K₁ = 0.01, K₂ = 0.03 and L = 1 (Wang et al. 2004).
pub(crate) const SSIM: [f64; 2] = [1e-4, 9e-4];

/// Keeps the gradient magnitude similarity at 1 where both images are flat (Zavrtanik et al. 2021).
pub(crate) const GRADIENT: f64 = 0.0026;

/// Added to the square of a gradient, so that the derivative of its magnitude exists where an image is flat. Magnitudes below
/// 0.001 (a quarter of a grey level) look alike, which [`GRADIENT`] makes them anyway.
pub(crate) const FLAT: f64 = 1e-6;

/// Images with a shorter side below this are not halved again.
pub(crate) const SMALLEST: usize = 4;

impl<B: Backend> Tape<B> {
    /// Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004) of a and b `[N, H, W, C]` at every pixel, per channel; the
    /// same shape, values in [-1, 1], 1 where the windows are equal:
    ///
    /// `(2 μ_a μ_b + C₁)(2 σ_ab + C₂) / ((μ_a² + μ_b² + C₁)(σ_a² + σ_b² + C₂))`
    ///
    /// with local moments over a Gaussian window of `window x window` pixels. Its standard deviation is that of the paper, 1.5
    /// for 11 pixels, scaled with the window. Near the border only the pixels inside the image count.
    ///
    /// # Errors
    /// Shapes differ or have another rank than 4; a window that is even, below 3 or above 31.
    pub fn ssim(&mut self, a: Var, b: Var, window: usize) -> Result<Var> {
        if window < 3 {
            return Err(Error::shape("ssim", format!("window must be odd, from 3 to 31, got {window}")));
        }
        let sigma = ssim_sigma(window);
        let [mean_a, mean_b] = [self.windowed_mean(a, None, window, sigma)?, self.windowed_mean(b, None, window, sigma)?];
        let mixed = self.windowed_mean(a, Some(b), window, sigma)?;
        let [square_a, square_b] = [self.mul(a, a)?, self.mul(b, b)?];
        let squares = self.add(square_a, square_b)?;
        // E[a²] + E[b²] with one mean.
        let moment = self.windowed_mean(squares, None, window, sigma)?;
        let product = self.mul(mean_a, mean_b)?;
        let [square_a, square_b] = [self.mul(mean_a, mean_a)?, self.mul(mean_b, mean_b)?];
        let of_means = self.add(square_a, square_b)?;
        let (covariance, variances) = (self.sub(mixed, product)?, self.sub(moment, of_means)?);
        let [luminance, structure] = [self.affine(product, 2.0, SSIM[0])?, self.affine(covariance, 2.0, SSIM[1])?];
        let [of_means, of_variances] = [self.affine(of_means, 1.0, SSIM[0])?, self.affine(variances, 1.0, SSIM[1])?];
        let (above, below) = (self.mul(luminance, structure)?, self.mul(of_means, of_variances)?);
        self.div(above, below)
    }

    /// 1 - the mean of [`Tape::ssim`] over pixels, channels and images: a scalar in [0, 2].
    ///
    /// # Errors
    /// As [`Tape::ssim`].
    pub fn ssim_loss(&mut self, a: Var, b: Var, window: usize) -> Result<Var> {
        let map = self.ssim(a, b, window)?;
        let mean = self.mean(map)?;
        self.affine(mean, -1.0, 1.0)
    }

    /// Gradient magnitude similarity (Xue, Zhang, Mou, Bovik 2014) of two grey images `[N, H, W, 1]`, the same shape, values in
    /// (0, 1]: `(2 g_a g_b + c) / (g_a² + g_b² + c)` with `g = √(|∇|² + 10⁻⁶)`, the gradient by Prewitt's filters, and c =
    /// 0.0026.
    ///
    /// # Errors
    /// Shapes differ or have another rank than 4.
    pub fn gradient_similarity(&mut self, a: Var, b: Var) -> Result<Var> {
        let [square_a, square_b] = [self.squared_gradient(a)?, self.squared_gradient(b)?];
        let [magnitude_a, magnitude_b] = [self.sqrt(square_a)?, self.sqrt(square_b)?];
        let (product, sum) = (self.mul(magnitude_a, magnitude_b)?, self.add(square_a, square_b)?);
        let (above, below) = (self.affine(product, 2.0, GRADIENT)?, self.affine(sum, 1.0, GRADIENT)?);
        self.div(above, below)
    }

    fn squared_gradient(&mut self, grey: Var) -> Result<Var> {
        let gradient = self.stencil(grey, Filter::Prewitt)?;
        let squares = self.mul(gradient, gradient)?;
        let sum = self.stencil(squares, Filter::ChannelSum)?;
        self.affine(sum, 1.0, FLAT)
    }

    /// 1 - multi-scale gradient magnitude similarity (Zavrtanik, Kristan, Skočaj, *Reconstruction by inpainting*, 2021) of a and
    /// b `[N, H, W, C]`: the mean over scales of 1 - the mean of [`Tape::gradient_similarity`] of the grey images; a scalar in
    /// [0, 1). Each scale halves the one before; images with a side below 4 pixels are not halved again.
    ///
    /// # Errors
    /// Shapes differ or have another rank than 4; no scale.
    pub fn gradient_loss(&mut self, a: Var, b: Var, scales: u32) -> Result<Var> {
        let [mut a, mut b] = [self.stencil(a, Filter::Grey)?, self.stencil(b, Filter::Grey)?];
        let mut means = Vec::new();
        for _ in 0..scales {
            let map = self.gradient_similarity(a, b)?;
            means.push(self.mean(map)?);
            let Some(halved) = self.halved(a, b)? else { break };
            [a, b] = halved;
        }
        let count = means.len() as f64;
        let sum = self.sum_terms(means.into_iter().map(Some))?;
        let sum = sum.ok_or_else(|| Error::shape("gradient_loss", "needs at least one scale"))?;
        self.affine(sum, -1.0 / count, 1.0)
    }

    /// Both grey images `[N, H, W, 1]` at half the size; none if a side is below 4 pixels.
    pub(crate) fn halved(&mut self, a: Var, b: Var) -> Result<Option<[Var; 2]>> {
        let [_, h, w, _] = self.shape(a).nhwc("halved")?;
        if h.min(w) < SMALLEST {
            return Ok(None);
        }
        Ok(Some([self.stencil(a, Filter::Halve)?, self.stencil(b, Filter::Halve)?]))
    }
}

/// Standard deviation of a Gaussian window of SSIM, in pixels.
pub(crate) fn ssim_sigma(window: usize) -> f64 {
    1.5 * window as f64 / 11.0
}

/// Checks the window of SSIM, the value of `key`.
///
/// # Errors
/// A window that is even, below 3 or above 31.
pub(crate) fn check_ssim_window(key: &str, window: usize) -> Result<()> {
    if window % 2 == 1 && (3..=31).contains(&window) {
        return Ok(());
    }
    Err(Error::config(key, format!("must be odd, 3 to 31, got {window}")))
}

/// Checks a number of scales, the value of `key`.
///
/// # Errors
/// None, or more than 8.
pub(crate) fn check_scales(key: &str, scales: u32) -> Result<()> {
    if (1..=8).contains(&scales) { Ok(()) } else { Err(Error::config(key, format!("must be 1 to 8, got {scales}"))) }
}
