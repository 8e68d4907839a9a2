//! Manifolds D in Rⁿ whose orthogonal projection π (nearest point) is known.
//!
//! Points and vectors are slices of n values. Two different maps bear the name projection, so neither is called that:
//! [`Manifold::project_point`] goes from the ambient space to D, [`Manifold::project_tangent`] from vectors at x to T_x D.

mod affine_subspace;
mod check;
mod circle_product;
mod ellipse;
mod fixed_rank;
mod gratings;
mod grey_on_rgb;
#[cfg(test)]
mod image_laws;
mod outer;
mod positive_semidefinite;
mod rendered;
mod root;
mod sine_curve;
mod sphere;
mod stiefel;
mod swiss_roll;
mod torus;

pub use affine_subspace::AffineSubspace;
pub use circle_product::CircleProduct;
pub use ellipse::Ellipse;
pub use fixed_rank::FixedRank;
pub use gratings::Gratings;
pub use grey_on_rgb::{GreyOnRgb, grey_to_rgb, mean_of_channels};
pub use positive_semidefinite::PositiveSemidefinite;
pub use rendered::{Rendered, Shape};
pub use sine_curve::SineCurve;
pub use sphere::Sphere;
pub use stiefel::Stiefel;
pub use swiss_roll::SwissRoll;
pub use torus::Torus;

use super::algebra::{Matrix, complement, norm, sub};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A smooth submanifold D of Rⁿ, d-dimensional, with its nearest-point projection π.
pub trait Manifold: Send + Sync {
    /// What it is, with its parameters, e.g. `circle of radius 2 in R^2`.
    fn name(&self) -> String;

    /// n, the number of values of a point.
    fn ambient(&self) -> usize;

    /// d, the dimension of the tangent spaces; less than n.
    fn dimension(&self) -> usize;

    /// π(y), the point of D nearest to `y` `[n]`.
    ///
    /// # Errors
    /// `y` has another length or is not finite; the nearest point is not unique (where a manifold chooses one instead, it says
    /// so).
    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>>;

    /// An orthonormal basis of T_x D at `x` on D, as the d columns of an n x d matrix.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix>;

    /// The reach of D: every point nearer than this to D has a unique nearest point. A positive lower bound where the exact
    /// value is not known (the manifold says so); infinite for a convex D.
    fn reach(&self) -> f64;

    /// The reach of D at `x` on D (Federer 1959): every point of the open ball of this radius about x has a unique nearest
    /// point, so `π(x + v) = x` for every shorter normal vector v. At least [`Manifold::reach`]; positive also where that is 0.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    fn local_reach(&self, x: &[f64]) -> Result<f64> {
        check_vector(&self.name(), self.ambient(), x)?;
        Ok(self.reach())
    }

    /// A point of D, from the manifold's own law (uniform where that is easy).
    fn sample(&self, stream: &mut Stream) -> Vec<f64>;

    /// `P_T v`, the orthogonal projection of `v` `[n]` onto T_x D.
    ///
    /// # Errors
    /// As [`Manifold::tangent_basis`].
    fn project_tangent(&self, x: &[f64], v: &[f64]) -> Result<Vec<f64>> {
        check_vector(&self.name(), self.ambient(), v)?;
        let basis = self.tangent_basis(x)?;
        Ok(basis.apply(&basis.apply_transposed(v)))
    }

    /// An orthonormal basis of the normal space at `x` on D, as the n-d columns of an n x (n-d) matrix. Costs n³.
    ///
    /// # Errors
    /// As [`Manifold::tangent_basis`].
    fn normal_basis(&self, x: &[f64]) -> Result<Matrix> {
        Ok(complement(&self.tangent_basis(x)?))
    }

    /// `‖y - π(y)‖`.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    fn distance(&self, y: &[f64]) -> Result<f64> {
        Ok(norm(&sub(y, &self.project_point(y)?)))
    }

    /// Whether `x` is on D up to the distance `atol`. False where π is not defined.
    fn contains(&self, x: &[f64], atol: f64) -> bool {
        self.distance(x).is_ok_and(|distance| distance <= atol)
    }
}

/// Checks that `y` is a finite vector of `n` values.
///
/// # Errors
/// It is not; the sentence names the manifold.
pub fn check_vector(name: &str, n: usize, y: &[f64]) -> Result<()> {
    if y.len() != n {
        return Err(Error::argument(format!("{name}: a point has {n} values, got {}", y.len())));
    }
    match y.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::argument(format!("{name}: a point must be finite, got {value}"))),
        None => Ok(()),
    }
}
