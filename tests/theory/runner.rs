//! The runner: order, bit-identical values, errors, and the figures of the first seed.

use std::sync::Mutex;
use std::time::Duration;

use orthoscope::error::{Error, Result};
use orthoscope::theory::claim::{Check, Claim, Effort, Evidence, MAX_SEED, Setting};
use orthoscope::theory::figure::{AxisSpec, Chart, Content, Figure};
use orthoscope::theory::runner::{Finding, count, figures, run};

/// A claim with this id and cost that cannot be measured with seed 2.
const fn temporary<const COST: u32>(id: &'static str) -> Claim {
    Claim::new(id, "Temporary", "A statement.", measured::<COST>).cost(COST)
}

fn measured<const COST: u32>(setting: &Setting) -> Result<Evidence> {
    if setting.seed() == 2 {
        return Err(Error::argument("cannot be measured"));
    }
    let value = setting.stream(COST, 0).normal();
    Ok(Evidence { checks: vec![Check::equal("value", 0.0, value, 9.0, "").control("other", 99.0)], figures: vec![] })
}

const CLAIMS: [&Claim; 3] = [&temporary::<1>("X1"), &temporary::<9>("X2"), &temporary::<5>("X3")];

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn findings_are_ordered_and_bit_identical_and_expensive_claims_start_first() {
    let setting = Setting::new(MAX_SEED - 1, Effort::Full).unwrap();
    let measured = |threads: usize| {
        let heard = Mutex::new(Vec::new());
        let hear = |finding: &Finding| heard.lock().unwrap().push(finding.claim.id);
        // Seeds continue at 0 after the largest, so seed 2 is the last of five.
        let few: Vec<_> = pool(threads).install(|| run(&CLAIMS, &setting, hear)).into_iter().flatten().collect();
        (few.len(), heard.into_inner().unwrap())
    };
    assert_eq!(measured(1), (0, ["X2", "X3", "X1"].iter().flat_map(|id| [*id; 4]).collect::<Vec<_>>()));
    let setting = Setting::new(3, Effort::Full).unwrap();
    let values = |threads: usize| {
        let found = pool(threads).install(|| run(&CLAIMS, &setting, |_| ())).unwrap();
        found
            .iter()
            .map(|finding| (finding.claim.id, finding.seed, finding.evidence.checks[0].measured.to_bits()))
            .collect::<Vec<_>>()
    };
    let found = values(1);
    assert_eq!(found.iter().map(|found| (found.0, found.1)).collect::<Vec<_>>()[4..7], [("X1", 7), ("X2", 3), ("X2", 4)]);
    assert!(found == values(3) && found.len() == count(&CLAIMS, &setting));
}

#[test]
fn failed_measurements_are_reported() {
    let setting = Setting::new(0, Effort::Full).unwrap();
    let error = run(&CLAIMS, &setting, |_| ()).err().unwrap().to_string();
    assert_eq!(error, "cannot be measured in X1 (seed 2)");
    let error = run(&[CLAIMS[0], CLAIMS[1], CLAIMS[0]], &setting, |_| ()).err().unwrap().to_string();
    assert_eq!(error, "two claims have the id X1");
}

#[test]
fn figures_are_those_of_the_first_seed_and_have_unique_names() {
    let figure = |stem: &str| {
        let content = Content::Chart(Chart { x: AxisSpec::linear("x"), y: AxisSpec::linear("y"), series: vec![] });
        Figure { stem: stem.into(), title: String::new(), caption: String::new(), content }
    };
    let finding = |claim: usize, seed: u64, stems: &[&str]| Finding {
        claim: CLAIMS[claim],
        seed,
        evidence: Evidence { checks: vec![], figures: stems.iter().map(|stem| figure(stem)).collect() },
        wall: Duration::ZERO,
    };
    let stems = |findings: &[Finding]| {
        figures(findings).map(|figures| figures.iter().map(|(_, figure)| figure.stem.clone()).collect::<Vec<_>>())
    };
    assert_eq!(
        stems(&[finding(0, 0, &["a", "b"]), finding(0, 1, &["a", "b"]), finding(1, 0, &["c_1"])]).unwrap(),
        ["a", "b", "c_1"]
    );
    let error = stems(&[finding(0, 0, &["a"]), finding(2, 0, &["a"])]).unwrap_err().to_string();
    assert_eq!(error, "two figures would be written to the same files in X3, figure `a`");
    assert!(stems(&[finding(0, 0, &["../a"])]).is_err() && stems(&[finding(0, 0, &[""])]).is_err());
}
