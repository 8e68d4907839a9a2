//! Linear maps trained on the tape.

use ndarray::{Array1, Array2, s};

use crate::error::Result;
use crate::ops::Backend;
use crate::theory::algebra::{gaussian_matrix, norm, orthonormal_basis, solve};
use crate::theory::claim::{Check, Setting};
use crate::theory::claims::training::trained_linear_map;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};

use super::constants::NUMBER;

const N: usize = 8;
/// Variances of the data along the axes of a random basis; none along the other five.
const LAMBDA: [f64; 3] = [2.0, 1.0, 0.5];
/// μ, variances of the corruption: some where there are data, the others where there are none.
const CORRUPTION: [f64; N] = [0.3, 0.0, 0.1, 0.0, 0.01, 0.04, 0.16, 0.64];
/// σ².
const VARIANCE: f64 = 0.04;

const STIFF: (f64, &str) = (1e-3, "directions of curvature σ² have not fully converged (1e-5)");

pub(super) fn check<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<(Check, Figure)> {
    let axes = orthonormal_basis(&gaussian_matrix(&mut setting.stream(NUMBER, 1), N, N));
    let [kept, input_only] = [true, false].map(|is_kept| trained(backend, setting, &axes, is_kept));
    let (kept, input_only) = (kept?, input_only?);
    let off = |variance: f64| Ok(norm(&(&kept - closed_form(&axes, variance)?)));
    let check = Check::equal("‖W - (Σ+σ²I)(Σ+Σ_e+σ²I)⁻¹‖, trained linear map", 0.0, off(VARIANCE)?, STIFF.0, STIFF.1)
        .control("σ in place of σ²", off(VARIANCE.sqrt())?)
        .notices("σ² too large by the factor 1+ε", |size| off((1.0 + size) * VARIANCE))?;
    let along = |map: &Array2<f64>| -> Vec<(f64, f64)> {
        let values = axes.t().dot(map).dot(&axes).diag().to_owned();
        (LAMBDA.len()..N).map(|k| (CORRUPTION[k], values[k])).collect()
    };
    Ok((check, figure(along(&kept), along(&input_only))))
}

/// σ²/(σ² + μ).
fn anchor(corruption: f64, variance: f64) -> f64 {
    variance / (variance + corruption)
}

/// Σ and Σ_e.
fn moments(axes: &Array2<f64>) -> [Array2<f64>; 2] {
    let data = Array1::from_shape_fn(N, |k| LAMBDA.get(k).copied().unwrap_or(0.0));
    [data, Array1::from(CORRUPTION.to_vec())].map(|values| (axes * &values).dot(&axes.t()))
}

/// `(Σ+σ²I)(Σ+Σ_e+σ²I)⁻¹`.
fn closed_form(axes: &Array2<f64>, variance: f64) -> Result<Array2<f64>> {
    let [data, corruption] = moments(axes);
    let target = data + variance * Array2::<f64>::eye(N);
    Ok(solve(&(&target + &corruption), &target)?.reversed_axes())
}

/// The map trained on 3n points x + e + σξ, with exactly the second moments Σ, Σ_e and σ²I and none between the parts, each times
/// 3n.
fn trained<B: Backend<Elem = f64>>(backend: &B, setting: &Setting, axes: &Array2<f64>, is_kept: bool) -> Result<Array2<f64>> {
    let mut stream = setting.stream(NUMBER, 2);
    let r = (3.0 * N as f64).sqrt() * orthonormal_basis(&gaussian_matrix(&mut stream, 3 * N, 3 * N));
    let data = Array1::from_shape_fn(N, |k| LAMBDA.get(k).copied().unwrap_or(0.0).sqrt());
    let corruption = Array1::from(CORRUPTION.to_vec()).mapv(f64::sqrt);
    let part = |from: usize, scale: &Array1<f64>| (&r.slice(s![.., from * N..(from + 1) * N]) * scale).dot(&axes.t());
    let (x, e) = (part(0, &data), part(1, &corruption));
    let noise = part(2, &Array1::from_elem(N, VARIANCE.sqrt()));
    let (seen, wanted) = (&x + &e + &noise, if is_kept { x + noise } else { x });
    let start = 0.5 / (N as f64).sqrt() * gaussian_matrix(&mut stream, N, N);
    trained_linear_map(backend, &start, [&seen, &wanted], setting.pick(4000, 8000))
}

fn figure(kept: Vec<(f64, f64)>, input_only: Vec<(f64, f64)>) -> Figure {
    let curve = |variance: f64| (0..=70).map(|k| 0.01 * f64::from(k)).map(|mu| (mu, anchor(mu, variance))).collect();
    Figure {
        stem: "c15_anchor".into(),
        title: "Kept noise anchors the Jacobian to the identity".into(),
        caption: format!(
            "The factor of a direction without data, by the variance μ of the corruption there, for noise of σ² = {VARIANCE}. Dots are trained \
             linear maps."
        ),
        content: Content::chart(
            [AxisSpec::linear("variance μ of the corruption"), AxisSpec::linear("eigenvalue of W")],
            vec![
                Series::line("σ²/(σ²+μ)", curve(VARIANCE)),
                Series::dots("noise kept in the target", kept),
                Series::dots("noise in the input only", input_only),
            ],
        ),
    }
}
