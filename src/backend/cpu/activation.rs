//! Activations and their slopes as functions of one number, and the loop that applies them to a slice in place.

use super::elementwise::Elementwise;
use super::exp::{exp, exp_minus_one_below_zero, log_one_plus};
use super::simd::{Simd, Vector};
use crate::shape::Activation;

/// `x` for x > 0, else `exp(x) - 1`.
#[inline(always)]
fn elu(x: f32) -> f32 {
    let below = exp_minus_one_below_zero(x);
    if x > 0.0 { x } else { below }
}

/// `(1 - e) / (1 + e)` with `e = exp(-2|x|)`, in a form that loses nothing near 0.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let tail = exp_minus_one_below_zero(-2.0 * x.abs());
    (-tail / (2.0 + tail)).copysign(x)
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `log(1 + exp(x))` without overflow.
#[inline(always)]
fn softplus(x: f32) -> f32 {
    // A comparison rather than `max`, which would turn NaN into 0.
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + log_one_plus(exp(-x.abs()))
}

/// `values = A(values)`.
pub(super) fn activate(simd: Simd, activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Elu => map(simd, values, elu),
        Activation::Tanh => map(simd, values, tanh),
        Activation::Sigmoid => map(simd, values, sigmoid),
        Activation::Softplus => map(simd, values, softplus),
    }
}

#[inline(always)]
fn map(simd: Simd, values: &mut [f32], f: impl Fn(f32) -> f32) {
    simd.run(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = f(*value)),
    );
}

/// ELU's slope at its output y.
#[inline(always)]
pub(super) fn elu_slope(y: f32) -> f32 {
    if y > 0.0 { 1.0 } else { 1.0 + y }
}

/// `z = z ⊙ S(y)` with ELU's slope at its output y; NaN stays NaN.
pub(super) struct TimesEluSlope;

impl Elementwise<1> for TimesEluSlope {
    #[inline(always)]
    fn apply<V: Vector>(z: V, [y]: [V; 1]) -> V {
        let one = V::splat(1.0);
        z.mul(one.min(one.add(y)))
    }
}

/// `values = S⁽ᵏ⁾(values)`, the derivative of order `order` of the slope, at outputs.
pub(super) fn slope_derivative(simd: Simd, activation: Activation, order: u32, values: &mut [f32]) {
    match (activation, order) {
        (Activation::Identity, 0) => values.fill(1.0),
        (Activation::Elu, 0) => map(simd, values, elu_slope),
        (Activation::Tanh, 0) => map(simd, values, |y| 1.0 - y * y),
        (Activation::Sigmoid, 0) => map(simd, values, |y| y - y * y),
        // Outputs of softplus are not negative.
        (Activation::Softplus, 0) => map(simd, values, |y| -exp_minus_one_below_zero(-y)),
        (Activation::Elu, 1) => map(simd, values, |y| if y > 0.0 { 0.0 } else { 1.0 }),
        (Activation::Tanh, 1) => map(simd, values, |y| -2.0 * y),
        (Activation::Sigmoid, 1) => map(simd, values, |y| 1.0 - 2.0 * y),
        (Activation::Tanh | Activation::Sigmoid, 2) => values.fill(-2.0),
        (Activation::Softplus, _) if order % 2 == 1 => map(simd, values, |y| exp(-y)),
        (Activation::Softplus, _) => map(simd, values, |y| -exp(-y)),
        _ => values.fill(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_match_their_definitions_in_f64() {
        let xs: Vec<f32> = (0..4001).map(|i| (i as f32 - 2000.0) / 50.0).chain([1e-6, -1e-6, -3e-4]).collect();
        type Definition = fn(f64) -> f64;
        let table: [(Activation, Definition); 5] = [
            (Activation::Identity, |x| x),
            (Activation::Elu, |x| if x > 0.0 { x } else { x.exp_m1() }),
            (Activation::Tanh, f64::tanh),
            (Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
            (Activation::Softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        ];
        for (activation, definition) in table {
            let mut ys = xs.clone();
            activate(Simd::widest(), activation, &mut ys);
            for (&x, &y) in xs.iter().zip(&ys) {
                let wanted = definition(f64::from(x));
                assert!((f64::from(y) - wanted).abs() <= 6e-7 * wanted.abs(), "{activation:?}({x}) = {y}, not {wanted}");
            }
        }
    }

    #[test]
    fn slopes_match_central_differences_of_the_slope_before() {
        let ys = [0.05f32, 0.3, 0.6, 0.9];
        let at = |activation, order, y: f32| {
            let mut value = [y];
            slope_derivative(Simd::widest(), activation, order, &mut value);
            value[0]
        };
        for activation in [Activation::Identity, Activation::Elu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus] {
            for (order, y) in (0..4).flat_map(|order| ys.map(|y| (order, y))) {
                for y in [y, -y] {
                    if activation == Activation::Softplus && y < 0.0 {
                        continue;
                    }
                    let step = 0.01;
                    let difference = (at(activation, order, y + step) - at(activation, order, y - step)) / (2.0 * step);
                    let found = at(activation, order + 1, y);
                    assert!((found - difference).abs() < 1e-3, "{activation:?} order {order} at {y}: {found} {difference}");
                }
            }
        }
    }

    #[test]
    fn nan_stays_nan() {
        for activation in [Activation::Elu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus] {
            let mut values = [f32::NAN; 17];
            activate(Simd::widest(), activation, &mut values);
            assert!(values.iter().all(|value| value.is_nan()), "{activation:?}");
        }
    }
}
