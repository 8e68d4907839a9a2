//! The arithmetic of tensor cores on the emulator, on the test vectors by which Fasi et al. (2021) tell it from others: each
//! result is worked out by hand from the rules in `kernels/emulator/matrix_unit.h`.

use orthoscope::backend::cuda::driver::emulator::{MatrixUnit, dot_of_matrix_unit};
use orthoscope::rng::{Purpose, Stream};

use MatrixUnit::{Ampere, Hopper, InSequence};

const UNITS: [MatrixUnit; 3] = [InSequence, Ampere, Hopper];

fn power(exponent: i32) -> f32 {
    2.0f64.powi(exponent) as f32
}

/// `sum` plus these products, in the three ways.
fn sums(sum: f32, products: &[(f32, f32)]) -> [f32; 3] {
    let (mut a, mut b) = ([0.0; 16], [0.0; 16]);
    products.iter().enumerate().for_each(|(k, &factors)| (a[k], b[k]) = factors);
    UNITS.map(|unit| dot_of_matrix_unit(unit, sum, &a, &b))
}

#[test]
fn results_are_cut_off_not_rounded() {
    // 1.5 units below the last place of 1: to nearest that is one unit in the last place.
    assert_eq!(sums(1.0, &[(1.5 * power(-12), power(-12))]), [1.0 + power(-23), 1.0, 1.0]);
    // Towards zero, also for negative numbers.
    assert_eq!(sums(-1.0, &[(-1.5 * power(-12), power(-12))]), [-1.0 - power(-23), -1.0, -1.0]);
    // -1 + 2^-25 is a tie that goes to -1; Ampere does not see the term; Hopper cuts the sum off.
    assert_eq!(sums(-1.0, &[(power(-13), power(-12))]), [-1.0, -1.0, power(-24) - 1.0]);
}

#[test]
fn terms_are_cut_off_below_the_largest() {
    // Sixteen terms, each too small to change 1 alone. With 24 fraction bits terms of 2^-24 count, with 25 also those of 2^-25.
    let many = |exponent| sums(1.0, &[(power(exponent + 10), power(-10)); 16]);
    assert_eq!(many(-24), [1.0, 1.0 + power(-20), 1.0 + power(-20)]);
    assert_eq!(many(-25), [1.0, 1.0, 1.0 + power(-21)]);
    assert_eq!(many(-26), [1.0, 1.0, 1.0]);
    // What is left after a cancellation is lost before it.
    assert_eq!(sums(-1.0, &[(1.0, 1.0), (power(-15), power(-15))]), [power(-30), 0.0, 0.0]);
}

#[test]
fn ampere_adds_two_chunks_of_eight() {
    // The second chunk sees the sum of the first, in which the large terms have cancelled.
    let mut products = [(0.0, 0.0); 16];
    products[0] = (1.0, 1.0);
    products[8] = (power(-15), power(-15));
    assert_eq!(sums(-1.0, &products), [power(-30), power(-30), 0.0]);
}

#[test]
fn the_exponent_of_a_product_is_the_sum_of_exponents() {
    // 1.5 · 1.5 = 2.25 counts with exponent 0, so 2^-25 (on Hopper) and 2^-24 (on Ampere) are kept.
    let left = |exponent| sums(0.0, &[(1.5, 1.5), (-1.5, 1.5), (power(exponent), 1.0)]);
    assert_eq!(left(-24), [power(-24); 3]);
    assert_eq!(left(-25), [power(-25), 0.0, power(-25)]);
}

#[test]
fn the_range_of_f32_is_kept() {
    assert_eq!(sums(0.0, &[(power(-70), power(-70))]), [power(-140); 3]);
    assert_eq!(sums(0.0, &[(power(-75), 1.5 * power(-75))]), [power(-149), 0.0, 0.0]);
    assert_eq!(sums(0.0, &[(power(64), power(63)); 2]), [f32::INFINITY; 3]);
    assert_eq!(sums(f32::MAX, &[(power(52), power(51))])[1..], [f32::MAX; 2]);
    assert_eq!(sums(f32::INFINITY, &[(1.0, 1.0)]), [f32::INFINITY; 3]);
    assert!(sums(f32::INFINITY, &[(f32::NEG_INFINITY, 1.0)]).iter().all(|sum| sum.is_nan()));
}

/// Whole numbers are exact in every order; others differ from the exact sum by at most what is cut off: of each of 17 terms less
/// than 2^-F of the largest power of two, in each chunk, and less than a unit in the last place of the result.
#[test]
fn random_sums_are_within_what_is_cut_off() {
    let mut stream = Stream::new(1, Purpose::Test, 0, 0);
    for _ in 0..2000 {
        let whole: [(f32, f32); 16] = [(); 16].map(|()| (stream.range(-99.0, 99.0).round(), stream.range(-99.0, 99.0).round()));
        let exact: f32 = whole.iter().map(|(a, b)| a * b).sum();
        assert_eq!(sums(7.0, &whole), [7.0 + exact; 3]);
        let bf16 = |value: f32| half::bf16::from_f32(value).to_f32();
        let real: [(f32, f32); 16] = [(); 16].map(|()| (bf16(stream.range(-1.0, 1.0)), bf16(stream.range(-1.0, 1.0))));
        let start = stream.range(-4.0, 4.0);
        let exact: f64 = f64::from(start) + real.iter().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        // No sum on the way is beyond 32, so one in the last place is below 2^-18, and no term has an exponent beyond 4.
        let [_, ampere, hopper] = sums(start, &real);
        for (found, chunks, bits) in [(ampere, 2.0, 24), (hopper, 1.0, 25)] {
            let bound = chunks * (17.0 * f64::from(power(4 - bits)) + f64::from(power(-18)));
            assert!((f64::from(found) - exact).abs() <= bound, "{found} is not {exact}");
        }
    }
}
