//! Slopes, ranks, AUROC and how NaN is treated.

use orthoscope::theory::statistics::{auroc, larger, log_log_slope, median, rank_correlation, ranks, root_mean_square, smaller};

#[test]
fn a_power_law_has_its_exponent() {
    let points: Vec<(f64, f64)> = [0.1, 0.3, 2.0, 7.0].iter().map(|&x: &f64| (x, 3.0 * x.powf(-1.5))).collect();
    assert!((log_log_slope(&points).unwrap() + 1.5).abs() < 1e-12);
    assert!(log_log_slope(&[(1.0, 1.0)]).is_err() && log_log_slope(&[(1.0, 0.0), (2.0, 1.0)]).is_err());
}

#[test]
fn nan_is_kept() {
    for (a, b) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
        assert!(larger(a, b).is_nan() && smaller(a, b).is_nan());
    }
    assert_eq!([larger(1.0, 2.0), larger(2.0, 1.0), smaller(1.0, 2.0), smaller(2.0, 1.0)], [2.0, 2.0, 1.0, 1.0]);
}

#[test]
fn ties_share_their_rank() {
    assert_eq!(ranks(&[3.0, 1.0, 3.0, 0.0]), [3.5, 2.0, 3.5, 1.0]);
    assert_eq!(auroc(&[0.0, 1.0], &[1.0, 2.0]).unwrap(), 0.875);
    assert!((rank_correlation(&[1.0, 2.0, 9.0], &[-1.0, -5.0, -7.0]).unwrap() + 1.0).abs() < 1e-15);
    assert!(auroc(&[], &[1.0]).is_err() && rank_correlation(&[1.0, 1.0], &[1.0, 2.0]).is_err());
    assert!(auroc(&[0.0], &[f64::NAN]).is_err() && rank_correlation(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
    assert_eq!([median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])], [2.0, 2.5]);
    assert_eq!(root_mean_square([3.0, 4.0, 0.0, 0.0]), 2.5);
}
