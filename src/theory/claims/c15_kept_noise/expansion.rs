//! The two objectives of a smooth map in the plane, with expectations over the noise by quadrature.

use ndarray::{Array1, Array2, Axis};

use crate::error::Result;
use crate::theory::algebra::{gaussian_matrix, gaussian_vector, square_norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::statistics::{log_log_slope, root_mean_square};

use super::constants::NUMBER;

const N: usize = 2;
/// Hidden values of the map.
const HIDDEN: usize = 5;
/// Pairs (x, x̂), equally likely.
const PAIRS: usize = 6;
/// σ of the exact identity, and those of the expansion.
const SIGMA: f64 = 0.5;
const SIGMAS: [f64; 4] = [0.04, 0.02, 0.01, 0.005];
/// Maps over which the remainder is averaged: the coefficient of a single one may be small.
const MAPS: u32 = 8;
/// Step and number of nodes of the trapezoidal rule on either side of 0: it converges exponentially for analytic functions times
/// a Gaussian density.
const STEP: f64 = 0.2;
const NODES: i32 = 45;

const QUADRATURE: (f64, &str) = (1e-12, "the quadrature is exact up to rounding");
const SLOPE: (f64, &str) = (0.1, "the term of order σ⁶");

pub(super) fn checks(setting: &Setting) -> Result<Vec<Check>> {
    let worlds: Vec<World> = (0..MAPS).map(|index| World::sample(setting, index)).collect();
    let first = &worlds[0];
    let (kept, input_only, trace) = (first.kept(SIGMA), first.input_only(SIGMA), first.trace(SIGMA));
    let identity = |weight: f64| kept - input_only + SIGMA * SIGMA * (weight * trace - N as f64);
    let exact: Vec<Vec<f64>> = SIGMAS.map(|sigma| worlds.iter().map(|world| world.kept(sigma)).collect()).to_vec();
    // The remainder, root mean square over the maps.
    let slope = |share: f64| -> Result<f64> {
        let remainder = |(&sigma, exact): (&f64, &Vec<f64>)| {
            let off = worlds.iter().zip(exact).map(|(world, exact)| exact - world.expansion(sigma, share));
            (sigma, root_mean_square(off))
        };
        log_log_slope(&SIGMAS.iter().zip(&exact).map(remainder).collect::<Vec<_>>())
    };
    Ok(vec![
        Check::equal("E‖f-(x+σξ)‖² - (E‖f-x‖² - 2σ²E tr J_f + nσ²), smooth map", 0.0, identity(2.0), QUADRATURE.0, QUADRATURE.1)
            .control("σ² in place of 2σ²", identity(1.0))
            .notices("the weight 2 - ε in place of 2", |size| Ok(identity(2.0 - size)))?,
        Check::equal("slope of the remainder of the expansion in σ, smooth maps", 4.0, slope(1.0)?, SLOPE.0, SLOPE.1)
            .control("without the term of Δf", slope(0.0)?)
            .notices("the share ε of the term of Δf is missing", |size| slope(1.0 - size))?,
    ])
}

/// `f(y) = A tanh(By + b)` with pairs (x, x̂).
struct World {
    outer: Array2<f64>,
    inner: Array2<f64>,
    offset: Array1<f64>,
    pairs: Vec<[Array1<f64>; 2]>,
}

impl World {
    fn sample(setting: &Setting, index: u32) -> Self {
        let mut stream = setting.stream(NUMBER, 20 + index);
        let (outer, inner) = (0.5 * gaussian_matrix(&mut stream, N, HIDDEN), 0.7 * gaussian_matrix(&mut stream, HIDDEN, N));
        let offset = 0.3 * gaussian_vector(&mut stream, HIDDEN);
        let pair = |_| {
            let x = gaussian_vector(&mut stream, N);
            [x.clone(), x + 0.5 * gaussian_vector(&mut stream, N)]
        };
        Self { outer, inner, offset, pairs: (0..PAIRS).map(pair).collect() }
    }

    fn hidden(&self, y: &Array1<f64>) -> Array1<f64> {
        (self.inner.dot(y) + &self.offset).mapv(f64::tanh)
    }

    fn value(&self, y: &Array1<f64>) -> Array1<f64> {
        self.outer.dot(&self.hidden(y))
    }

    fn jacobian(&self, y: &Array1<f64>) -> Array2<f64> {
        let slopes = self.hidden(y).mapv(|h| 1.0 - h * h);
        self.outer.dot(&(&self.inner * &slopes.insert_axis(Axis(1))))
    }

    fn laplacian(&self, y: &Array1<f64>) -> Array1<f64> {
        let squares: Array1<f64> = self.inner.rows().into_iter().map(|row| square_norm(&row)).collect();
        self.outer.dot(&(self.hidden(y).mapv(|h| -2.0 * h * (1.0 - h * h)) * squares))
    }

    /// The mean of `term(x, x̂ + σξ, σξ)` over pairs and noise.
    fn mean(&self, sigma: f64, term: impl Fn(&Array1<f64>, &Array1<f64>, &Array1<f64>) -> f64) -> f64 {
        let density = |k: i32| STEP * (-0.5 * (STEP * f64::from(k)).powi(2)).exp() / std::f64::consts::TAU.sqrt();
        let mut sum = 0.0;
        for (i, j) in (-NODES..=NODES).flat_map(|i| (-NODES..=NODES).map(move |j| (i, j))) {
            let noise = sigma * STEP * Array1::from(vec![f64::from(i), f64::from(j)]);
            let terms = self.pairs.iter().map(|[x, corrupted]| term(x, &(corrupted + &noise), &noise));
            sum += density(i) * density(j) * terms.sum::<f64>();
        }
        sum / PAIRS as f64
    }

    fn kept(&self, sigma: f64) -> f64 {
        self.mean(sigma, |x, y, noise| square_norm(&(self.value(y) - x - noise)))
    }

    fn input_only(&self, sigma: f64) -> f64 {
        self.mean(sigma, |x, y, _| square_norm(&(self.value(y) - x)))
    }

    fn trace(&self, sigma: f64) -> f64 {
        self.mean(sigma, |_, y, _| self.jacobian(y).diag().sum())
    }

    /// The expansion up to σ² with this share of its last term.
    fn expansion(&self, sigma: f64, share: f64) -> f64 {
        let term = |[x, y]: &[Array1<f64>; 2]| {
            let residual = self.value(y) - x;
            let anchor = square_norm(&(self.jacobian(y) - Array2::<f64>::eye(N)));
            square_norm(&residual) + sigma * sigma * (anchor + share * residual.dot(&self.laplacian(y)))
        };
        self.pairs.iter().map(term).sum::<f64>() / PAIRS as f64
    }
}
