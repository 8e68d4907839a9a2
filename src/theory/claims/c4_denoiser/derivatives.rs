use ndarray::{Array1, Array2, array};

use crate::error::Result;
use crate::theory::algebra::{norm, symmetric_eigen};
use crate::theory::claim::{Check, Setting};
use crate::theory::derivative::central_differences;

use super::posterior::{Distribution, Noise, Posterior};
use super::sphere::{NUMBER, point_at};

/// σ² in R³, and the variances of the control, with the same mean.
const EVEN: [f64; 3] = [0.16; 3];
const UNEVEN: [f64; 3] = [0.06, 0.16, 0.26];
const STEP: f64 = 1e-4;

const DIFFERENCES: (f64, &str) = (1e-6, "central differences with step 1e-4 have an error of about 1e-8");

/// How far the posterior of one noise violates the laws for noise of covariance σ²I.
struct Violations {
    /// `‖∂E/∂y - Cov/σ²‖_F`.
    covariance: f64,
    /// `‖J - Jᵀ‖_F`.
    asymmetry: f64,
    /// Smallest eigenvalue of the symmetric part of J, and of 2J - I.
    smallest: [f64; 2],
    /// `‖E - y - σ² ∇log p‖`.
    tweedie: f64,
}

impl Violations {
    fn of(distribution: &Distribution, y: &Array1<f64>, variances: &[f64]) -> Result<Self> {
        let at = |y: &Array1<f64>| distribution.given(y, Noise { variances });
        let Posterior { mean, covariance, .. } = at(y);
        let sigma_squared = EVEN[0];
        let jacobian = central_differences(y, STEP, |y| Ok(at(y).mean))?;
        let gradient = central_differences(y, STEP, |y| Ok(array![at(y).log_density]))?;
        Ok(Self {
            covariance: norm(&(&jacobian - covariance / sigma_squared)),
            asymmetry: norm(&(&jacobian - &jacobian.t())),
            smallest: [smallest_eigenvalue(&jacobian)?, smallest_eigenvalue(&(2.0 * &jacobian - Array2::<f64>::eye(y.len())))?],
            tweedie: norm(&(mean - y - sigma_squared * &gradient.row(0))),
        })
    }
}

fn smallest_eigenvalue(jacobian: &Array2<f64>) -> Result<f64> {
    Ok(symmetric_eigen(jacobian)?.values.last().copied().unwrap_or(f64::NAN))
}

const IDENTITY: &str = "an identity for every distribution of x, also for the nodes of a quadrature";

/// Jacobian and Tweedie's formula on S², with uneven noise as control.
pub(super) fn checks(setting: &Setting) -> Result<Vec<Check>> {
    let mut stream = setting.stream(NUMBER, 2);
    let law = Distribution::sphere(1.0, setting.pick(60, 120));
    let y = point_at(&mut stream, 3, 0.7)?;
    let found = |share: f64| -> Result<Violations> {
        let variances: Vec<f64> = EVEN.iter().zip(&UNEVEN).map(|(even, uneven)| even + share * (uneven - even)).collect();
        Violations::of(&law, &y, &variances)
    };
    let even = found(0.0)?;
    let zero = |quantity: &str, part: fn(&Violations) -> f64| {
        let check = Check::equal(quantity, 0.0, part(&even), DIFFERENCES.0, DIFFERENCES.1);
        check.follows(IDENTITY).against("uneven noise", |share| Ok(part(&found(share)?)))
    };
    Ok(vec![
        zero("‖∂E[x|y]/∂y - Cov[x|y]/σ²‖, S²", |violations| violations.covariance)?,
        zero("‖J - Jᵀ‖ of J = ∂E[x|y]/∂y, S²", |violations| violations.asymmetry)?,
        Check::at_least("least eigenvalue of ∂E[x|y]/∂y, S²", 0.0, even.smallest[0], DIFFERENCES.0, DIFFERENCES.1)
            .follows(IDENTITY)
            .control("2E[x|y] - y, which reflects normal directions", even.smallest[1])
            .notices("(1+ε)E[x|y] - εy in place of E[x|y]", |size| Ok((1.0 + size) * even.smallest[0] - size))?,
        zero("‖E[x|y] - y - σ²∇log p(y)‖, S²", |violations| violations.tweedie)?,
    ])
}
