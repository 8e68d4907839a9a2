//! Maps that fix D, or are onto it, and are not π: the controls and rivals of several claims.

use crate::error::Result;
use crate::theory::algebra::{Matrix, add_scaled, norm, sub};
use crate::theory::manifold::{AffineSubspace, Manifold};

/// `½(y + π(y))`: fixes D, J = P_T + ½P_N there; symmetric, but not idempotent and not onto D.
pub(super) fn half_way(manifold: &dyn Manifold, y: &[f64]) -> Result<Vec<f64>> {
    Ok(add_scaled(y, 0.5, &sub(&manifold.project_point(y)?, y)))
}

/// `π(y + ‖w‖^order A w)` with `w = y - π(y)`: fixes D, is idempotent, and not π. Its Jacobian on D is `P_T + P_T A P_N` for the
/// order 0, and `P_T` for higher ones.
pub(super) fn tilted(manifold: &dyn Manifold, tilt: &Matrix, order: i32, y: &[f64]) -> Result<Vec<f64>> {
    let w = sub(y, &manifold.project_point(y)?);
    manifold.project_point(&add_scaled(y, norm(&w).powi(order), &tilt.apply(&w)))
}

/// The plane of the first two axes of R³.
pub(super) fn plane() -> Result<AffineSubspace> {
    AffineSubspace::new(&Matrix::from_fn(3, 2, |row, column| f64::from(u8::from(row == column))), &[0.0; 3])
}

/// Onto the [`plane`] along (2, 0, 1): linear and idempotent, not symmetric.
pub(super) fn oblique(y: &[f64]) -> Vec<f64> {
    vec![y[0] - 2.0 * y[2], y[1], 0.0]
}

/// Along the ray to the centre onto the ellipse with these half-axes: idempotent, but not orthogonal.
pub(super) fn radial(axes: [f64; 2], y: &[f64]) -> Vec<f64> {
    let scale = (y[0] / axes[0]).hypot(y[1] / axes[1]);
    y.iter().map(|value| value / scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::theory::derivative::central_differences;
    use crate::theory::manifold::{Ellipse, Torus};

    fn off(a: &[f64], b: &[f64]) -> f64 {
        norm(&sub(a, b))
    }

    #[test]
    fn half_way_fixes_the_manifold_and_halves_normals() {
        let torus = Torus::new(2.0, 0.7).unwrap();
        let x = torus.sample(&mut Stream::new(1, Purpose::Test, 0, 0));
        assert!(off(&half_way(&torus, &x).unwrap(), &x) < 1e-12);
        let (tangent, normal) = (torus.tangent_basis(&x).unwrap(), torus.normal_basis(&x).unwrap());
        let expected = tangent.times(&tangent.transposed()).add_scaled(0.5, &normal.times(&normal.transposed()));
        let j = central_differences(&x, 1e-5, |y| half_way(&torus, y)).unwrap();
        assert!(j.minus(&expected).frobenius() < 1e-8);
    }

    #[test]
    fn tilted_maps_are_idempotent_and_have_the_jacobian_of_their_order() {
        let torus = Torus::new(2.0, 0.7).unwrap();
        let stream = &mut Stream::new(2, Purpose::Test, 0, 0);
        let (x, tilt) = (torus.sample(stream), Matrix::normal(stream, 3, 3).scaled(0.3));
        let tangent = torus.tangent_basis(&x).unwrap();
        let projector = tangent.times(&tangent.transposed());
        let across = projector.times(&tilt).times(&Matrix::identity(3).minus(&projector));
        for (order, expected) in [(0, projector.add_scaled(1.0, &across)), (1, projector.clone())] {
            let map = |y: &[f64]| tilted(&torus, &tilt, order, y);
            let once = map(&[x[0] + 0.1, x[1] - 0.2, x[2] + 0.1]).unwrap();
            assert!(off(&map(&once).unwrap(), &once) < 1e-12 && torus.contains(&once, 1e-12));
            let j = central_differences(&x, 1e-5, map).unwrap();
            assert!(j.minus(&expected).frobenius() < 1e-4, "order {order}: {j:?}");
        }
    }

    #[test]
    fn oblique_and_radial_maps_are_idempotent_and_not_nearest() {
        let y = [0.4, -1.1, 0.7];
        let once = oblique(&y);
        assert!(oblique(&once) == once && plane().unwrap().contains(&once, 1e-12));
        assert!(off(&once, &y) > plane().unwrap().distance(&y).unwrap() + 0.1);
        let (ellipse, y) = (Ellipse::new(2.0, 1.2).unwrap(), [1.9, 1.3]);
        let once = radial([2.0, 1.2], &y);
        assert!(off(&radial([2.0, 1.2], &once), &once) < 1e-15 && ellipse.contains(&once, 1e-12));
        assert!(off(&once, &y) > ellipse.distance(&y).unwrap() + 1e-3);
    }
}
