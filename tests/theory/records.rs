//! Findings as records: verdicts, valid JSON, and the worst of all seeds.

use orthoscope::theory::claim::{Check, Evidence};
use orthoscope::theory::claims::ALL;
use orthoscope::theory::record::{records, worst_of_seeds};
use orthoscope::theory::runner::Finding;

/// Findings of the first claim with the seeds 0, 1, ….
fn findings(seeds: impl IntoIterator<Item = Vec<Check>>) -> Vec<Finding> {
    let finding = |(seed, checks): (usize, Vec<Check>)| Finding {
        claim: ALL[0],
        seed: seed as u64,
        evidence: Evidence { checks, figures: vec![] },
        wall: std::time::Duration::ZERO,
    };
    seeds.into_iter().enumerate().map(finding).collect()
}

fn check(name: &str, measured: f64) -> Check {
    Check::equal(name, 1.0, measured, 0.5, "why")
}

#[test]
fn a_check_without_control_inherits_the_verdict_of_its_claim() {
    let verdicts =
        |checks: Vec<Check>| -> Vec<bool> { records(&findings([checks])).iter().map(|record| record.control_rejected).collect() };
    assert_eq!(verdicts(vec![check("a", 1.0), check("b", 1.0).control("c", 9.0)]), [true, true]);
    assert_eq!(verdicts(vec![check("a", 1.0), check("b", 1.0).control("c", 1.2)]), [false, false]);
    assert_eq!(verdicts(vec![check("a", 1.0).control("c", 9.0), check("b", 1.0).control("c", f64::NAN)]), [true, false]);
    assert_eq!(verdicts(vec![check("a", 1.0)]), [false], "no control at all");
}

#[test]
fn values_that_are_not_finite_are_valid_json() {
    let found = records(&findings([vec![check("a", f64::NAN).control("c", f64::INFINITY)]]));
    let text = serde_json::to_string(&found).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let object = json[0].as_object().unwrap();
    let keys = "id title quantity relation predicted measured tolerance margin passed because control control_measured \
                control_margin control_rejected fault detection_limit follows empirical seed";
    assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), keys.split_whitespace().collect::<Vec<_>>());
    assert_eq!((&object["measured"], &object["margin"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!((&object["passed"], &object["control_rejected"]), (&false.into(), &false.into()));
    assert_eq!((&object["relation"], &object["predicted"]), (&"equal".into(), &1.0.into()));
}

#[test]
fn seeds_are_merged_to_the_worst_of_each_check() {
    let seeds = [1.1, 1.4, 0.9].map(|a| vec![check("a", a).control("c", 2.0 + a), check("b", 1.0)]);
    let worst = worst_of_seeds(&records(&findings(seeds)));
    assert_eq!(worst.iter().map(|worst| (worst.record.quantity.as_str(), worst.seeds)).collect::<Vec<_>>(), [("a", 3), ("b", 3)]);
    let a = &worst[0].record;
    assert_eq!((a.measured, a.control_measured, a.seed), (1.4, Some(2.9), 1));
    assert!(a.passed && a.control_rejected);
}

#[test]
fn one_bad_seed_is_enough() {
    let worst = worst_of_seeds(&records(&findings([1.0, f64::NAN, 1.6].map(|a| vec![check("a", a).control("c", 9.0)]))));
    assert!(!worst[0].record.passed && worst[0].record.measured.is_nan());
    let worst = worst_of_seeds(&records(&findings([9.0, f64::NAN, 8.0].map(|c| vec![check("a", 1.0).control("c", c)]))));
    assert!(!worst[0].record.control_rejected && worst[0].record.control_measured.is_some_and(f64::is_nan));
}

#[test]
fn checks_with_the_same_name_stay_separate() {
    let seeds = [0, 1].map(|_| vec![check("a", 1.0).control("c", 9.0), check("a", 1.1)]);
    let worst = worst_of_seeds(&records(&findings(seeds)));
    assert_eq!(worst.iter().map(|worst| (worst.record.measured, worst.seeds)).collect::<Vec<_>>(), [(1.0, 2), (1.1, 2)]);
}
