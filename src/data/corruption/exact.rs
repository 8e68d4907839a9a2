//! Functions made of +, -, ×, ÷ and square root in f32, whose results IEEE 754 defines exactly, so that every device computes the
//! same bits. `kernels/exact.cuh` has the same functions in the same order of operations.

/// `low (high / low)^u` for u a multiple of 2^-24 in [0, 1).
///
/// The power is a product of repeated square roots, one per binary digit of u.
pub(super) fn log_uniform(u: f32, low: f32, high: f32) -> f32 {
    let digits = (u * 16_777_216.0) as u32;
    let (mut root, mut power) = (high / low, 1.0);
    for digit in (0..24).rev() {
        root = root.sqrt();
        if digits >> digit & 1 == 1 {
            power *= root;
        }
    }
    low * power
}

/// Cosine and sine of 2πu for u in [0, 1), to 24 binary digits of u.
///
/// The rotation is a product of rotations by a half turn, a quarter turn and so on, one per binary digit of u. Each follows from
/// the one before by the formulas for half an angle, `cos(a/2) = √((1 + cos a)/2)` and `sin(a/2) = sin a / (2 cos(a/2))`.
pub(super) fn direction(u: f32) -> [f32; 2] {
    let digits = (u * 16_777_216.0) as u32;
    let (mut cosine, mut sine) = (if digits >> 23 & 1 == 1 { -1.0f32 } else { 1.0 }, 0.0f32);
    let (mut c, mut s) = (0.0f32, 1.0f32);
    for digit in (0..23).rev() {
        if digits >> digit & 1 == 1 {
            (cosine, sine) = (cosine * c - sine * s, sine * c + cosine * s);
        }
        let half = ((1.0 + c) * 0.5).sqrt();
        (c, s) = (half, s / (2.0 * half));
    }
    [cosine, sine]
}

/// `1 / (1 + exp(-z))`.
pub(super) fn logistic(z: f32) -> f32 {
    let e = exp_of_negative(z.abs());
    if z < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// `exp(-z)` for z ≥ 0; 0 from 87 on, before the result is subnormal.
///
/// `z = n ln 2 + r`; the factor `exp(-r)` is its Taylor polynomial of degree 9, and 2^-n is made of its bits. ln 2 is split into
/// a part of few binary digits and a rest, so that r has no rounding error to speak of.
fn exp_of_negative(z: f32) -> f32 {
    if z.is_nan() || z >= 87.0 {
        return 0.0;
    }
    let n = (z * std::f32::consts::LOG2_E) as u32;
    let r = (z - n as f32 * 0.693_359_4) - n as f32 * -2.121_944_4e-4;
    let mut sum = 1.0f32;
    for k in (1..10).rev() {
        sum = 1.0 - r * sum / k as f32;
    }
    sum * f32::from_bits((127 - n) << 23)
}

/// `-ln v` for v in [2^-126, 1]: `-ln 2` times the exponent, and for the mantissa m in (√½, √2] twice the series of the inverse
/// hyperbolic tangent of (m - 1)/(m + 1).
fn negative_log(v: f32) -> f32 {
    let bits = v.to_bits();
    let (mut exponent, mut m) = ((bits >> 23) as i32 - 127, f32::from_bits(bits & 0x7F_FFFF | 0x3F80_0000));
    if m > std::f32::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = s * (2.0 + q * (0.666_666_7 + q * (0.4 + q * (0.285_714_3 + q * 0.222_222_2))));
    -(exponent as f32 * std::f32::consts::LN_2 + series)
}

/// A number of the Gamma distribution of shape 2 and scale 1, the sum of two exponential ones, from two uniform numbers in [0,
/// 1).
pub(super) fn gamma2(a: f32, b: f32) -> f32 {
    negative_log((1.0 - a) * (1.0 - b))
}

/// Nearly normal number of mean 0 and variance 1: the sum of eight 16-bit numbers, centred and scaled. Its excess kurtosis is
/// -0.15, and it never exceeds 4.9 standard deviations.
pub(super) fn deviate(bits: [u32; 4]) -> f32 {
    let sum: u32 = bits.into_iter().map(|bits| (bits & 0xFFFF) + (bits >> 16)).sum();
    // 8 · 65535 / 2, and the square root of 8 (65536² - 1) / 12.
    (sum as f32 - 262_140.0) * (1.0 / 53_509.92)
}

/// The mask at a depth inside the shape: the smoothstep of `depth / fade`, 0 outside, 1 from the depth `fade` on.
pub(super) fn fade_in(depth: f32, fade: f32) -> f32 {
    if depth <= 0.0 {
        0.0
    } else if depth >= fade {
        1.0
    } else {
        let t = depth / fade;
        t * t * (3.0 - 2.0 * t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn log_uniform_is_the_power(digits in 0u32..1 << 24, low in 0.01f32..1.0, factor in 1.0f32..100.0) {
            let u = digits as f32 / 16_777_216.0;
            let want = f64::from(low) * (f64::from(low * factor) / f64::from(low)).powf(f64::from(u));
            let found = f64::from(log_uniform(u, low, low * factor));
            prop_assert!((found / want - 1.0).abs() < 3e-6, "{} want {}", found, want);
        }

        #[test]
        fn direction_is_cosine_and_sine(digits in 0u32..1 << 24) {
            let u = digits as f32 / 16_777_216.0;
            let (sine, cosine) = (f64::from(u) * std::f64::consts::TAU).sin_cos();
            let [c, s] = direction(u).map(f64::from);
            prop_assert!((c - cosine).abs() < 2e-6 && (s - sine).abs() < 2e-6, "{} {} want {} {}", c, s, cosine, sine);
        }

        #[test]
        fn logistic_is_the_formula(z in -100.0f32..100.0) {
            let want = 1.0 / (1.0 + (-f64::from(z)).exp());
            let found = f64::from(logistic(z));
            prop_assert!((found - want).abs() < 1e-6 * want + 1e-37, "{} want {}", found, want);
        }
    }

    proptest! {
        #[test]
        fn negative_log_is_the_logarithm(v in 1e-14f32..1.0) {
            let (found, want) = (f64::from(negative_log(v)), -f64::from(v).ln());
            prop_assert!((found - want).abs() < 3e-7 * want + 1e-7, "{} want {}", found, want);
        }
    }

    #[test]
    fn gamma_by_hand() {
        assert_eq!(gamma2(0.0, 0.0), 0.0);
        assert!((gamma2(0.5, 0.75) - 8f32.ln()).abs() < 1e-6);
        let largest = 1.0 - 2f32.powi(-24);
        assert!((gamma2(largest, largest) - 48.0 * 2f32.ln()).abs() < 1e-5);
    }

    #[test]
    fn quarter_turns_are_exact() {
        assert_eq!(direction(0.0), [1.0, 0.0]);
        assert_eq!(direction(0.25), [0.0, 1.0]);
        assert_eq!(direction(0.5), [-1.0, 0.0]);
        assert_eq!(direction(0.75).map(f32::abs), [0.0, 1.0]);
        assert!(direction(0.75)[1] < 0.0);
    }

    #[test]
    fn the_exponential_ends_where_it_would_be_subnormal() {
        assert_eq!((exp_of_negative(0.0), exp_of_negative(87.0), exp_of_negative(f32::NAN)), (1.0, 0.0, 0.0));
        let smallest = exp_of_negative(86.99);
        assert!(smallest.is_normal() && (f64::from(smallest) / (-86.99f64).exp() - 1.0).abs() < 1e-5, "{smallest:e}");
        assert_eq!((logistic(0.0), logistic(200.0), logistic(-200.0)), (0.5, 1.0, 0.0));
    }
}
