use crate::error::Result;
use crate::theory::claim::{Row, Setting};

use super::circle::Circle;
use super::jet::Jets;
use super::network::{self, Penalty, Plan};
use super::{CONTROL, LEFT};

/// γ/R² = 0.05, as on the small circle.
const GAMMA: f64 = 0.4;

/// Pictures of one grating, n = 64, trained with one probe a sample.
pub(super) fn rows(setting: &Setting) -> Result<Vec<Row>> {
    let (backend, circle) = (setting.cpu()?, Circle::wide()?);
    let plan =
        |gamma: f64| Plan { gamma, penalty: Penalty::Probe, hidden: vec![64, 64], steps: 6000, rate: 3e-3, batch: 64, index: 4 };
    let [found, control] = [GAMMA, 0.0].map(|gamma| {
        let trained = network::train(&backend, &circle, &plan(gamma), setting)?;
        Jets::of(&backend, &trained.network, &circle, 64)
    });
    let (found, control) = (found?, control?);
    let factor = circle.factor(GAMMA);
    Ok(vec![
        Row::equal("mean σ₁(J_f) on D against 1/(1+γ/R²), n = 64", factor, found.tangent, 0.02, LEFT)
            .control(CONTROL, control.tangent),
        Row::equal("σ₂ … σ_n of J_f on D, rms, n = 64", 0.0, found.normal, 0.02, LEFT).control(CONTROL, control.normal),
        Row::equal("‖J_f - P_T‖_F on D, rms, n = 64", 1.0 - factor, found.from_tangent.sqrt(), 0.1, LEFT)
            .control(CONTROL, control.from_tangent.sqrt()),
    ])
}
