//! Manifolds D in Rⁿ whose orthogonal projection π (nearest point) is known.
//!
//! Points and vectors are arrays of n values. "Projection" could mean two maps, so each has its full name:
//! [`Manifold::project_point`] maps the ambient space to D, [`Manifold::project_tangent`] maps vectors at x to T_x D.

mod affine_subspace;
mod check;
mod circle_product;
mod ellipse;
mod fixed_rank;
mod gratings;
mod grey_on_rgb;
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

use ndarray::{Array1, Array2};

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{complement, norm};

/// A smooth submanifold D of Rⁿ, d-dimensional, with its nearest-point projection π.
pub trait Manifold: Send + Sync {
    /// Name with parameters, e.g. `circle of radius 2 in R^2`.
    fn name(&self) -> String;

    /// `[d, n]`: the dimension of the tangent spaces and the number of values of a point, d < n.
    fn dimensions(&self) -> [usize; 2];

    /// n, the number of values of a point.
    fn ambient(&self) -> usize {
        self.dimensions()[1]
    }

    /// d, the dimension of the tangent spaces.
    fn dimension(&self) -> usize {
        self.dimensions()[0]
    }

    /// π(y), the point of D nearest to `y` `[n]`.
    ///
    /// # Errors
    /// `y` has another length or is not finite; the nearest point is not unique (manifolds that choose one instead say so).
    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>>;

    /// An orthonormal basis of T_x D at `x` on D, as the d columns of an n x d matrix.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>>;

    /// The reach of D: every point nearer than this to D has a unique nearest point. Where the exact value is not known, a
    /// positive lower bound (the manifold says so); infinite for a convex D.
    fn reach(&self) -> f64;

    /// The reach of D at `x` on D (Federer 1959): every point of the open ball of this radius about x has a unique nearest
    /// point, so `π(x + v) = x` for every shorter normal vector v. At least [`Manifold::reach`], and positive even where that is
    /// 0.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    fn local_reach(&self, x: &Array1<f64>) -> Result<f64> {
        check_vector(&self.name(), self.ambient(), x)?;
        Ok(self.reach())
    }

    /// A random point of D, from a distribution that the manifold defines (uniform where that is easy).
    fn sample(&self, stream: &mut Stream) -> Array1<f64>;

    /// `P_T v`, the orthogonal projection of `v` `[n]` onto T_x D.
    ///
    /// # Errors
    /// As [`Manifold::tangent_basis`].
    fn project_tangent(&self, x: &Array1<f64>, v: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), self.ambient(), v)?;
        let basis = self.tangent_basis(x)?;
        Ok(basis.dot(&basis.t().dot(v)))
    }

    /// An orthonormal basis of the normal space at `x` on D, as the n-d columns of an n x (n-d) matrix. Takes O(n³) operations.
    ///
    /// # Errors
    /// As [`Manifold::tangent_basis`].
    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        Ok(complement(&self.tangent_basis(x)?))
    }

    /// `‖y - π(y)‖`.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    fn distance(&self, y: &Array1<f64>) -> Result<f64> {
        Ok(norm(&(y - self.project_point(y)?)))
    }

    /// Whether the distance of `x` from D is at most `atol`. False where π is not defined.
    fn contains(&self, x: &Array1<f64>, atol: f64) -> bool {
        self.distance(x).is_ok_and(|distance| distance <= atol)
    }
}

/// Checks that `y` is a finite vector of `n` values.
///
/// # Errors
/// It is not; the message names the manifold.
pub fn check_vector(name: &str, n: usize, y: &Array1<f64>) -> Result<()> {
    if y.len() != n {
        return Err(Error::argument(format!("{name}: a point has {n} values, got {}", y.len())));
    }
    match y.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::argument(format!("{name}: a point must be finite, got {value}"))),
        None => Ok(()),
    }
}
