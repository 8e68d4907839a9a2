//! Masked two-region objective (Method §3), with `e = f(x̂) - x`:
//!
//! `L = 1/n Σ_images [(1-λ)/‖M̄‖₁ Σ M̄ ρ(e) + λ/‖M‖₁ Σ M ρ(e)]`.
//!
//! Every element e has one weight, `((1-λ) M̄/‖M̄‖₁ + λ M/‖M‖₁) / n`; the norms count every channel and a region of norm 0
//! contributes 0. The k-th derivative is this weight times `ρ⁽ᵏ⁾(e)`. The loss sums millions of terms, so it is computed in f64
//! for both element types.

use super::{Objective, ObjectiveSpec, Penalty};
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: Objective<'_, Vec<T>>) {
    match call {
        Objective::Loss { spec, output, target, mask, loss } => {
            let mut sum = 0.0;
            each_error(spec, [output, target, mask], |_, weight, e| sum += weight * rho(spec, 0, e));
            loss[0] = T::of(sum);
        }
        Objective::Derivative { spec, order, output, target, mask, d } => {
            each_error(spec, [output, target, mask], |index, weight, e| d[index] = T::of(weight * rho(spec, order, e)));
        }
    }
}

/// Every element's flat index, weight and error e.
fn each_error<T: Real>(spec: &ObjectiveSpec, [output, target, mask]: [&Vec<T>; 3], mut visit: impl FnMut(usize, f64, f64)) {
    let [pixels, channels] = [spec.pixels, spec.channels].map(|extent| extent as usize);
    let weights: Vec<_> = mask.chunks(pixels).map(|mask| region_weights(spec, mask)).collect();
    for (pixel, m) in mask.iter().enumerate() {
        let (clean, corrupted) = weights[pixel / pixels];
        let weight = clean * (1.0 - m.f64()) + corrupted * m.f64();
        for index in pixel * channels..(pixel + 1) * channels {
            visit(index, weight, output[index].f64() - target[index].f64());
        }
    }
}

/// `(1-λ) / (n ‖M̄‖₁)` and `λ / (n ‖M‖₁)` of one image; 0 for an empty region.
fn region_weights<T: Real>(spec: &ObjectiveSpec, mask: &[T]) -> (f64, f64) {
    let scale = f64::from(spec.n) * f64::from(spec.channels);
    let weight = |share: f64, area: f64| if area > 0.0 { share / (scale * area) } else { 0.0 };
    let corrupted = mask.iter().map(|m| m.f64()).sum();
    let clean = mask.iter().map(|m| 1.0 - m.f64()).sum();
    (weight(1.0 - spec.lambda, clean), weight(spec.lambda, corrupted))
}

/// `ρ⁽ᵏ⁾(e)` for the order k from 0 to 3. With `r = √(e² + ε²)`, Charbonnier's ρ is `2ε(r - ε) = 2ε e²/(r + ε)`.
fn rho(spec: &ObjectiveSpec, order: u32, e: f64) -> f64 {
    let epsilon = spec.epsilon;
    let r = e.hypot(epsilon);
    match (spec.penalty, order) {
        (Penalty::Squared, 0) => e * e,
        (Penalty::Squared, 1) => 2.0 * e,
        (Penalty::Squared, 2) => 2.0,
        (Penalty::Squared, _) => 0.0,
        (Penalty::Charbonnier, 0) => 2.0 * epsilon * e * e / (r + epsilon),
        (Penalty::Charbonnier, 1) => 2.0 * epsilon * e / r,
        (Penalty::Charbonnier, 2) => 2.0 * (epsilon / r).powi(3),
        (Penalty::Charbonnier, _) => -6.0 * (epsilon / r).powi(3) * e / (r * r),
    }
}
