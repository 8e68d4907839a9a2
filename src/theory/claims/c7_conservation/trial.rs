//! One corrupted point of a manifold.

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, dot, norm, sub, svd, symmetric_eigen};
use crate::theory::manifold::Manifold;
use crate::theory::statistics::larger;

use super::super::rivals;

/// Largest part of the reach of corruptions that are compared with P_T.
const PART: f64 = 0.5;
/// Size of the tilt of rivals of π: their normal direction turns by its arc tangent.
const TILT: f64 = 0.5;

/// Extremes over trials.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// `(‖(z-x̂)_S̄‖² - ‖(x-x̂)_S‖² + ‖(z-x̂)_S‖²) / ‖e‖²`, for π and for a rival.
    pub(super) excess: [f64; 2],
    /// Least `‖g(y)-y‖/‖π(y)-y‖` over rivals, and for the half-way map.
    pub(super) least: [f64; 2],
    /// Largest `‖g(g(y)) - g(y)‖ / (1+‖y‖)` of the same.
    pub(super) repeated: [f64; 2],
    /// `‖π(x+e)-x-P_T e‖ (τ-‖e‖)/‖e‖²` with the tangent space at x, and at another point.
    pub(super) remainder: [f64; 2],
    /// `‖π(x+e)-x‖ (τ-‖e‖)/(τ‖P_T e‖)` of the same.
    pub(super) tangential: [f64; 2],
    /// `‖P_T e‖ / (‖P_T P_S‖₂‖e‖)` for e on S, and for e everywhere.
    pub(super) bound: [f64; 2],
    /// `‖P_S̄ P_T P_S‖₂`.
    pub(super) crossing: f64,
}

impl Found {
    pub(super) const NONE: Self = Self {
        excess: [f64::NEG_INFINITY; 2],
        least: [f64::INFINITY; 2],
        repeated: [0.0; 2],
        remainder: [0.0; 2],
        tangential: [0.0; 2],
        bound: [0.0; 2],
        crossing: 0.0,
    };

    pub(super) fn with(self, other: &Self) -> Self {
        let largest = |a: [f64; 2], b: [f64; 2]| [larger(a[0], b[0]), larger(a[1], b[1])];
        let negative = |a: [f64; 2]| a.map(|value| -value);
        Self {
            excess: largest(self.excess, other.excess),
            least: negative(largest(negative(self.least), negative(other.least))),
            repeated: largest(self.repeated, other.repeated),
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
    x: Vec<f64>,
    /// 1 on S, 0 off it; neither is empty.
    on: Vec<f64>,
    e: Vec<f64>,
}

impl<'a> Trial<'a> {
    pub(super) fn sample(manifold: &'a dyn Manifold, stream: &mut Stream) -> Result<Self> {
        let (n, x) = (manifold.ambient(), manifold.sample(stream));
        let size = 1 + stream.below(n as u32 - 1) as usize;
        let start = stream.below(n as u32) as usize;
        // A run of coordinates that begins anywhere: rows of a picture, or any part of a short vector.
        let on: Vec<f64> = (0..n).map(|index| f64::from(u8::from((index + n - start) % n < size))).collect();
        let e = match stream.below(3) {
            0 => sub(&manifold.sample(stream), &x),
            _ => {
                let scale = 10.0_f64.powf(2.0 * stream.uniform_f64() - 1.5);
                stream.normals(n).into_iter().map(|value| scale * value).collect()
            }
        };
        let e = e.iter().zip(&on).map(|(value, on)| value * on).collect();
        Ok(Self { manifold, x, on, e })
    }

    pub(super) fn measure(&self, stream: &mut Stream) -> Result<Found> {
        let corrupted = add_scaled(&self.x, 1.0, &self.e);
        let nearest = self.manifold.project_point(&corrupted)?;
        let tilt = Matrix::normal(stream, self.x.len(), self.x.len());
        let tilt = tilt.scaled(TILT / (self.x.len() as f64).sqrt());
        let rival = rivals::tilted(self.manifold, &tilt, 0, &corrupted)?;
        let half_way = rivals::half_way(self.manifold, &corrupted)?;
        let half_again = rivals::half_way(self.manifold, &half_way)?;
        let least = norm(&sub(&nearest, &corrupted));
        // Rounding is all that moves a point of D.
        let ratio = |z: &[f64]| if least > 1e-6 { norm(&sub(z, &corrupted)) / least } else { f64::INFINITY };
        let repeated = |again: &[f64], once: &[f64]| norm(&sub(again, once)) / (1.0 + norm(&corrupted));
        let ([bound, crossing], everywhere) = self.bounds(stream)?;
        let [at_x, elsewhere] = self.first_order(stream)?;
        Ok(Found {
            excess: [self.excess(&corrupted, &nearest), self.excess(&corrupted, &rival)],
            least: [ratio(&rival), ratio(&half_way)],
            repeated: [repeated(&rivals::tilted(self.manifold, &tilt, 0, &rival)?, &rival), repeated(&half_again, &half_way)],
            remainder: [at_x[0], elsewhere[0]],
            tangential: [at_x[1], elsewhere[1]],
            bound: [bound, everywhere],
            crossing,
        })
    }

    fn excess(&self, corrupted: &[f64], z: &[f64]) -> f64 {
        let moved = sub(z, corrupted);
        let square = dot(&self.e, &self.e);
        if square > 1e-8 { (dot(&moved, &moved) - square) / square } else { f64::NEG_INFINITY }
    }

    /// The remainder and the tangential bound for the same corruption, made shorter than the reach: with T at x, and at another
    /// point.
    fn first_order(&self, stream: &mut Stream) -> Result<[[f64; 2]; 2]> {
        let reach = self.manifold.reach();
        let length = norm(&self.e);
        if !(reach > 0.0 && reach.is_finite() && length > 0.0) {
            return Ok([[0.0; 2]; 2]);
        }
        let short = PART * reach * (0.1 + 0.9 * stream.uniform_f64());
        let e: Vec<f64> = self.e.iter().map(|value| value * short / length).collect();
        let change = sub(&self.manifold.project_point(&add_scaled(&self.x, 1.0, &e))?, &self.x);
        let other = self.manifold.sample(stream);
        let at = |x: &[f64]| {
            let along = self.manifold.project_tangent(x, &e)?;
            let remainder = norm(&sub(&change, &along)) * (reach - short) / (short * short);
            // Where next to nothing of e is tangential, rounding of π is all that is left.
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
            Matrix::from_fn(
                basis.rows(),
                basis.columns(),
                |row, column| {
                    if self.on[row] == keep { basis[(row, column)] } else { 0.0 }
                },
            )
        };
        let (inside, outside) = (part(1.0), part(0.0));
        let largest = svd(&inside).values[0];
        let ratio = |e: &[f64]| {
            let bound = largest * norm(e);
            // Nothing to compare where T has nothing on S.
            if bound > 1e-9 * norm(e) { norm(&basis.apply_transposed(e)) / bound } else { 0.0 }
        };
        // ‖B_S̄ B_Sᵀ‖₂² is the largest eigenvalue of a d x d product.
        let product = inside.transposed().times(&inside);
        let root = symmetric_eigen(&product).map(|value| value.max(0.0).sqrt());
        let crossing = svd(&outside.times(&root)).values[0];
        let everywhere = basis.apply(&stream.normals(basis.columns()));
        Ok(([ratio(&self.e), crossing], ratio(&everywhere)))
    }
}
