//! Properties that every manifold of images must satisfy.

use ndarray::Array1;
use orthoscope::theory::algebra::{gaussian_vector, norm, normalised};
use orthoscope::theory::manifold::Manifold;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::laws::stream;

/// How closely a manifold is examined.
pub struct Near {
    /// Number of samples that must not be nearer than the nearest point.
    pub samples: u32,
    /// Step of the central differences.
    pub step: f64,
    /// Allowed error `‖J v - P_T v‖` for unit v.
    pub jacobian: f64,
}

/// Checks idempotence, residual, nearest point and Jacobian at a random point within the reach of `x`, which is on D.
pub fn hold(manifold: &dyn Manifold, x: &Array1<f64>, seed: u64, near: &Near) -> Result<(), TestCaseError> {
    let mut stream = stream(seed ^ 1);
    let unit = normalised(&gaussian_vector(&mut stream, manifold.ambient())).unwrap();
    let y = x + 0.5 * manifold.reach() * f64::from(stream.uniform()) * &unit;
    let z = manifold.project_point(&y).unwrap();
    prop_assert!(manifold.contains(x, 1e-9 * norm(x)), "a sample is {} off D", manifold.distance(x).unwrap());
    prop_assert!(norm(&(manifold.project_point(&z).unwrap() - &z)) <= 1e-9 * norm(&z), "π(π(y)) is not π(y)");
    let basis = manifold.tangent_basis(&z).unwrap();
    prop_assert_eq!(basis.dim(), (manifold.ambient(), manifold.dimension()));
    let residual = &y - &z;
    prop_assert!(norm(&basis.t().dot(&residual)) <= 1e-9 * norm(&y), "the residual is not normal");
    nearest(manifold, &y, norm(&residual), near.samples)?;
    jacobian(manifold, &z, &unit, near)
}

fn nearest(manifold: &dyn Manifold, y: &Array1<f64>, distance: f64, samples: u32) -> Result<(), TestCaseError> {
    let mut stream = stream(0);
    for _ in 0..samples {
        let other = norm(&(y - manifold.sample(&mut stream)));
        prop_assert!(distance <= other * (1.0 + 1e-12), "{} is larger than the distance {} of a sample", distance, other);
    }
    Ok(())
}

/// `Jπ(z) v = P_T v` on D, for v along and across T.
fn jacobian(manifold: &dyn Manifold, z: &Array1<f64>, unit: &Array1<f64>, near: &Near) -> Result<(), TestCaseError> {
    let basis = manifold.tangent_basis(z).unwrap();
    for v in basis.columns().into_iter().map(|column| column.to_owned()).chain([unit.clone()]) {
        let [above, below] = [near.step, -near.step].map(|t| manifold.project_point(&(z + t * &v)).unwrap());
        let found = (above - below) / (2.0 * near.step);
        let want = manifold.project_tangent(z, &v).unwrap();
        let error = norm(&(&found - &want));
        prop_assert!(error <= near.jacobian, "J v is {} off P_T v, ⟨v, P_T v⟩ = {}", error, v.dot(&want));
    }
    Ok(())
}
