use crate::ops::Backend;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};

use super::network::{Circle, Jets, Trained};

/// Singular values of J during training.
pub(super) fn singular_values<B: Backend>(trained: &Trained<B>, control: &Trained<B>) -> Figure {
    let curve = |trained: &Trained<B>, which: usize| {
        trained.history.iter().filter_map(|(step, values)| Some((*step, *values.get(which)?))).collect::<Vec<_>>()
    };
    let last = |trained: &Trained<B>, which: usize| curve(trained, which).last().map_or(f64::NAN, |point| point.1);
    let gamma = trained.gamma;
    let curves = |trained: &Trained<B>, draw: fn(String, Vec<(f64, f64)>) -> Series| {
        let names = (0..).zip(["σ₁", "σ₂", "σ₃"]);
        names.map(|(which, name)| draw(format!("{name}, γ = {}", trained.gamma), curve(trained, which))).collect::<Vec<_>>()
    };
    let series = [curves(trained, Series::line), curves(control, Series::dashed)].concat();
    Figure {
        stem: "c5_singular_values".into(),
        title: "Singular values of J during training, circle in R⁴".into(),
        caption: format!(
            "Root mean squares over D. With γ = {gamma} the first singular value ends at {:.3} and the second at {:.3}; without \
             the penalty (dashed) the second ends at {:.2}.",
            last(trained, 0),
            last(trained, 1),
            last(control, 1)
        ),
        content: Content::chart([AxisSpec::linear("step"), AxisSpec::linear("singular value of J")], series),
    }
}

/// Distance of J from P_T, and of f from the identity on D, for each γ.
pub(super) fn gamma(circle: &Circle, gammas: &[f64], found: &[Jets], control: &Jets) -> Figure {
    let curve = |value: &dyn Fn(f64, &Jets) -> f64| {
        gammas.iter().zip(found).map(|(&gamma, jets)| (gamma, value(gamma, jets))).collect::<Vec<_>>()
    };
    let bound = |gamma: f64, jets: &Jets| jets.jacobian_bound(gamma, circle.curvature_square()).max(0.0).sqrt();
    let series = vec![
        Series::line("‖J_f - P_T‖, network", curve(&|_, jets| jets.from_tangent.sqrt())),
        Series::dashed("√(ε + γK²), the bound", curve(&bound)),
        Series::dashed("1 - 1/(1 + γ/R²), the optimum", curve(&|gamma, _| 1.0 - circle.factor(gamma))),
        Series::dots("‖f(x) - x‖, network", curve(&|_, jets| jets.error.sqrt())),
        Series::dashed("‖J_f - P_T‖, γ = 0", curve(&|_, _| control.from_tangent.sqrt())),
    ];
    Figure {
        stem: "c5_gamma".into(),
        title: "The Jacobian tends to P_T as γ tends to 0".into(),
        caption: format!(
            "Root mean squares over a circle of radius 1 in R⁴. ‖J_f - P_T‖ stays below the bound of theorem C5.2; for γ = 0 it \
             is {:.2}.",
            control.from_tangent.sqrt()
        ),
        content: Content::chart([AxisSpec::log("γ"), AxisSpec::log("root mean square")], series),
    }
}
