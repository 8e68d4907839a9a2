use std::f64::consts::TAU;

use ndarray::{Array1, Array2};

use super::{Manifold, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::shape::in_pixels;
use crate::theory::algebra::{from_columns, norm};
use crate::theory::robust_fit::AffineSpace;

/// Wavevectors (k_y, k_x) of [`Gratings::standard`]; valid on any grid of at least 8 x 8 pixels.
const STANDARD: [[i32; 2]; 8] = [[1, 2], [3, -1], [2, 3], [1, -3], [2, 0], [0, 1], [3, 2], [1, 1]];
/// Maximum number of pixels of an image.
const MAX_PIXELS: usize = 1 << 20;

/// Images `½ + Σ_j a cos(ω_j·p + θ_j)` on an H x W grid, `ω_j = 2π (k_y / H, k_x / W)`: d gratings with free phases θ.
///
/// The wavevectors are integers, differ up to sign and are neither 0 nor at the Nyquist frequency. So the waves `cos(ω_j·p)` and
/// `sin(ω_j·p)` are orthogonal, each of norm √(HW/2), and D is a product of d circles of radius R = a √(HW/2) in orthogonal
/// planes: a flat d-torus in R^{HW} with reach R. The nearest point keeps the direction of y in each plane and sets its length to
/// R. A point is the image, row by row. Values stay in [0, 1] for a ≤ 1/(2d).
#[derive(Clone, Debug)]
pub struct Gratings {
    size: [usize; 2],
    amplitude: f64,
    /// Unit vectors along `cos(ω_j·p)` and `-sin(ω_j·p)`, for j = 1 … d: `cos θ_j` and `sin θ_j` are their coefficients over R.
    planes: Vec<[Array1<f64>; 2]>,
}

impl Gratings {
    /// Gratings of `amplitude` with these wavevectors (k_y, k_x) on a grid of `height` x `width` pixels.
    ///
    /// # Errors
    /// No wavevector; one that is 0, at the Nyquist frequency, or equal to another up to sign and aliasing; 2d ≥ HW;
    /// an amplitude that is not above 0; a grid of more than 2²⁰ pixels.
    pub fn new(height: usize, width: usize, wavevectors: &[[i32; 2]], amplitude: f64) -> Result<Self> {
        check_image_size("gratings", height, width)?;
        if !(amplitude.is_finite() && amplitude > 0.0) {
            return Err(Error::argument(format!("gratings: the amplitude must be above 0, got {amplitude}")));
        }
        check_wavevectors([height, width], wavevectors)?;
        let planes = wavevectors.iter().map(|&wavevector| plane([height, width], wavevector)).collect();
        Ok(Self { size: [height, width], amplitude, planes })
    }

    /// `dimension` gratings with fixed coarse wavevectors on `side` x `side` pixels; values range from 0 to 1.
    ///
    /// # Errors
    /// A side below 8; a dimension that is not 1 to 8.
    pub fn standard(side: usize, dimension: usize) -> Result<Self> {
        Self::standard_of(side, dimension, 0.5 / dimension as f64)
    }

    /// [`Gratings::standard`] with another amplitude.
    ///
    /// # Errors
    /// As [`Gratings::standard`] and [`Gratings::new`].
    pub fn standard_of(side: usize, dimension: usize, amplitude: f64) -> Result<Self> {
        if side < 8 || !(1..=STANDARD.len()).contains(&dimension) {
            let wants = format!("at least 8 pixels a side and 1 to {} waves", STANDARD.len());
            return Err(Error::argument(format!("standard gratings: need {wants}, got side {side} and {dimension} waves")));
        }
        Self::new(side, side, &STANDARD[..dimension], amplitude)
    }

    /// The image with phases `θ` `[d]`; missing phases are 0.
    pub fn point(&self, phases: &Array1<f64>) -> Array1<f64> {
        let phases = phases.iter().copied().chain(std::iter::repeat(0.0));
        self.image(phases.map(|phase| [phase.cos(), phase.sin()]))
    }

    /// The image whose phases have these cosines and sines.
    fn image(&self, directions: impl IntoIterator<Item = [f64; 2]>) -> Array1<f64> {
        let grey = Array1::from_elem(self.ambient(), 0.5);
        self.planes
            .iter()
            .zip(directions)
            .fold(grey, |x, ([even, odd], [cosine, sine])| x + self.radius() * cosine * even + self.radius() * sine * odd)
    }

    /// The phases θ `[d]`, in (-π, π], of the image nearest to `y`.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    pub fn phases(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.directions(y)?.into_iter().map(|[cosine, sine]| sine.atan2(cosine)).collect())
    }

    /// The affine hull of D: the grey image ½ and the planes of all waves.
    ///
    /// # Errors
    /// None: the waves are orthonormal.
    pub fn hull(&self) -> Result<AffineSpace> {
        let waves: Vec<Array1<f64>> = self.planes.iter().flatten().cloned().collect();
        AffineSpace::new(Array1::from_elem(self.ambient(), 0.5), from_columns(self.ambient(), &waves))
    }

    /// R, the radius of each circle.
    pub fn radius(&self) -> f64 {
        self.amplitude * (0.5 * self.ambient() as f64).sqrt()
    }

    /// `(cos θ_j, sin θ_j)` of the nearest image.
    fn directions(&self, y: &Array1<f64>) -> Result<Vec<[f64; 2]>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let smallest = self.ambient() as f64 * f64::EPSILON * norm(y);
        let direction = |(j, plane): (usize, &[Array1<f64>; 2])| {
            let [cosine, sine] = [plane[0].dot(y), plane[1].dot(y)];
            let length = cosine.hypot(sine);
            match length > smallest {
                true => Ok([cosine / length, sine / length]),
                false => {
                    Err(Error::argument(format!("{}: wave {j} has no amplitude, so all phases are equally near", self.name())))
                }
            }
        };
        self.planes.iter().enumerate().map(direction).collect()
    }
}

impl Manifold for Gratings {
    fn name(&self) -> String {
        let [height, width] = self.size;
        format!("{} gratings of amplitude {} on {height}x{width}", self.planes.len(), self.amplitude)
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.planes.len(), self.size[0] * self.size[1]]
    }

    /// An error where a wave has no amplitude up to rounding: all phases are equally near.
    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.image(self.directions(y)?))
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let directions = self.directions(x)?;
        let tangents = self.planes.iter().zip(directions).map(|([even, odd], [cosine, sine])| cosine * odd - sine * even);
        let columns: Vec<_> = tangents.collect();
        Ok(from_columns(self.ambient(), &columns))
    }

    /// R: the reach of a product is the smallest reach of its factors.
    fn reach(&self) -> f64 {
        self.radius()
    }

    /// Independent uniform phases: the uniform distribution on the torus.
    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let phases: Array1<f64> = self.planes.iter().map(|_| TAU * stream.uniform_f64()).collect();
        self.point(&phases)
    }
}

/// Checks the size of an image.
pub(super) fn check_image_size(name: &str, height: usize, width: usize) -> Result<()> {
    match height.checked_mul(width) {
        Some(1..=MAX_PIXELS) => Ok(()),
        _ => Err(Error::argument(format!("{name}: an image has 1 to {MAX_PIXELS} pixels, got {}", in_pixels(height, width)))),
    }
}

/// Checks that the waves are orthogonal.
fn check_wavevectors(size: [usize; 2], wavevectors: &[[i32; 2]]) -> Result<()> {
    let n = size[0] * size[1];
    if wavevectors.is_empty() || 2 * wavevectors.len() >= n {
        let count = wavevectors.len();
        return Err(Error::argument(format!("gratings: {n} pixels allow 1 to {} waves, got {count}", n.div_ceil(2) - 1)));
    }
    let mut known: Vec<[i64; 2]> = Vec::new();
    for &wavevector in wavevectors {
        let [own, opposite] = [1, -1].map(|sign| reduced(size, wavevector, sign));
        if own == opposite {
            return Err(Error::argument(format!("gratings: wavevector {wavevector:?} is 0 or at the Nyquist frequency")));
        }
        if known.contains(&own) || known.contains(&opposite) {
            return Err(Error::argument(format!("gratings: wavevector {wavevector:?} occurs twice, up to sign and aliasing")));
        }
        known.push(own);
    }
    Ok(())
}

/// `sign (k_y mod H, k_x mod W)`: equal for waves that the grid cannot distinguish.
fn reduced(size: [usize; 2], wavevector: [i32; 2], sign: i64) -> [i64; 2] {
    std::array::from_fn(|axis| (sign * i64::from(wavevector[axis])).rem_euclid(size[axis] as i64))
}

/// `cos(ω·p)` and `-sin(ω·p)`, each of norm 1.
fn plane(size: [usize; 2], wavevector: [i32; 2]) -> [Array1<f64>; 2] {
    let [height, width] = size;
    let k = reduced(size, wavevector, 1);
    let scale = (2.0 / (height * width) as f64).sqrt();
    let wave = |index: usize| {
        // Whole turns are removed first, so that the phase is exact for images of any size.
        let turns = |k: i64, place: usize, side: usize| (k as usize * place % side) as f64 / side as f64;
        let phase = TAU * (turns(k[0], index / width, height) + turns(k[1], index % width, width));
        let (sine, cosine) = phase.sin_cos();
        [scale * cosine, -scale * sine]
    };
    let waves: Vec<[f64; 2]> = (0..height * width).map(wave).collect();
    [0, 1].map(|part| waves.iter().map(|wave| wave[part]).collect())
}
