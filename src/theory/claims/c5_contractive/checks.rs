use super::constants::{CONTROL, GAMMA, NUMBER};
use super::network::{self, Circle, Jets, Penalty, Plan, Trained};
use crate::error::Result;
use crate::model::Parameters;
use crate::ops::Backend;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::{gaussian_matrix, norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::claims::training::batch;
use crate::theory::derivative::{contraction, contraction_exact};
use crate::theory::statistics::mean;

/// Distance from D at which f is compared with π.
const DISTANCE: f64 = 0.2;
/// Allowed relative excess of the loss over its minimum.
const LOSS: f64 = 0.02;
/// γ/R² = 0.05 on the circle of 8 x 8 pixels, as on the small circle.
const WIDE_GAMMA: f64 = 0.4;
/// Points of D, each with its own probe.
const PROBED: usize = 32;

const LEFT: &str = "the distance of a small network from the optimum after a few thousand steps";
const SUMS: (f64, &str) =
    (1e-5, "trapezoidal sums over 500 nodes: the Jacobian of an ELU network has kinks, so their error is about nodes⁻²");
const PROBES: (f64, &str) = (4.0, "four standard errors: one seed in 16 000 exceeds them by chance");

/// Singular values, loss and the theorems for [`GAMMA`].
pub(super) fn at_gamma(circle: &Circle, found: &Jets, control: &Jets) -> Result<Vec<Check>> {
    let factor = circle.factor(GAMMA);
    let excess = |jets: &Jets| jets.loss(GAMMA) / (GAMMA * factor) - 1.0;
    let mut checks = vec![
        Check::equal("mean σ₁(J_f) on D against 1/(1+γ/R²)", factor, found.tangent, 0.02, LEFT).control(CONTROL, control.tangent),
        Check::equal("σ₂ … σ_n of J_f on D, rms", 0.0, found.normal, 0.1, LEFT).control(CONTROL, control.normal),
        Check::equal("L_γ(f) above its minimum γ/(1+γ/R²), relative", 0.0, excess(found), LOSS, LEFT)
            .control(CONTROL, excess(control)),
    ];
    checks.extend(theorems(circle, found)?);
    Ok(checks)
}

/// Theorems C5.1 and C5.2, which hold for any map, with the loss that training reached.
fn theorems(circle: &Circle, found: &Jets) -> Result<Vec<Check>> {
    let curvature = circle.curvature_square();
    let identity = |weight: f64| {
        let right = GAMMA + found.error - 2.0 * GAMMA * weight * found.along_curvature + GAMMA * found.from_tangent;
        found.loss(GAMMA) - right
    };
    let beyond = |curvature: f64| found.error.sqrt() - found.error_bound(GAMMA, curvature);
    let bound = |curvature: f64| found.from_tangent - found.jacobian_bound(GAMMA, curvature);
    Ok(vec![
        Check::equal("L_γ(f) - (γd + a - 2γE⟨f-x,V⟩ + γE‖J_f-P_T‖²), theorem C5.1", 0.0, identity(1.0), SUMS.0, SUMS.1)
            .control("V = 0", identity(0.0))
            .notices("V too small by the factor 1-ε", |size| Ok(identity(1.0 - size)))?,
        Check::at_most("E‖J_f-P_T‖² - (ε + γK²), theorem C5.2", 0.0, bound(curvature), SUMS.0, SUMS.1)
            .control("K = 0", bound(0.0))
            .notices("K² too small by the factor 1-ε", |size| Ok(bound((1.0 - size) * curvature)))?,
        Check::at_most("‖f(x)-x‖, rms, - (γK + √(γ²K² + γε)), theorem C5.2", 0.0, beyond(curvature), SUMS.0, SUMS.1)
            .control("K = 0", beyond(0.0))
            .notices("K² too small by the factor 1-ε", |size| Ok(beyond((1.0 - size) * curvature)))?,
    ])
}

/// `‖f(x + v) - π(x + v)‖ / ‖v‖` over normal v, which is at most `‖f(x) - x‖/‖v‖ + ‖J_f - P_T‖` plus a term of second order.
pub(super) fn near<B: Backend>(
    backend: &B,
    circle: &Circle,
    [found, control]: [&Trained<B>; 2],
    jets: &Jets,
    setting: &Setting,
) -> Result<Check> {
    let mut stream = setting.stream(NUMBER, 6);
    let mut points = Vec::new();
    for x in circle.samples(&mut stream, 200) {
        points.push(circle.off(&x, DISTANCE, &mut stream)?);
    }
    let relative = |trained: &Trained<B>| Ok(circle.distance(backend, &trained.network, &points)? / DISTANCE);
    let because = "the term of second order: second derivatives of f, which no theorem bounds, times 0.1";
    let quantity = "‖f(x+v) - π(x+v)‖ / ‖v‖, rms, normal v of length 0.2, against ‖f(x) - x‖/‖v‖ + ‖J_f - P_T‖";
    let first_order = jets.error.sqrt() / DISTANCE + jets.from_tangent.sqrt();
    Ok(Check::at_most(quantity, first_order, relative(found)?, 0.1, because).control(CONTROL, relative(control)?))
}

/// The mean over many probes compared with the exact penalty, in standard errors of the mean. The control has probes of length 1,
/// whose covariance is I/n instead of I.
pub(super) fn probes<B: Backend<Elem = f64>>(
    backend: &B,
    circle: &Circle,
    network: &Parameters<B>,
    setting: &Setting,
) -> Result<Check> {
    let points = circle.grid(PROBED);
    let record = || -> Result<(Tape<B>, Var, Var)> {
        let mut tape = Tape::new(backend.clone());
        let bound = network.bind(&mut tape, false);
        let x = tape.variable(batch(backend, &points)?);
        let y = network.forward(&mut tape, &bound, x)?;
        Ok((tape, x, y))
    };
    let mut stream = setting.stream(NUMBER, 3);
    let [mut normal, mut short] = [Vec::new(), Vec::new()];
    for _ in 0..setting.pick(300, 3000) {
        let (mut tape, x, y) = record()?;
        let mut draw = || gaussian_matrix(&mut stream, PROBED, circle.ambient());
        let (probes, mut unit) = (draw(), draw());
        unit.rows_mut().into_iter().for_each(|mut row| row /= norm(&row));
        for (estimates, v) in [(&mut normal, probes), (&mut short, unit)] {
            let v = tape.constant(Tensor::from_array(backend, &v)?);
            let estimate = contraction(&mut tape, x, y, v)?;
            estimates.push(tape.host(estimate)?[0]);
        }
    }
    let (mut tape, x, y) = record()?;
    let exact = contraction_exact(&mut tape, x, y)?;
    let exact = tape.host(exact)?[0];
    let quantity = "|mean ‖J_f v‖² over probes - ‖J_f‖_F²| in standard errors";
    let check = Check::equal(quantity, 0.0, deviation(&normal, exact), PROBES.0, PROBES.1);
    let shortened =
        |size: f64| deviation(&normal.iter().map(|estimate| (1.0 - size).powi(2) * estimate).collect::<Vec<_>>(), exact);
    // Probes of length 0 have no spread, so that the largest fault is a little less.
    check
        .control("probes of length 1", deviation(&short, exact))
        .notices("probes too short by the factor 1-ε", |size| Ok(shortened(0.99 * size)))
}

/// |mean - exact| in standard errors.
fn deviation(estimates: &[f64], exact: f64) -> f64 {
    let count = estimates.len() as f64;
    let centre = mean(estimates);
    let variance = estimates.iter().map(|estimate| (estimate - centre).powi(2)).sum::<f64>() / (count - 1.0);
    (centre - exact).abs() / (variance / count).sqrt()
}

/// Images of one grating, n = 64, trained with one probe per sample.
pub(super) fn wide(setting: &Setting) -> Result<Vec<Check>> {
    let (backend, circle) = (setting.cpu()?, Circle::wide()?);
    let plan =
        |gamma: f64| Plan { gamma, penalty: Penalty::Probe, hidden: vec![64, 64], steps: 6000, rate: 3e-3, batch: 64, index: 4 };
    let [found, control] = [WIDE_GAMMA, 0.0].map(|gamma| {
        let trained = network::train(&backend, &circle, &plan(gamma), setting)?;
        Jets::of(&backend, &trained.network, &circle, 64)
    });
    let (found, control) = (found?, control?);
    let factor = circle.factor(WIDE_GAMMA);
    Ok(vec![
        Check::equal("mean σ₁(J_f) on D against 1/(1+γ/R²), n = 64", factor, found.tangent, 0.02, LEFT)
            .control(CONTROL, control.tangent),
        Check::equal("σ₂ … σ_n of J_f on D, rms, n = 64", 0.0, found.normal, 0.02, LEFT).control(CONTROL, control.normal),
        Check::equal("‖J_f - P_T‖_F on D, rms, n = 64", 1.0 - factor, found.from_tangent.sqrt(), 0.1, LEFT)
            .control(CONTROL, control.from_tangent.sqrt()),
    ])
}
