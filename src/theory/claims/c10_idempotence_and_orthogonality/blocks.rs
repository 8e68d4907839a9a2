use crate::theory::algebra::Matrix;

/// Parts of a Jacobian J beside P_T; over several points, root mean squares.
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
    /// `tr J - d`, its mean.
    pub(super) excess: f64,
}

impl Blocks {
    /// Of one Jacobian and the tangent basis `[n, d]` beside it.
    pub(super) fn of(j: &Matrix, tangent: &Matrix) -> Self {
        let projector = tangent.times(&tangent.transposed());
        let along_normal = j.minus(&j.times(&projector));
        Self {
            idempotence: j.times(j).minus(j).frobenius(),
            asymmetry: j.minus(&j.transposed()).frobenius(),
            distance: j.minus(&projector).frobenius(),
            normal: along_normal.minus(&projector.times(&along_normal)).frobenius(),
            excess: j.trace() - tangent.columns() as f64,
        }
    }

    /// Over all pairs.
    pub(super) fn over<'a>(pairs: impl Iterator<Item = (&'a Matrix, &'a Matrix)>) -> Self {
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

    #[test]
    fn parts_of_a_matrix_that_can_be_read_off() {
        // T is the first axis; J fixes it, B = (0.5, 0), C = diag(0.2, 1).
        let j = Matrix::from_values(3, 3, vec![1.0, 0.5, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 1.0]);
        let tangent = Matrix::from_values(3, 1, vec![1.0, 0.0, 0.0]);
        let found = Blocks::over([(&j, &tangent), (&j, &tangent)].into_iter());
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} instead of {b}");
        near(found.idempotence, (0.1_f64.powi(2) + 0.16_f64.powi(2)).sqrt());
        near(found.asymmetry, 0.5_f64.sqrt());
        near(found.distance, (0.25_f64 + 1.04).sqrt());
        near(found.normal, 1.04_f64.sqrt());
        near(found.excess, 1.2);
    }
}
