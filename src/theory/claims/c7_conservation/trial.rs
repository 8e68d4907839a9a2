//! One corrupted point of a manifold.

use ndarray::{Array1, Axis};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, norm, square_norm, svd, symmetric_eigen};
use crate::theory::manifold::Manifold;
use crate::theory::statistics::larger;

/// Maximum length of corruptions that are compared with P_T, relative to the reach.
const MAX_LENGTH: f64 = 0.5;
/// Length of the step from x to the control, relative to ‖e‖.
const BEYOND: f64 = 0.2;

/// Extremes over trials.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// `(‖(z-x)_S̄‖² - ‖(x-x̂)_S‖² + ‖(z-x̂)_S‖²) / ‖e‖²`, for z = π(x̂) and for a point z of D beyond x.
    pub(super) excess: [f64; 2],
    /// `‖π(x+e)-x-P_T e‖ (τ-‖e‖)/‖e‖²` with the tangent space at x, and at another point.
    pub(super) remainder: [f64; 2],
    /// `‖π(x+e)-x‖ (τ-‖e‖)/(τ‖P_T e‖)` with the same tangent spaces.
    pub(super) tangential: [f64; 2],
    /// `‖P_T e‖ / (‖P_T P_S‖₂‖e‖)` for e on S, and for e everywhere.
    pub(super) bound: [f64; 2],
    /// `‖P_S̄ P_T P_S‖₂`.
    pub(super) crossing: f64,
}

impl Found {
    pub(super) const NONE: Self =
        Self { excess: [f64::NEG_INFINITY; 2], remainder: [0.0; 2], tangential: [0.0; 2], bound: [0.0; 2], crossing: 0.0 };

    pub(super) fn with(self, other: &Self) -> Self {
        let largest = |a: [f64; 2], b: [f64; 2]| [larger(a[0], b[0]), larger(a[1], b[1])];
        Self {
            excess: largest(self.excess, other.excess),
            remainder: largest(self.remainder, other.remainder),
            tangential: largest(self.tangential, other.tangential),
            bound: largest(self.bound, other.bound),
            crossing: larger(self.crossing, other.crossing),
        }
    }
}

/// A point of D, a set of coordinates and a corruption on it.
pub(super) struct Trial<'a> {
    manifold: &'a dyn Manifold,
    x: Array1<f64>,
    /// 1 on S, 0 outside; neither part is empty.
    on: Array1<f64>,
    e: Array1<f64>,
}

impl<'a> Trial<'a> {
    pub(super) fn sample(manifold: &'a dyn Manifold, stream: &mut Stream) -> Result<Self> {
        let (n, x) = (manifold.ambient(), manifold.sample(stream));
        let size = 1 + stream.below(n as u32 - 1) as usize;
        let start = stream.below(n as u32) as usize;
        // Consecutive coordinates from anywhere: rows of an image, or any part of a short vector.
        let on = Array1::from_shape_fn(n, |index| f64::from(u8::from((index + n - start) % n < size)));
        let e = match stream.below(3) {
            0 => manifold.sample(stream) - &x,
            _ => {
                let scale = 10.0_f64.powf(2.0 * stream.uniform_f64() - 1.5);
                scale * gaussian_vector(stream, n)
            }
        };
        Ok(Self { manifold, x, e: e * &on, on })
    }

    pub(super) fn measure(&self, stream: &mut Stream) -> Result<Found> {
        let corrupted = &self.x + &self.e;
        let nearest = self.manifold.project_point(&corrupted)?;
        let beyond = self.beyond(stream)?;
        let ([bound, crossing], everywhere) = self.bounds(stream)?;
        let [at_x, elsewhere] = self.first_order(stream)?;
        Ok(Found {
            excess: [self.excess(&corrupted, &nearest), self.excess(&corrupted, &beyond)],
            remainder: [at_x[0], elsewhere[0]],
            tangential: [at_x[1], elsewhere[1]],
            bound: [bound, everywhere],
            crossing,
        })
    }

    fn excess(&self, corrupted: &Array1<f64>, z: &Array1<f64>) -> f64 {
        let off = &(z - &self.x) * &(1.0 - &self.on);
        let (before, after) = (&(&self.x - corrupted) * &self.on, &(z - corrupted) * &self.on);
        let square = square_norm(&self.e);
        if square > 1e-8 { (square_norm(&off) - square_norm(&before) + square_norm(&after)) / square } else { f64::NEG_INFINITY }
    }

    /// A point of D near x, on the side away from x̂.
    fn beyond(&self, stream: &mut Stream) -> Result<Array1<f64>> {
        let basis = self.manifold.tangent_basis(&self.x)?;
        let step = basis.dot(&gaussian_vector(stream, basis.ncols()));
        let length = BEYOND * norm(&self.e).min(self.manifold.local_reach(&self.x)?) / norm(&step);
        self.manifold.project_point(&(&self.x - length.copysign(step.dot(&self.e)) * &step))
    }

    /// The remainder and the tangential bound for the same corruption, made shorter than the reach: with T at x, and at another
    /// point.
    fn first_order(&self, stream: &mut Stream) -> Result<[[f64; 2]; 2]> {
        let reach = self.manifold.reach();
        let length = norm(&self.e);
        if !(reach > 0.0 && reach.is_finite() && length > 0.0) {
            return Ok([[0.0; 2]; 2]);
        }
        let short = MAX_LENGTH * reach * (0.1 + 0.9 * stream.uniform_f64());
        let e = &self.e * short / length;
        let change = self.manifold.project_point(&(&self.x + &e))? - &self.x;
        let other = self.manifold.sample(stream);
        let at = |x: &Array1<f64>| {
            let along = self.manifold.project_tangent(x, &e)?;
            let remainder = norm(&(&change - &along)) * (reach - short) / (short * short);
            // If e has almost no tangential part, only rounding of π is left.
            let tangential =
                if norm(&along) > 1e-4 * short { norm(&change) * (reach - short) / (reach * norm(&along)) } else { 0.0 };
            Ok([remainder, tangential])
        };
        Ok([at(&self.x)?, at(&other)?])
    }

    /// The ratio of `‖P_T e‖` to its bound and `‖P_S̄ P_T P_S‖₂`; the same ratio for an e that is not 0 off S.
    fn bounds(&self, stream: &mut Stream) -> Result<([f64; 2], f64)> {
        let basis = self.manifold.tangent_basis(&self.x)?;
        let part = |keep: f64| {
            let kept = self.on.map(|&on| f64::from(u8::from(on == keep)));
            &basis * &kept.insert_axis(Axis(1))
        };
        let (inside, outside) = (part(1.0), part(0.0));
        let largest = svd(&inside).values[0];
        let ratio = |e: &Array1<f64>| {
            let bound = largest * norm(e);
            // There is nothing to compare if T has no component on S.
            if bound > 1e-9 * norm(e) { norm(&basis.t().dot(e)) / bound } else { 0.0 }
        };
        // ‖B_S̄ B_Sᵀ‖₂² is the largest eigenvalue of a d x d product.
        let product = inside.t().dot(&inside);
        let root = symmetric_eigen(&product)?.map(|value| value.max(0.0).sqrt());
        let crossing = svd(&outside.dot(&root)).values[0];
        let everywhere = basis.dot(&gaussian_vector(stream, basis.ncols()));
        Ok(([ratio(&self.e), crossing], ratio(&everywhere)))
    }
}
