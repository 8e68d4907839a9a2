//! Root finding and rejection sampling in one dimension.

use std::f64::consts::TAU;

use crate::rng::Stream;

/// The point where the increasing function `g` changes sign in [low, high], to the last bit; an end if it does not change sign.
/// Bisection: needs no derivative, cannot leave the interval, and stops when no number lies between the ends.
pub(super) fn increasing_root(mut low: f64, mut high: f64, g: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            return if g(low) >= 0.0 { low } else { high };
        }
        if g(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// A value that `draw` proposes, accepted with a probability proportional to `density`, which is at most `largest`.
pub(super) fn accepted(
    stream: &mut Stream,
    largest: f64,
    draw: impl Fn(&mut Stream) -> f64,
    density: impl Fn(f64) -> f64,
) -> f64 {
    loop {
        let value = draw(stream);
        if largest * stream.uniform_f64() < density(value) {
            return value;
        }
    }
}

/// A uniformly random angle from 0 to 2π.
pub(super) fn angle(stream: &mut Stream) -> f64 {
    TAU * stream.uniform_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_every_size_are_found_to_the_last_bit() {
        assert_eq!(increasing_root(0.0, 3.0, |t| t * t - 2.0), std::f64::consts::SQRT_2);
        assert_eq!(increasing_root(0.0, 1.0, |t| t - 1e-200), 1e-200);
        assert_eq!(increasing_root(-1e300, 1e300, |t| t - 5.0), 5.0);
    }

    #[test]
    fn without_a_sign_change_the_result_is_an_end() {
        assert_eq!(increasing_root(1.0, 2.0, |t| t), 1.0);
        assert_eq!(increasing_root(1.0, 2.0, |t| t - 3.0), 2.0);
        assert_eq!(increasing_root(1.0, 1.0, |t| t), 1.0);
    }
}
