use crate::backend::Backend;
use crate::error::Result;
use crate::theory::claim::{Row, Setting};

use super::circle::Circle;
use super::jet::Jets;
use super::network::{self, Trained};
use super::{CONTROL, GAMMA, LEFT, NUMBER};

/// Distance from D at which f is compared with π.
const DISTANCE: f64 = 0.2;
const SUMS: (f64, &str) =
    (1e-5, "trapezoidal sums over 500 nodes: the Jacobian of an ELU network has kinks, so they err by about nodes⁻²");

/// Singular values, loss and the theorems for [`GAMMA`].
pub(super) fn at_gamma(circle: &Circle, found: &Jets, control: &Jets) -> Vec<Row> {
    let factor = circle.factor(GAMMA);
    let excess = |jets: &Jets| jets.loss(GAMMA) / (GAMMA * factor) - 1.0;
    let mut rows = vec![
        Row::equal("mean σ₁(J_f) on D against 1/(1+γ/R²)", factor, found.tangent, 0.02, LEFT).control(CONTROL, control.tangent),
        Row::equal("σ₂ … σ_n of J_f on D, rms", 0.0, found.normal, 0.05, LEFT).control(CONTROL, control.normal),
        Row::equal("L_γ(f) above its minimum γ/(1+γ/R²), relative", 0.0, excess(found), 0.05, LEFT)
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
    let bound = |curvature: f64| found.from_tangent - found.jacobian_bound(GAMMA, curvature);
    vec![
        Row::equal("L_γ(f) - (γd + a - 2γE⟨f-x,V⟩ + γE‖J_f-P_T‖²), theorem C5.1", 0.0, identity(1.0), SUMS.0, SUMS.1)
            .control("V = 0", identity(0.0)),
        Row::at_most("E‖J_f-P_T‖² - (ε + γK²), theorem C5.2", 0.0, bound(curvature), SUMS.0, SUMS.1).control("K = 0", bound(0.0)),
        Row::at_most(
            "‖f(x)-x‖, rms, against γK + √(γ²K² + γε), theorem C5.2",
            found.error_bound(GAMMA, curvature),
            found.error.sqrt(),
            SUMS.0,
            SUMS.1,
        ),
    ]
}

/// ‖J_f - P_T‖ for one γ against that of g_γ.
pub(super) fn trend(circle: &Circle, gamma: f64, found: &Jets, control: &Jets) -> Row {
    let quantity = format!("‖J_f - P_T‖_F on D, rms, γ = {gamma}");
    Row::equal(quantity, 1.0 - circle.factor(gamma), found.from_tangent.sqrt(), 0.05, LEFT)
        .control(CONTROL, control.from_tangent.sqrt())
}

/// `‖f(x + v) - π(x + v)‖ / ‖v‖` over normal v.
pub(super) fn near<B: Backend>(
    backend: &B,
    circle: &Circle,
    [found, control]: [&Trained<B>; 2],
    setting: &Setting,
) -> Result<Row> {
    let mut stream = setting.stream(NUMBER, 6);
    let mut points = Vec::new();
    for x in circle.samples(&mut stream, 200) {
        points.push(circle.beside(&x, DISTANCE, &mut stream)?);
    }
    let relative = |trained: &Trained<B>| Ok(network::distance(backend, &trained.network, circle, &points)? / DISTANCE);
    let because = "half of what the identity leaves, 1: bias γ/(1+γ) of f, and second derivatives that nothing bounds";
    let quantity = "‖f(x+v) - π(x+v)‖ / ‖v‖, rms, normal v of length 0.2";
    Ok(Row::at_most(quantity, 0.0, relative(found)?, 0.5, because).control(CONTROL, relative(control)?))
}
