use ndarray::Array2;

use crate::theory::algebra::{norm, projector};

/// Norms of blocks of a Jacobian J relative to P_T; over several points, their root mean squares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blocks {
    /// `‖J² - J‖_F`.
    pub(super) idempotence: f64,
    /// `‖J - Jᵀ‖_F`.
    pub(super) asymmetry: f64,
    /// `‖J - P_T‖_F`.
    pub(super) distance: f64,
    /// `‖P_N J P_N‖_F`.
    pub(super) normal: f64,
    /// `tr J - d`; over several points, the mean.
    pub(super) excess: f64,
}

impl Blocks {
    /// Blocks of one Jacobian, with the tangent basis `[n, d]` at the same point.
    pub(super) fn of(j: &Array2<f64>, tangent: &Array2<f64>) -> Self {
        let projector = projector(tangent);
        let along_normal = j - j.dot(&projector);
        Self {
            idempotence: norm(&(j.dot(j) - j)),
            asymmetry: norm(&(j - &j.t())),
            distance: norm(&(j - &projector)),
            normal: norm(&(&along_normal - projector.dot(&along_normal))),
            excess: j.diag().sum() - tangent.ncols() as f64,
        }
    }

    /// Over all pairs of Jacobian and tangent basis.
    pub(super) fn over<'a>(pairs: impl Iterator<Item = (&'a Array2<f64>, &'a Array2<f64>)>) -> Self {
        let all: Vec<Self> = pairs.map(|(j, tangent)| Self::of(j, tangent)).collect();
        let mean = |value: &dyn Fn(&Self) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
        let rms = |value: fn(&Self) -> f64| mean(&|one| value(one).powi(2)).sqrt();
        Self {
            idempotence: rms(|one| one.idempotence),
            asymmetry: rms(|one| one.asymmetry),
            distance: rms(|one| one.distance),
            normal: rms(|one| one.normal),
            excess: mean(&|one| one.excess),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_blocks_of_a_matrix_are_correct() {
        // T is the first axis; J fixes it, B = (0.5, 0), C = diag(0.2, 1).
        let j = array![[1.0, 0.5, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 1.0]];
        let tangent = array![[1.0], [0.0], [0.0]];
        let found = Blocks::over([(&j, &tangent), (&j, &tangent)].into_iter());
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} instead of {b}");
        near(found.idempotence, (0.1_f64.powi(2) + 0.16_f64.powi(2)).sqrt());
        near(found.asymmetry, 0.5_f64.sqrt());
        near(found.distance, (0.25_f64 + 1.04).sqrt());
        near(found.normal, 1.04_f64.sqrt());
        near(found.excess, 1.2);
    }
}
