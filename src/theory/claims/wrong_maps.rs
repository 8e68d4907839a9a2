//! Maps that fix D or map onto D and are not π: the controls of several claims.

use ndarray::{Array1, Array2, array};

use crate::error::Result;
use crate::theory::algebra::norm;
use crate::theory::manifold::{AffineSubspace, Manifold};

/// `½(y + π(y))`: fixes D, where its Jacobian is P_T + ½P_N; symmetric, but not idempotent and not onto D.
pub(super) fn halfway(manifold: &dyn Manifold, y: &Array1<f64>) -> Result<Array1<f64>> {
    Ok(0.5 * (y + &manifold.project_point(y)?))
}

/// `π(y + ‖w‖^order A w)` with `w = y - π(y)`: fixes D and is idempotent, but is not π. Its Jacobian on D is `P_T + P_T A P_N`
/// for order 0 and `P_T` for higher orders.
pub(super) fn tilted(manifold: &dyn Manifold, tilt: &Array2<f64>, order: i32, y: &Array1<f64>) -> Result<Array1<f64>> {
    let w = y - manifold.project_point(y)?;
    manifold.project_point(&(y + norm(&w).powi(order) * tilt.dot(&w)))
}

/// The plane of the first two axes of R³.
pub(super) fn plane() -> Result<AffineSubspace> {
    AffineSubspace::new(&array![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], &Array1::zeros(3))
}

/// Projects onto the [`plane`] along (2, 0, 1): linear and idempotent, not symmetric.
pub(super) fn oblique(y: &Array1<f64>) -> Array1<f64> {
    array![y[0] - 2.0 * y[2], y[1], 0.0]
}

/// Projects along the ray to the centre onto the ellipse with these semi-axes: idempotent, but not orthogonal.
pub(super) fn radial(axes: [f64; 2], y: &Array1<f64>) -> Array1<f64> {
    let scale = (y[0] / axes[0]).hypot(y[1] / axes[1]);
    y / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::theory::algebra::{gaussian_matrix, projector};
    use crate::theory::derivative::central_differences;
    use crate::theory::manifold::{Ellipse, Torus};

    fn off(a: &Array1<f64>, b: &Array1<f64>) -> f64 {
        norm(&(a - b))
    }

    #[test]
    fn the_halfway_map_fixes_the_manifold_and_halves_normals() {
        let torus = Torus::new(2.0, 0.7).unwrap();
        let x = torus.sample(&mut Stream::new(1, Purpose::Test, 0, 0));
        assert!(off(&halfway(&torus, &x).unwrap(), &x) < 1e-12);
        let (tangent, normal) = (torus.tangent_basis(&x).unwrap(), torus.normal_basis(&x).unwrap());
        let expected = projector(&tangent) + 0.5 * &projector(&normal);
        let j = central_differences(&x, 1e-5, |y| halfway(&torus, y)).unwrap();
        assert!(norm(&(&j - &expected)) < 1e-8);
    }

    #[test]
    fn tilted_maps_are_idempotent_and_have_the_jacobian_of_their_order() {
        let torus = Torus::new(2.0, 0.7).unwrap();
        let stream = &mut Stream::new(2, Purpose::Test, 0, 0);
        let (x, tilt) = (torus.sample(stream), 0.3 * gaussian_matrix(stream, 3, 3));
        let tangent = torus.tangent_basis(&x).unwrap();
        let projector = projector(&tangent);
        let across = projector.dot(&tilt).dot(&(Array2::eye(3) - &projector));
        for (order, expected) in [(0, &projector + &across), (1, projector.clone())] {
            let map = |y: &Array1<f64>| tilted(&torus, &tilt, order, y);
            let once = map(&(&x + &array![0.1, -0.2, 0.1])).unwrap();
            assert!(off(&map(&once).unwrap(), &once) < 1e-12 && torus.contains(&once, 1e-12));
            let j = central_differences(&x, 1e-5, map).unwrap();
            assert!(norm(&(&j - &expected)) < 1e-4, "order {order}: {j:?}");
        }
    }

    #[test]
    fn oblique_and_radial_maps_are_idempotent_and_not_nearest() {
        let y = array![0.4, -1.1, 0.7];
        let once = oblique(&y);
        assert!(oblique(&once) == once && plane().unwrap().contains(&once, 1e-12));
        assert!(off(&once, &y) > plane().unwrap().distance(&y).unwrap() + 0.1);
        let (ellipse, y) = (Ellipse::new(2.0, 1.2).unwrap(), array![1.9, 1.3]);
        let once = radial([2.0, 1.2], &y);
        assert!(off(&radial([2.0, 1.2], &once), &once) < 1e-15 && ellipse.contains(&once, 1e-12));
        assert!(off(&once, &y) > ellipse.distance(&y).unwrap() + 1e-3);
    }
}
