//! What every manifold of pictures must satisfy, for property tests.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::Manifold;
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::{add_scaled, dot, norm, normalised, sub};

/// How closely it is looked.
pub(super) struct Near {
    /// Points of D that must be no nearer than the nearest one.
    pub samples: u32,
    /// Step of central differences.
    pub step: f64,
    /// Error allowed in `J v - P_T v` for unit v.
    pub jacobian: f64,
}

/// Checks idempotence, residual, nearness and Jacobian at a random point within the reach.
pub(super) fn hold(manifold: &dyn Manifold, seed: u64, near: &Near) -> Result<(), TestCaseError> {
    let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
    let x = manifold.sample(&mut stream);
    let unit = normalised(&stream.normals(manifold.ambient())).unwrap();
    let y = add_scaled(&x, 0.5 * manifold.reach() * f64::from(stream.uniform()), &unit);
    let z = manifold.project_point(&y).unwrap();
    prop_assert!(manifold.contains(&x, 1e-9 * norm(&x)), "a sample is {} off D", manifold.distance(&x).unwrap());
    prop_assert!(norm(&sub(&manifold.project_point(&z).unwrap(), &z)) <= 1e-9 * norm(&z), "π(π(y)) is not π(y)");
    let basis = manifold.tangent_basis(&z).unwrap();
    prop_assert_eq!((basis.rows(), basis.columns()), (manifold.ambient(), manifold.dimension()));
    let residual = sub(&y, &z);
    prop_assert!(norm(&basis.apply_transposed(&residual)) <= 1e-9 * norm(&y), "the residual is not normal");
    nearest(manifold, &y, norm(&residual), near.samples)?;
    jacobian(manifold, &z, &unit, near)
}

fn nearest(manifold: &dyn Manifold, y: &[f64], distance: f64, samples: u32) -> Result<(), TestCaseError> {
    let mut stream = Stream::new(0, Purpose::Test, 1, 0);
    for _ in 0..samples {
        let other = norm(&sub(y, &manifold.sample(&mut stream)));
        prop_assert!(distance <= other * (1.0 + 1e-12), "{} is farther than a sample at {}", distance, other);
    }
    Ok(())
}

/// `Jπ(z) v = P_T v` on D, for v along and across T.
fn jacobian(manifold: &dyn Manifold, z: &[f64], unit: &[f64], near: &Near) -> Result<(), TestCaseError> {
    let basis = manifold.tangent_basis(z).unwrap();
    let mut directions: Vec<Vec<f64>> = (0..basis.columns()).map(|column| basis.column(column)).collect();
    directions.push(unit.to_vec());
    for v in &directions {
        let [above, below] = [near.step, -near.step].map(|t| manifold.project_point(&add_scaled(z, t, v)).unwrap());
        let found: Vec<f64> = sub(&above, &below).iter().map(|value| value / (2.0 * near.step)).collect();
        let want = manifold.project_tangent(z, v).unwrap();
        let error = norm(&sub(&found, &want));
        prop_assert!(error <= near.jacobian, "J v is {} off P_T v, ⟨v, P_T v⟩ = {}", error, dot(v, &want));
    }
    Ok(())
}
