//! Linear maps trained on the tape.

use ndarray::{Array1, Array2, s};

use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Activation;
use crate::tape::Tensor;
use crate::theory::algebra::{gaussian_matrix, norm, orthonormal_basis, solve};
use crate::theory::claim::{Check, Setting};
use crate::theory::claims::training::{matrix, mean_square_error, minimise, schedule};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::larger;

use super::constants::NUMBER;

const N: usize = 8;
/// Variances of the data along the axes of a random basis; none along the other five.
const LAMBDA: [f64; 3] = [2.0, 1.0, 0.5];
/// μ, variances of the corruption: some where there are data, the others where there are none.
const CORRUPTION: [f64; N] = [0.3, 0.0, 0.1, 0.0, 0.01, 0.04, 0.16, 0.64];
/// σ².
const VARIANCE: f64 = 0.04;

const STIFF: (f64, &str) = (1e-3, "directions of curvature σ² have not fully converged (1e-5)");

pub(super) fn checks<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<(Vec<Check>, Figure)> {
    let axes = orthonormal_basis(&gaussian_matrix(&mut setting.stream(NUMBER, 1), N, N));
    let [kept, input_only] = [true, false].map(|is_kept| trained(backend, setting, &axes, is_kept));
    let (kept, input_only) = (kept?, input_only?);
    let along = |map: &Array2<f64>| axes.t().dot(map).dot(&axes).diag().to_owned();
    let (of_kept, of_input) = (along(&kept), along(&input_only));
    let free = LAMBDA.len()..N;
    let off = |variance: f64| free.clone().map(|k| (of_kept[k] - anchor(CORRUPTION[k], variance)).abs()).fold(0.0, larger);
    let closed = |map: &Array2<f64>| -> Result<f64> { Ok(norm(&(map - closed_form(&axes)?))) };
    let mixed = |share: f64| closed(&((1.0 - share) * &kept + share * &input_only));
    let quantity = "|eigenvalue of W - σ²/(σ²+μ)| where there are no data, trained linear map, largest";
    let checks = vec![
        Check::equal(quantity, 0.0, off(VARIANCE), STIFF.0, STIFF.1)
            .control("σ in place of σ²", off(VARIANCE.sqrt()))
            .notices("σ² too small by the factor 1-ε", |size| Ok(off((1.0 - size) * VARIANCE)))?,
        Check::equal("‖W - (Σ+σ²I)(Σ+Σ_e+σ²I)⁻¹‖, trained linear map", 0.0, closed(&kept)?, STIFF.0, STIFF.1)
            .control("trained with the noise in the input only", closed(&input_only)?)
            .notices("the share ε of the map trained with noise in the input only", mixed)?,
    ];
    let dots = |values: &Array1<f64>| free.clone().map(|k| (CORRUPTION[k], values[k])).collect::<Vec<_>>();
    Ok((checks, figure(dots(&of_kept), dots(&of_input))))
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
fn closed_form(axes: &Array2<f64>) -> Result<Array2<f64>> {
    let [data, corruption] = moments(axes);
    let target = data + VARIANCE * Array2::<f64>::eye(N);
    Ok(solve(&(&target + &corruption), &target)?.reversed_axes())
}

/// The map trained on 3n points x + e + σξ, with exactly the second moments Σ, Σ_e and σ²I and none between the parts, each times 3n.
fn trained<B: Backend<Elem = f64>>(backend: &B, setting: &Setting, axes: &Array2<f64>, is_kept: bool) -> Result<Array2<f64>> {
    let mut stream = setting.stream(NUMBER, 2);
    let r = (3.0 * N as f64).sqrt() * orthonormal_basis(&gaussian_matrix(&mut stream, 3 * N, 3 * N));
    let data = Array1::from_shape_fn(N, |k| LAMBDA.get(k).copied().unwrap_or(0.0).sqrt());
    let corruption = Array1::from(CORRUPTION.to_vec()).mapv(f64::sqrt);
    let part = |from: usize, scale: &Array1<f64>| (&r.slice(s![.., from * N..(from + 1) * N]) * scale).dot(&axes.t());
    let (x, e) = (part(0, &data), part(1, &corruption));
    let noise = part(2, &Array1::from_elem(N, VARIANCE.sqrt()));
    let seen = Tensor::from_array(backend, &(&x + &e + &noise))?;
    let wanted = Tensor::from_array(backend, &if is_kept { x + noise } else { x })?;
    let start = 0.5 / (N as f64).sqrt() * gaussian_matrix(&mut stream, N, N);
    let mut weights = vec![Tensor::from_array(backend, &start)?];
    minimise(backend, schedule(setting.pick(4000, 8000), 0.02), &mut weights, |tape, weights, _| {
        let (w, seen) = (tape.variable(weights[0].clone()), tape.constant(seen.clone()));
        let wanted = tape.constant(wanted.clone());
        let y = tape.linear(seen, w, None, Activation::Identity)?;
        Ok((mean_square_error(tape, y, wanted)?, vec![w]))
    })?;
    matrix(backend, &weights[0])
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
