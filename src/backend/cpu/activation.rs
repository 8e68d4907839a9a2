//! Activations, their slopes and the derivatives of the slopes, as functions of vectors.

use super::elementwise::{Elementwise, each, each_in_parallel};
use super::exp::{exp, exp_minus_one_below_zero, exp_within_normal_numbers, log_one_plus};
use super::simd::{Simd, Vector};
use crate::shape::Activation;
use slope::Times;

/// `x`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Identity;

impl Elementwise<0> for Identity {
    #[inline(always)]
    fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
        x
    }
}

/// `x` for x > 0, else `exp(x) - 1`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Elu;

impl Elementwise<0> for Elu {
    #[inline(always)]
    fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
        // For x <= 0, exp(x) - 1 is at least x. For positive x, the function returns 0.
        x.max(exp_minus_one_below_zero(x))
    }
}

/// `(1 - e) / (1 + e)` with `e = exp(-2|x|)` and the sign of x, in a form without cancellation near 0. The result for -0 is 0.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tanh;

impl Elementwise<0> for Tanh {
    #[inline(always)]
    fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
        let zero = V::splat(0.0);
        let size = |x: V| {
            let tail = exp_minus_one_below_zero(zero.sub(x.add(x)));
            zero.sub(tail).div(tail.add(V::splat(2.0)))
        };
        // One of the two terms is 0.
        size(x).sub(size(zero.sub(x)))
    }
}

/// `1 / (1 + exp(-x))`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sigmoid;

impl Elementwise<0> for Sigmoid {
    #[inline(always)]
    fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
        let one = V::splat(1.0);
        one.div(one.add(exp_within_normal_numbers(V::splat(0.0).sub(x))))
    }
}

/// `log(1 + exp(x))` without overflow.
#[derive(Clone, Copy, Default)]
pub(crate) struct Softplus;

impl Elementwise<0> for Softplus {
    #[inline(always)]
    fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
        let zero = V::splat(0.0);
        let below = zero.sub(x).min(x);
        zero.max(x).add(log_one_plus(exp(below)))
    }
}

/// `values = A(values)`.
pub(crate) fn activate(simd: Simd, activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Elu => each(simd, Elu, values, []),
        Activation::Tanh => each(simd, Tanh, values, []),
        Activation::Sigmoid => each(simd, Sigmoid, values, []),
        Activation::Softplus => each(simd, Softplus, values, []),
    }
}

/// Slopes and their derivatives as functions of the output y.
pub(crate) mod slope {
    use super::{Elementwise, Vector, exp, exp_minus_one_below_zero};

    /// `z ⊙ S(y)` of z and y.
    #[derive(Clone, Copy, Default)]
    pub struct Times<S>(pub S);

    impl<S: Elementwise<0>> Elementwise<1> for Times<S> {
        #[inline(always)]
        fn apply<V: Vector>(self, z: V, [y]: [V; 1]) -> V {
            z.mul(self.0.apply(y, []))
        }
    }

    /// `1 - y²`.
    pub type Tanh = Polynomial<1, 0, -1>;
    /// `y - y²`.
    pub type Sigmoid = Polynomial<0, 1, -1>;

    /// `C0 + C1 y + C2 y²`.
    #[derive(Clone, Copy, Default)]
    pub struct Polynomial<const C0: i32, const C1: i32, const C2: i32>;

    impl<const C0: i32, const C1: i32, const C2: i32> Elementwise<0> for Polynomial<C0, C1, C2> {
        #[inline(always)]
        fn apply<V: Vector>(self, y: V, []: [V; 0]) -> V {
            let [c0, c1, c2] = [C0, C1, C2].map(|c| V::splat(c as f32));
            c2.mul_add(y, c1).mul_add(y, c0)
        }
    }

    /// 1 for y > 0, else 1 + y; NaN stays NaN.
    #[derive(Clone, Copy, Default)]
    pub struct Elu;

    impl Elementwise<0> for Elu {
        #[inline(always)]
        fn apply<V: Vector>(self, y: V, []: [V; 0]) -> V {
            let one = V::splat(1.0);
            one.min(one.add(y))
        }
    }

    /// `1 - exp(-y)`, the slope of softplus, whose outputs are not negative.
    #[derive(Clone, Copy, Default)]
    pub struct Softplus;

    impl Elementwise<0> for Softplus {
        #[inline(always)]
        fn apply<V: Vector>(self, y: V, []: [V; 0]) -> V {
            let zero = V::splat(0.0);
            zero.sub(exp_minus_one_below_zero(zero.sub(y)))
        }
    }

    /// `SIGN · exp(-y)`.
    #[derive(Clone, Copy, Default)]
    pub struct Decay<const SIGN: i32>;

    impl<const SIGN: i32> Elementwise<0> for Decay<SIGN> {
        #[inline(always)]
        fn apply<V: Vector>(self, y: V, []: [V; 0]) -> V {
            V::splat(SIGN as f32).mul(exp(V::splat(0.0).sub(y)))
        }
    }
}

/// `dz = dz ⊙ S(y)`.
pub(crate) fn through_slope(simd: Simd, activation: Activation, y: &[f32], dz: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Elu => each_in_parallel(simd, Times(slope::Elu), dz, [y]),
        Activation::Tanh => each_in_parallel(simd, Times(slope::Tanh::default()), dz, [y]),
        Activation::Sigmoid => each_in_parallel(simd, Times(slope::Sigmoid::default()), dz, [y]),
        Activation::Softplus => each_in_parallel(simd, Times(slope::Softplus), dz, [y]),
    }
}

/// `values = S⁽ᵏ⁾(values)`: the derivative of order k = `order` of the slope as a function of the output.
pub(crate) fn slope_derivative(simd: Simd, activation: Activation, order: u32, values: &mut [f32]) {
    match (activation, order) {
        (Activation::Identity, 0) => values.fill(1.0),
        (Activation::Elu, 0) => each(simd, slope::Elu, values, []),
        (Activation::Tanh, 0) => each(simd, slope::Tanh::default(), values, []),
        (Activation::Sigmoid, 0) => each(simd, slope::Sigmoid::default(), values, []),
        (Activation::Softplus, 0) => each(simd, slope::Softplus, values, []),
        (Activation::Elu, 1) => values.iter_mut().for_each(|y| *y = if *y > 0.0 { 0.0 } else { 1.0 }),
        (Activation::Tanh, 1) => each(simd, slope::Polynomial::<0, -2, 0>, values, []),
        (Activation::Sigmoid, 1) => each(simd, slope::Polynomial::<1, -2, 0>, values, []),
        (Activation::Tanh | Activation::Sigmoid, 2) => values.fill(-2.0),
        (Activation::Softplus, _) if order % 2 == 1 => each(simd, slope::Decay::<1>, values, []),
        (Activation::Softplus, _) => each(simd, slope::Decay::<-1>, values, []),
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
            for simd in Simd::every() {
                let mut ys = xs.clone();
                activate(simd, activation, &mut ys);
                for (&x, &y) in xs.iter().zip(&ys) {
                    let (wanted, isa) = (definition(f64::from(x)), simd.isa());
                    let close = (f64::from(y) - wanted).abs() <= 6e-7 * wanted.abs();
                    assert!(close, "{isa:?}: {activation:?}({x}) = {y}, not {wanted}");
                }
            }
        }
    }

    #[test]
    fn slopes_match_central_differences_of_the_next_lower_order() {
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
            for simd in Simd::every() {
                let mut values = [f32::NAN; 17];
                activate(simd, activation, &mut values);
                assert!(values.iter().all(|value| value.is_nan()), "{activation:?}");
            }
        }
    }
}
