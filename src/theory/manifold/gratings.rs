use std::f64::consts::TAU;

use super::{Manifold, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, dot, norm};

/// Wavevectors (k_y, k_x) of [`Gratings::standard`], coarse ones first; they fit any grid of at least 8 x 8 pixels.
const STANDARD: [[i32; 2]; 8] = [[1, 2], [3, -1], [2, 3], [1, -3], [2, 0], [0, 1], [3, 2], [1, 1]];
/// Largest number of pixels of a picture.
const MOST_PIXELS: usize = 1 << 20;

/// Pictures `½ + Σ_j a cos(ω_j·p + θ_j)` on an H x W grid, `ω_j = 2π (k_y / H, k_x / W)`: d gratings whose phases θ are free.
///
/// The waves `cos(ω_j·p)`, `sin(ω_j·p)` are orthogonal, each of norm √(HW/2), because the wavevectors are whole numbers, differ
/// (up to sign) and are neither 0 nor on the Nyquist frequency. So D is a product of d circles of radius R = a √(HW/2) in
/// orthogonal planes, a flat d-torus in R^{HW}, of reach R. The nearest point keeps the direction of y in each plane and
/// sets its length to R. A point is the picture row by row. Values stay in [0, 1] for a ≤ 1/(2d).
#[derive(Clone, Debug)]
pub struct Gratings {
    extent: [usize; 2],
    amplitude: f64,
    /// Unit vectors along `cos(ω_j·p)` and `-sin(ω_j·p)`, for j = 1 … d: `cos θ_j` and `sin θ_j` are their coefficients over R.
    planes: Vec<[Vec<f64>; 2]>,
}

impl Gratings {
    /// Gratings of `amplitude` with these wavevectors (k_y, k_x) on a grid of `height` x `width` pixels.
    ///
    /// # Errors
    /// No wavevector; one that is 0, on the Nyquist frequency, or the same as another up to sign and whole turns; 2d ≥ HW;
    /// an amplitude that is not above 0; a grid of more than 2²⁰ pixels.
    pub fn new(height: usize, width: usize, wavevectors: &[[i32; 2]], amplitude: f64) -> Result<Self> {
        check_picture("gratings", height, width)?;
        if !(amplitude.is_finite() && amplitude > 0.0) {
            return Err(Error::argument(format!("gratings: the amplitude must be above 0, got {amplitude}")));
        }
        check_wavevectors([height, width], wavevectors)?;
        let planes = wavevectors.iter().map(|&wavevector| plane([height, width], wavevector)).collect();
        Ok(Self { extent: [height, width], amplitude, planes })
    }

    /// `dimension` gratings with fixed coarse wavevectors on `side` x `side` pixels; values reach from 0 to 1.
    ///
    /// # Errors
    /// A side below 8; a dimension that is not 1 to 8.
    pub fn standard(side: usize, dimension: usize) -> Result<Self> {
        if side < 8 || !(1..=STANDARD.len()).contains(&dimension) {
            let wants = format!("at least 8 pixels a side and 1 to {} waves", STANDARD.len());
            return Err(Error::argument(format!("standard gratings: need {wants}, got side {side} and {dimension} waves")));
        }
        Self::new(side, side, &STANDARD[..dimension], 0.5 / dimension as f64)
    }

    /// The picture with phases `θ` `[d]`; missing ones are 0.
    pub fn point(&self, phases: &[f64]) -> Vec<f64> {
        let phases = phases.iter().copied().chain(std::iter::repeat(0.0));
        self.planes.iter().zip(phases).fold(self.middle(), |x, ([even, odd], phase)| {
            let (sine, cosine) = phase.sin_cos();
            add_scaled(&add_scaled(&x, self.radius() * cosine, even), self.radius() * sine, odd)
        })
    }

    /// The phases θ `[d]`, in (-π, π], of the picture nearest to `y`.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    pub fn phases(&self, y: &[f64]) -> Result<Vec<f64>> {
        Ok(self.directions(y)?.into_iter().map(|[cosine, sine]| sine.atan2(cosine)).collect())
    }

    /// R, the radius of each circle.
    pub fn radius(&self) -> f64 {
        self.amplitude * (0.5 * self.ambient() as f64).sqrt()
    }

    /// The grey picture ½.
    fn middle(&self) -> Vec<f64> {
        vec![0.5; self.ambient()]
    }

    /// `(cos θ_j, sin θ_j)` of the nearest picture.
    fn directions(&self, y: &[f64]) -> Result<Vec<[f64; 2]>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let smallest = self.ambient() as f64 * f64::EPSILON * norm(y);
        let direction = |(j, plane): (usize, &[Vec<f64>; 2])| {
            let [cosine, sine] = [dot(&plane[0], y), dot(&plane[1], y)];
            let length = cosine.hypot(sine);
            match length > smallest {
                true => Ok([cosine / length, sine / length]),
                false => {
                    Err(Error::argument(format!("{}: wave {j} has no amplitude, so every phase is equally near", self.name())))
                }
            }
        };
        self.planes.iter().enumerate().map(direction).collect()
    }
}

impl Manifold for Gratings {
    fn name(&self) -> String {
        let [height, width] = self.extent;
        format!("{} gratings of amplitude {} on {height}x{width}", self.planes.len(), self.amplitude)
    }

    fn ambient(&self) -> usize {
        self.extent[0] * self.extent[1]
    }

    fn dimension(&self) -> usize {
        self.planes.len()
    }

    /// Not unique, hence an error, where a wave has no amplitude (but for rounding).
    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        let directions = self.directions(y)?;
        let add = |x: Vec<f64>, ([even, odd], [cosine, sine]): (&[Vec<f64>; 2], &[f64; 2])| {
            add_scaled(&add_scaled(&x, self.radius() * cosine, even), self.radius() * sine, odd)
        };
        Ok(self.planes.iter().zip(&directions).fold(self.middle(), add))
    }

    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        let directions = self.directions(x)?;
        let tangent = |([even, odd], [cosine, sine]): (&[Vec<f64>; 2], &[f64; 2])| {
            even.iter().zip(odd).map(|(even, odd)| cosine * odd - sine * even).collect::<Vec<f64>>()
        };
        let columns: Vec<_> = self.planes.iter().zip(&directions).map(tangent).collect();
        Ok(Matrix::from_columns(self.ambient(), &columns))
    }

    /// R: a product has the least reach of its factors.
    fn reach(&self) -> f64 {
        self.radius()
    }

    /// Phases uniform and independent: the uniform law on the torus.
    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        let phases: Vec<f64> = self.planes.iter().map(|_| TAU * stream.uniform_f64()).collect();
        self.point(&phases)
    }
}

/// Checks the extents of a picture.
pub(super) fn check_picture(name: &str, height: usize, width: usize) -> Result<()> {
    match height.checked_mul(width) {
        Some(1..=MOST_PIXELS) => Ok(()),
        _ => Err(Error::argument(format!("{name}: a picture has 1 to {MOST_PIXELS} pixels, got {height}x{width}"))),
    }
}

/// Checks that the waves are orthogonal.
fn check_wavevectors(extent: [usize; 2], wavevectors: &[[i32; 2]]) -> Result<()> {
    let n = extent[0] * extent[1];
    if wavevectors.is_empty() || 2 * wavevectors.len() >= n {
        let count = wavevectors.len();
        return Err(Error::argument(format!("gratings: {n} pixels hold 1 to {} waves, got {count}", n.div_ceil(2) - 1)));
    }
    let mut known: Vec<[i64; 2]> = Vec::new();
    for &wavevector in wavevectors {
        let [own, opposite] = [1, -1].map(|sign| reduced(extent, wavevector, sign));
        if own == opposite {
            return Err(Error::argument(format!("gratings: wavevector {wavevector:?} is 0 or on the Nyquist frequency")));
        }
        if known.contains(&own) || known.contains(&opposite) {
            return Err(Error::argument(format!(
                "gratings: wavevector {wavevector:?} is there twice, up to sign and whole turns"
            )));
        }
        known.push(own);
    }
    Ok(())
}

/// `sign (k_y mod H, k_x mod W)`: the same for waves that the grid cannot tell apart.
fn reduced(extent: [usize; 2], wavevector: [i32; 2], sign: i64) -> [i64; 2] {
    std::array::from_fn(|axis| (sign * i64::from(wavevector[axis])).rem_euclid(extent[axis] as i64))
}

/// `cos(ω·p)` and `-sin(ω·p)`, each of norm 1.
fn plane(extent: [usize; 2], wavevector: [i32; 2]) -> [Vec<f64>; 2] {
    let [height, width] = extent;
    let k = reduced(extent, wavevector, 1);
    let scale = (2.0 / (height * width) as f64).sqrt();
    let wave = |index: usize| {
        // Whole turns are taken off first, so that the phase is exact however large the picture.
        let turns = |k: i64, place: usize, side: usize| (k as usize * place % side) as f64 / side as f64;
        let phase = TAU * (turns(k[0], index / width, height) + turns(k[1], index % width, width));
        let (sine, cosine) = phase.sin_cos();
        [scale * cosine, -scale * sine]
    };
    let waves: Vec<[f64; 2]> = (0..height * width).map(wave).collect();
    [0, 1].map(|part| waves.iter().map(|wave| wave[part]).collect())
}

#[cfg(test)]
mod tests {
    use super::super::image_laws::{self, Near};
    use super::super::{GreyOnRgb, Manifold};
    use super::*;
    use crate::rng::Purpose;
    use proptest::prelude::*;

    fn some(height: usize, width: usize, dimension: usize, amplitude: f64) -> Gratings {
        Gratings::new(height, width, &STANDARD[..dimension], amplitude).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn laws(height in 7usize..13, width in 7usize..13, d in 1usize..6, amplitude in 0.05f64..2.0, seed in any::<u64>()) {
            let gratings = some(height, width, d, amplitude);
            image_laws::hold(&gratings, seed, &Near { samples: 400, step: 1e-5, jacobian: 1e-7 })?;
        }
    }

    #[test]
    fn laws_hold_on_three_channels_and_among_many_points() {
        let colour = GreyOnRgb::new(some(7, 9, 2, 0.25));
        image_laws::hold(&colour, 3, &Near { samples: 10_000, step: 1e-5, jacobian: 1e-7 }).unwrap();
        image_laws::hold(&some(9, 8, 3, 0.1), 4, &Near { samples: 10_000, step: 1e-5, jacobian: 1e-7 }).unwrap();
        let error = colour.project_point(&[0.5; 189]).unwrap_err().to_string();
        assert!(error.contains("wave 0 has no amplitude"), "{error}");
    }

    #[test]
    fn a_picture_is_the_sum_of_its_cosines_and_phases_come_back() {
        let gratings = some(9, 12, 2, 0.2);
        let phases = [0.7, -2.5];
        let want = |index: usize| {
            let (row, column) = ((index / 12) as f64, (index % 12) as f64);
            let wave = |[ky, kx]: [i32; 2], phase: f64| {
                (TAU * (f64::from(ky) * row / 9.0 + f64::from(kx) * column / 12.0) + phase).cos()
            };
            0.5 + 0.2 * (wave(STANDARD[0], phases[0]) + wave(STANDARD[1], phases[1]))
        };
        let x = gratings.point(&phases);
        assert!((0..108).all(|index| (x[index] - want(index)).abs() < 1e-13));
        let found = gratings.phases(&x).unwrap();
        assert!(found.iter().zip(phases).all(|(a, b)| (a - b).abs() < 1e-13), "{found:?}");
        assert!((gratings.reach() - 0.2 * 54f64.sqrt()).abs() < 1e-13);
    }

    #[test]
    fn standard_pictures_have_values_of_pixels() {
        for d in 1..=8 {
            let gratings = Gratings::standard(16, d).unwrap();
            let x = gratings.sample(&mut Stream::new(d as u64, Purpose::Test, 0, 0));
            assert!(x.iter().all(|value| (-1e-12..=1.0 + 1e-12).contains(value)));
        }
    }

    #[test]
    fn impossible_gratings_are_named() {
        let error = |height, width, waves: &[[i32; 2]], amplitude| {
            Gratings::new(height, width, waves, amplitude).unwrap_err().to_string()
        };
        assert!(error(8, 8, &[[0, 8]], 0.1).contains("[0, 8] is 0"));
        assert!(error(8, 8, &[[4, 4]], 0.1).contains("Nyquist"));
        assert!(
            error(8, 8, &[[1, 2], [-1, 6]], 0.1).contains("twice") && error(8, 8, &[[1, 2], [-9, -2]], 0.1).contains("twice")
        );
        assert!(error(8, 8, &[], 0.1).contains("1 to 31") && error(1, 3, &[[0, 1], [0, 2]], 0.1).contains("1 to 1"));
        assert!(error(8, 8, &[[0, 1]], f64::NAN).contains("NaN") && error(8, 8, &[[0, 1]], 0.0).contains("above 0"));
        assert!(error(0, 8, &[[0, 1]], 0.1).contains("0x8") && error(usize::MAX, 8, &[[0, 1]], 0.1).contains("pixels"));
        assert!(Gratings::standard(7, 2).is_err() && Gratings::standard(8, 0).is_err() && Gratings::standard(8, 9).is_err());
        assert!(Gratings::new(8, 8, &[[0, 3], [0, 4]], 0.1).is_err(), "Nyquist along one axis");
    }

    #[test]
    fn bad_points_are_named() {
        let gratings = Gratings::standard(8, 2).unwrap();
        assert!(gratings.project_point(&[0.0; 3]).unwrap_err().to_string().contains("64 values, got 3"));
        assert!(gratings.tangent_basis(&[f64::NAN; 64]).is_err() && gratings.phases(&[0.5; 64]).is_err());
    }
}
