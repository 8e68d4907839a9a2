//! Checks and their controls, evidence, and seeds.

use orthoscope::Error;
use orthoscope::theory::claim::{Check, Effort, Evidence, MAX_SEED, Setting};

#[test]
fn margins_are_positive_inside_and_negative_outside() {
    let equal = Check::equal("q", 2.0, 2.25, 0.5, "").control("other", 3.0);
    assert!((equal.margin() - 0.25).abs() < 1e-15 && equal.passed() && equal.control_rejected() == Some(true));
    assert!(!Check::at_most("q", 1.0, 1.2, 0.1, "").passed() && Check::at_most("q", 1.0, -9.0, 0.0, "").passed());
    assert!(!Check::at_least("q", 1.0, 0.8, 0.1, "").passed() && Check::at_least("q", 1.0, 9.0, 0.0, "").passed());
}

#[test]
fn values_that_are_not_finite_neither_pass_nor_count_as_controls() {
    let check = Check::equal("q", 0.0, f64::NAN, 1.0, "").control("other", f64::NAN);
    assert!(!check.passed() && check.control_rejected() == Some(false));
    assert!(!Check::at_least("q", 0.0, f64::INFINITY, 1.0, "").passed(), "the minimum of no values");
    assert!(!Check::at_most("q", 0.0, f64::NEG_INFINITY, 1.0, "").passed(), "the maximum of no values");
    assert_eq!(Check::equal("q", 0.0, 0.0, 1.0, "").control("other", f64::INFINITY).control_rejected(), Some(false));
}

#[test]
fn evidence_needs_a_check_and_a_rejected_control() {
    let check = |control: Option<f64>| {
        let check = Check::equal("q", 0.0, 0.0, 1.0, "");
        control.map_or(check.clone(), |measured| check.control("other", measured))
    };
    let evidence = |checks: Vec<Check>| Evidence { checks, figures: vec![] };
    assert!(!Evidence::default().holds());
    assert!(!evidence(vec![check(None)]).holds(), "no control");
    assert!(evidence(vec![check(None), check(Some(2.0))]).holds());
    assert!(!evidence(vec![check(Some(2.0)), check(Some(0.5))]).holds(), "a control passed");
}

#[test]
fn seeds_out_of_range_are_refused() {
    let error = Setting::new(1 << 53, Effort::Quick).unwrap_err().to_string();
    assert!(error.contains("9007199254740992") && Setting::new(MAX_SEED, Effort::Full).is_ok());
}

#[test]
fn the_detection_limit_is_the_least_fault_that_turns_a_check_red() {
    let check = || Check::equal("q", 2.0, 2.0, 0.5, "");
    let limit = check().notices("scaled", |size| Ok(2.0 * (1.0 + size))).unwrap().detection_limit();
    assert!((0.25..0.26).contains(&limit.size) && limit.fault == "scaled", "{limit:?}");
    let limit = check().notices("squared", |size| Ok(2.0 + 1e6 * size * size)).unwrap().detection_limit();
    assert!((0.5_f64.sqrt() * 1e-3..0.75e-3).contains(&limit.size), "{limit:?}");
    let undefined = check().notices("no value", |size| Ok(if size > 1e-3 { f64::NAN } else { 2.0 })).unwrap();
    assert!((1e-3..1.04e-3).contains(&undefined.detection_limit().size), "a value that is not finite fails");
    let gone =
        check().notices("no solution", |size| if size > 1e-3 { Err(Error::argument("singular")) } else { Ok(2.0) }).unwrap();
    assert!((1e-3..1.04e-3).contains(&gone.detection_limit().size), "a fault that leaves nothing to measure is noticed");
    assert!(check().notices("always", |_| Err(Error::argument("singular"))).is_err());
    let blind = check().control("other", 9.0).notices("nothing", |_| Ok(2.4)).unwrap();
    assert!(blind.passed() && !blind.can_fail() && blind.detection_limit().size == f64::INFINITY);
    assert!(!Evidence { checks: vec![blind], figures: vec![] }.holds());
    let free = Check::at_most("q", 1.0, 0.75, 0.125, "").detection_limit();
    assert!(free.size == 0.375 && check().can_fail(), "without an injected fault it is the margin");
}
