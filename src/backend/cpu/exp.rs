//! Exponentials and a logarithm of vectors without branches.

use super::simd::{Vector, WHOLE};

/// ln 2 as a sum of two numbers. Multiples of the first are exact for all exponents that occur (Cody, Waite 1980).
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];

/// n and `exp(r) - 1` for `x = n ln 2 + r` with |r| <= ln 2 / 2. The second has a small relative error.
#[inline(always)]
fn split<V: Vector>(x: V) -> (V, V) {
    let n = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(WHOLE)).sub(V::splat(WHOLE));
    let r = n.mul_add(V::splat(-LN_2[1]), n.mul_add(V::splat(-LN_2[0]), x));
    // Coefficients of expf in the Cephes library (Moshier 1992).
    let p = V::splat(1.987_569_1e-4);
    let p = p.mul_add(r, V::splat(1.398_2e-3));
    let p = p.mul_add(r, V::splat(8.333_452e-3));
    let p = p.mul_add(r, V::splat(4.166_579_6e-2));
    let p = p.mul_add(r, V::splat(1.666_666_5e-1));
    let p = p.mul_add(r, V::splat(0.5));
    (n, p.mul_add(r.mul(r), r))
}

/// 2ⁿ for integers -127 < n < 128.
#[inline(always)]
fn power_of_two<V: Vector>(n: V) -> V {
    n.add(V::splat(WHOLE)).power_of_two()
}

/// `x` clamped to `low ..= high`; NaN stays NaN.
#[inline(always)]
fn clamp<V: Vector>(x: V, low: f32, high: f32) -> V {
    V::splat(high).min(V::splat(low).max(x))
}

/// `exp(x)` within 2 units in the last place. Underflows to 0 and overflows to infinity; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<V: Vector>(x: V) -> V {
    let (n, tail) = split(clamp(x, -104.0, 89.0));
    // One factor cannot be a subnormal number or infinity; a product of two can.
    let half = n.mul_add(V::splat(0.5), V::splat(WHOLE)).sub(V::splat(WHOLE));
    tail.add(V::splat(1.0)).mul(power_of_two(half)).mul(power_of_two(n.sub(half)))
}

/// As [`exp`], but the result is at least 1.2e-38 and at most 1.7e38.
#[inline(always)]
pub(crate) fn exp_within_normal_numbers<V: Vector>(x: V) -> V {
    let (n, tail) = split(clamp(x, -87.3, 88.0));
    let scale = power_of_two(n);
    scale.mul_add(tail, scale)
}

/// `exp(x) - 1` for x <= 0, within 3 units in the last place, also near 0. The result is 0 for positive x.
#[inline(always)]
pub(crate) fn exp_minus_one_below_zero<V: Vector>(x: V) -> V {
    let (n, tail) = split(clamp(x, -30.0, 0.0));
    let scale = power_of_two(n);
    scale.mul_add(tail, scale.sub(V::splat(1.0)))
}

/// `log(1 + t)` for 0 <= t <= 1 within 3 units in the last place: `2 artanh(z)` with `z = t / (2 + t)` and its power series.
#[inline(always)]
pub(crate) fn log_one_plus<V: Vector>(t: V) -> V {
    let z = t.div(t.add(V::splat(2.0)));
    let square = z.mul(z);
    let mut series = V::splat(1.0 / 15.0);
    for n in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = series.mul_add(square, V::splat(1.0 / n));
    }
    let half = z.mul_add(series.mul(square), z);
    half.add(half)
}

#[cfg(test)]
mod tests {
    use super::super::elementwise::{Elementwise, each};
    use super::super::simd::{Isa, Simd};
    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Exp;
    impl Elementwise<0> for Exp {
        #[inline(always)]
        fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
            exp(x)
        }
    }

    #[derive(Clone, Copy, Default)]
    struct Normal;
    impl Elementwise<0> for Normal {
        #[inline(always)]
        fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
            exp_within_normal_numbers(x)
        }
    }

    #[derive(Clone, Copy, Default)]
    struct ExpMinusOne;
    impl Elementwise<0> for ExpMinusOne {
        #[inline(always)]
        fn apply<V: Vector>(self, x: V, []: [V; 0]) -> V {
            exp_minus_one_below_zero(x)
        }
    }

    #[derive(Clone, Copy, Default)]
    struct LogOnePlus;
    impl Elementwise<0> for LogOnePlus {
        #[inline(always)]
        fn apply<V: Vector>(self, t: V, []: [V; 0]) -> V {
            log_one_plus(t)
        }
    }

    /// Applies `F` to every x with every instruction set of this machine: (instruction set, x, F(x)).
    fn on_every_isa<F: Elementwise<0> + Default>(xs: &[f32]) -> Vec<(Isa, f32, f32)> {
        let of = |simd: Simd| {
            let mut values = xs.to_vec();
            each(simd, F::default(), &mut values, []);
            xs.iter().zip(values).map(move |(&x, value)| (simd.isa(), x, value)).collect::<Vec<_>>()
        };
        Simd::every().flat_map(of).collect()
    }

    /// |value - wanted| in units in the last place of `wanted`.
    fn ulps(value: f32, wanted: f64) -> f64 {
        let unit = f64::from((wanted as f32).abs().next_up()) - f64::from((wanted as f32).abs());
        (f64::from(value) - wanted).abs() / unit
    }

    #[test]
    fn exp_is_within_two_ulps_over_its_whole_range() {
        let xs: Vec<f32> = (0..200_000).map(|i| -103.9 + 192.6 * (i as f32) / 200_000.0).collect();
        for (isa, x, found) in on_every_isa::<Exp>(&xs) {
            assert!(ulps(found, f64::from(x).exp()) <= 2.0, "{isa:?}: exp({x}) = {found:e}");
        }
    }

    #[test]
    fn exp_within_normal_numbers_is_within_two_ulps_and_saturates() {
        let xs: Vec<f32> = (0..200_000).map(|i| -87.3 + 175.3 * (i as f32) / 200_000.0).collect();
        for (isa, x, found) in on_every_isa::<Normal>(&xs) {
            assert!(ulps(found, f64::from(x).exp()) <= 2.0, "{isa:?}: exp({x}) = {found:e}");
        }
        for (isa, x, found) in on_every_isa::<Normal>(&[-1e9, 1e9, f32::NAN]) {
            let sane = if x < 0.0 { found > 0.0 && found < 1.3e-38 } else { found > 1.6e38 && found.is_finite() };
            assert!(sane || x.is_nan() && found.is_nan(), "{isa:?}: exp({x}) = {found:e}");
        }
    }

    #[test]
    fn exp_minus_one_keeps_its_relative_accuracy() {
        let xs: Vec<f32> = (0..200_000).map(|i| -10f32.powf(-8.0 + 9.6 * (i as f32) / 200_000.0)).collect();
        for (isa, x, found) in on_every_isa::<ExpMinusOne>(&xs) {
            let wanted = f64::from(x).exp_m1();
            assert!(ulps(found, wanted) <= 3.0, "{isa:?}: exp({x}) - 1 = {found:e}");
            assert!((f64::from(found) - wanted).abs() <= 1e-7);
        }
    }

    #[test]
    fn log_one_plus_keeps_its_relative_accuracy() {
        let ts: Vec<f32> = (0..=200_000).map(|i| 10f32.powf(-10.0 + 10.0 * (i as f32) / 200_000.0)).chain([0.0]).collect();
        for (isa, t, found) in on_every_isa::<LogOnePlus>(&ts) {
            let wanted = f64::from(t).ln_1p();
            assert!(ulps(found, wanted) <= 3.0 || t == 0.0 && found == 0.0, "{isa:?}: log(1 + {t}) = {found:e}");
        }
    }

    #[test]
    fn extreme_arguments_and_nan_give_their_limits() {
        let (xs, infinite) = ([f32::NEG_INFINITY, -200.0, f32::INFINITY, 88.8, 0.0, f32::NAN], f32::INFINITY);
        for found in on_every_isa::<Exp>(&xs).chunks(xs.len()) {
            let values: Vec<f32> = found.iter().map(|&(_, _, value)| value).collect();
            assert!(values[..5] == [0.0, 0.0, infinite, infinite, 1.0] && values[5].is_nan(), "{found:?}");
        }
        for found in on_every_isa::<ExpMinusOne>(&xs).chunks(xs.len()) {
            let values: Vec<f32> = found.iter().map(|&(_, _, value)| value).collect();
            assert!(values[..5] == [-1.0, -1.0, 0.0, 0.0, 0.0] && values[5].is_nan(), "{found:?}");
        }
    }
}
