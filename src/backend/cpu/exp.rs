//! Exponentials and a logarithm without branches, so that loops over them vectorise. Plain multiplies and adds, no fused ones: the same
//! bits on every instruction set.

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; multiples of the first are exact for the exponents that occur (Cody, Waite 1980).
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `x = n ln 2 + r` with |r| <= ln 2 / 2: n as integer and `exp(r) - 1` with a small relative error.
#[inline(always)]
fn split(x: f32) -> (i32, f32) {
    let rounded = x * LOG2_E + ROUND;
    let n = (rounded.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let whole = rounded - ROUND;
    let r = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    // Coefficients of expf in the Cephes library (Moshier 1992).
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    (n, p * (r * r) + r)
}

/// 2^n for -126 <= n <= 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `exp(x)` within 2 units in the last place; 0 and infinity at the ends, NaN for NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (n, tail) = split(x.clamp(-104.0, 89.0));
    // Two factors reach the subnormal numbers below and infinity above.
    let half = n >> 1;
    (tail + 1.0) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `exp(x) - 1` for x <= 0 (0 for positive x), accurate near 0 too: 3 units in the last place.
#[inline(always)]
pub(super) fn exp_minus_one_below_zero(x: f32) -> f32 {
    let (n, tail) = split(x.clamp(-30.0, 0.0));
    let scale = power_of_two(n);
    scale * tail + (scale - 1.0)
}

/// `log(1 + t)` for 0 <= t <= 1 within 3 units in the last place: `2 artanh(z)` with `z = t / (2 + t)` and its power series.
#[inline(always)]
pub(super) fn log_one_plus(t: f32) -> f32 {
    let z = t / (2.0 + t);
    let square = z * z;
    let series = [13.0, 11.0, 9.0, 7.0, 5.0, 3.0].into_iter().fold(1.0 / 15.0, |sum, n| sum * square + 1.0 / n);
    2.0 * (z + z * (square * series))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |value - wanted| in units in the last place of `wanted`.
    fn ulps(value: f32, wanted: f64) -> f64 {
        let unit = f64::from((wanted as f32).abs().next_up()) - f64::from((wanted as f32).abs());
        (f64::from(value) - wanted).abs() / unit
    }

    #[test]
    fn exp_is_within_two_ulps_over_its_whole_range() {
        for i in 0..200_000 {
            let x = -103.9 + 192.6 * (i as f32) / 200_000.0;
            assert!(ulps(exp(x), f64::from(x).exp()) <= 2.0, "exp({x}) = {:e}", exp(x));
        }
    }

    #[test]
    fn exp_minus_one_keeps_its_relative_accuracy() {
        for i in 0..200_000 {
            let x = -10f32.powf(-8.0 + 9.6 * (i as f32) / 200_000.0);
            let (found, wanted) = (exp_minus_one_below_zero(x), f64::from(x).exp_m1());
            assert!(ulps(found, wanted) <= 3.0, "exp({x}) - 1 = {found:e}");
            assert!((f64::from(found) - wanted).abs() <= 1e-7);
        }
    }

    #[test]
    fn log_one_plus_keeps_its_relative_accuracy() {
        for i in 0..=200_000 {
            let t = 10f32.powf(-10.0 + 10.0 * (i as f32) / 200_000.0);
            assert!(ulps(log_one_plus(t), f64::from(t).ln_1p()) <= 3.0, "log(1 + {t}) = {:e}", log_one_plus(t));
        }
        assert_eq!(log_one_plus(0.0), 0.0);
    }

    #[test]
    fn ends_and_non_numbers_are_sane() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(88.8), f32::INFINITY);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp_minus_one_below_zero(f32::NEG_INFINITY), -1.0);
        assert_eq!(exp_minus_one_below_zero(0.0), 0.0);
        assert!(exp_minus_one_below_zero(f32::NAN).is_nan());
    }
}
