use crate::error::Result;
use crate::ops::Backend;
use crate::theory::claim::{Row, Setting};

use super::circle::Circle;
use super::jet::Jets;
use super::network::{self, Trained};
use super::{CONTROL, GAMMA, LEFT, NUMBER};

/// Distance from D at which f is compared with π.
const DISTANCE: f64 = 0.2;
/// By how much the loss may be above its minimum, relative.
const LOSS: f64 = 0.02;
const SUMS: (f64, &str) =
    (1e-5, "trapezoidal sums over 500 nodes: the Jacobian of an ELU network has kinks, so they err by about nodes⁻²");

/// Singular values, loss and the theorems for [`GAMMA`].
pub(super) fn at_gamma(circle: &Circle, found: &Jets, control: &Jets) -> Vec<Row> {
    let factor = circle.factor(GAMMA);
    let excess = |jets: &Jets| jets.loss(GAMMA) / (GAMMA * factor) - 1.0;
    let mut rows = vec![
        Row::equal("mean σ₁(J_f) on D against 1/(1+γ/R²)", factor, found.tangent, 0.02, LEFT).control(CONTROL, control.tangent),
        Row::equal("σ₂ … σ_n of J_f on D, rms", 0.0, found.normal, 0.1, LEFT).control(CONTROL, control.normal),
        Row::equal("L_γ(f) above its minimum γ/(1+γ/R²), relative", 0.0, excess(found), LOSS, LEFT)
            .control(CONTROL, excess(control)),
    ];
    rows.extend(theorems(circle, found));
    rows
}

/// Theorems C5.1 and C5.2, which hold for any map, with the loss that was reached.
fn theorems(circle: &Circle, found: &Jets) -> Vec<Row> {
    let curvature = circle.curvature_square();
    let identity = |weight: f64| {
        let right = GAMMA + found.error - 2.0 * GAMMA * weight * found.along_curvature + GAMMA * found.from_tangent;
        found.loss(GAMMA) - right
    };
    let beyond = |curvature: f64| found.error.sqrt() - found.error_bound(GAMMA, curvature);
    let bound = |curvature: f64| found.from_tangent - found.jacobian_bound(GAMMA, curvature);
    vec![
        Row::equal("L_γ(f) - (γd + a - 2γE⟨f-x,V⟩ + γE‖J_f-P_T‖²), theorem C5.1", 0.0, identity(1.0), SUMS.0, SUMS.1)
            .control("V = 0", identity(0.0)),
        Row::at_most("E‖J_f-P_T‖² - (ε + γK²), theorem C5.2", 0.0, bound(curvature), SUMS.0, SUMS.1).control("K = 0", bound(0.0)),
        Row::at_most("‖f(x)-x‖, rms, - (γK + √(γ²K² + γε)), theorem C5.2", 0.0, beyond(curvature), SUMS.0, SUMS.1)
            .control("K = 0", beyond(0.0)),
    ]
}

/// ‖J_f - P_T‖ for one γ against that of g_γ. L_γ is quadratic, so `L_γ(f) - L_γ(g_γ) = E‖f - g_γ‖² + γE‖J_f - J‖²` with
/// J = J_{g_γ}: a loss that is off by a part p leaves J off by `√(p/(1 + γ/R²))`.
pub(super) fn trend(circle: &Circle, gamma: f64, found: &Jets, control: &Jets) -> Row {
    let quantity = format!("‖J_f - P_T‖_F on D, rms, γ = {gamma}");
    let factor = circle.factor(gamma);
    let because = "how far J may be from the optimum's where the loss is 2 % above the minimum: √(0.02/(1+γ/R²))";
    Row::equal(quantity, 1.0 - factor, found.from_tangent.sqrt(), (LOSS * factor).sqrt(), because)
        .control(CONTROL, control.from_tangent.sqrt())
}

/// That it falls with γ: [`GAMMA`] over a larger γ.
pub(super) fn falls(circle: &Circle, gamma: f64, [found, larger, control]: [&Jets; 3]) -> Row {
    let over = |jets: &Jets| (jets.from_tangent / larger.from_tangent).sqrt();
    let predicted = (1.0 - circle.factor(GAMMA)) / (1.0 - circle.factor(gamma));
    let quantity = format!("‖J_f - P_T‖_F on D at γ = {GAMMA} over that at γ = {gamma}");
    Row::at_most(quantity, predicted, over(found), 0.3, "as the γs are; what training leaves of J is as large as the smaller one")
        .control(CONTROL, over(control))
}

/// `‖f(x + v) - π(x + v)‖ / ‖v‖` over normal v, which is at most `‖f(x) - x‖/‖v‖ + ‖J_f - P_T‖` and a term of second order.
pub(super) fn near<B: Backend>(
    backend: &B,
    circle: &Circle,
    [found, control]: [&Trained<B>; 2],
    jets: &Jets,
    setting: &Setting,
) -> Result<Row> {
    let mut stream = setting.stream(NUMBER, 6);
    let mut points = Vec::new();
    for x in circle.samples(&mut stream, 200) {
        points.push(circle.beside(&x, DISTANCE, &mut stream)?);
    }
    let relative = |trained: &Trained<B>| Ok(network::distance(backend, &trained.network, circle, &points)? / DISTANCE);
    let because = "the term of second order: second derivatives of f, which no theorem bounds, times 0.1";
    let quantity = "‖f(x+v) - π(x+v)‖ / ‖v‖, rms, normal v of length 0.2, against ‖f(x) - x‖/‖v‖ + ‖J_f - P_T‖";
    let first_order = jets.error.sqrt() / DISTANCE + jets.from_tangent.sqrt();
    Ok(Row::at_most(quantity, first_order, relative(found)?, 0.1, because).control(CONTROL, relative(control)?))
}
