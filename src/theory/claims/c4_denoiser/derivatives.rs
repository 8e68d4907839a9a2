use crate::error::Result;
use crate::theory::algebra::{Matrix, norm, sub, symmetric_eigen};
use crate::theory::claim::{Row, Setting};
use crate::theory::derivative::central_differences;

use super::posterior::{Law, Noise, Posterior};
use super::{NUMBER, point_at};

/// σ² in R³, and the variances of the control, of the same mean.
const EVEN: [f64; 3] = [0.16; 3];
const UNEVEN: [f64; 3] = [0.06, 0.16, 0.26];
const STEP: f64 = 1e-4;

const DIFFERENCES: (f64, &str) = (1e-6, "central differences of step 1e-4 are off by about 1e-8");

/// What differs between the posterior of one noise and the laws of the noise σ²I.
struct Violations {
    /// `‖∂E/∂y - Cov/σ²‖_F`.
    covariance: f64,
    /// `‖J - Jᵀ‖_F`.
    asymmetry: f64,
    /// Least eigenvalue of the symmetric part of J, and of 2J - I.
    least: [f64; 2],
    /// `‖E - y - σ² ∇log p‖`.
    tweedie: f64,
}

impl Violations {
    fn of(law: &Law, y: &[f64], variances: &[f64]) -> Result<Self> {
        let at = |y: &[f64]| law.given(y, Noise { variances });
        let Posterior { mean, covariance, .. } = at(y);
        let sigma_squared = EVEN[0];
        let jacobian = central_differences(y, STEP, |y| Ok(at(y).mean))?;
        let gradient = central_differences(y, STEP, |y| Ok(vec![at(y).log_density]))?;
        let step: Vec<f64> = gradient.row(0).iter().map(|slope| sigma_squared * slope).collect();
        Ok(Self {
            covariance: jacobian.minus(&covariance.scaled(1.0 / sigma_squared)).frobenius(),
            asymmetry: jacobian.minus(&jacobian.transposed()).frobenius(),
            least: [least_eigenvalue(&jacobian), least_eigenvalue(&jacobian.scaled(2.0).minus(&Matrix::identity(y.len())))],
            tweedie: norm(&sub(&sub(&mean, y), &step)),
        })
    }
}

fn least_eigenvalue(jacobian: &Matrix) -> f64 {
    let symmetric = jacobian.add_scaled(1.0, &jacobian.transposed()).scaled(0.5);
    symmetric_eigen(&symmetric).values.last().copied().unwrap_or(f64::NAN)
}

/// Jacobian and Tweedie's formula on S², against uneven noise.
pub(super) fn rows(setting: &Setting) -> Result<Vec<Row>> {
    let mut stream = setting.stream(NUMBER, 2);
    let law = Law::sphere(1.0, setting.pick(60, 120));
    let y = point_at(&mut stream, 3, 0.7)?;
    let (even, uneven) = (Violations::of(&law, &y, &EVEN)?, Violations::of(&law, &y, &UNEVEN)?);
    let zero = |quantity: &str, measured: f64, control: f64| {
        Row::equal(quantity, 0.0, measured, DIFFERENCES.0, DIFFERENCES.1).control("uneven noise", control)
    };
    Ok(vec![
        zero("‖∂E[x|y]/∂y - Cov[x|y]/σ²‖, S²", even.covariance, uneven.covariance),
        zero("‖J - Jᵀ‖ of J = ∂E[x|y]/∂y, S²", even.asymmetry, uneven.asymmetry),
        Row::at_least("least eigenvalue of ∂E[x|y]/∂y, S²", 0.0, even.least[0], DIFFERENCES.0, DIFFERENCES.1)
            .control("2E[x|y] - y, which reflects normal directions", even.least[1]),
        zero("‖E[x|y] - y - σ²∇log p(y)‖, S²", even.tweedie, uneven.tweedie),
    ])
}
