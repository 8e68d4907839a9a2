//! The runner: order, bit-identical values, errors, and the figures of the first seed.

use std::sync::Mutex;
use std::time::Duration;

use ndarray::array;
use orthoscope::error::{Error, Result};
use orthoscope::theory::claim::{Check, Claim, Effort, Evidence, MAX_SEED, Setting};
use orthoscope::theory::figure::{AxisSpec, Chart, Colours, Content, Figure, GalleryImage, GalleryRow, Series};
use orthoscope::theory::journal::Journal;
use orthoscope::theory::runner::{Finding, Outlook, count, figures, outlook, resume, run};

/// A claim with this id and cost that cannot be measured with seed 2.
const fn temporary<const COST: u32>(id: &'static str) -> Claim {
    Claim::new(id, "Temporary", "A statement.", measured::<COST>).seconds([COST as f64, COST as f64])
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
fn an_interrupted_run_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(0, Effort::Full).unwrap();
    let journal = |key: &str| Journal::new(&folder.path().join("measured"), key);
    // Seed 2 cannot be measured, which ends the run.
    assert!(pool(1).install(|| resume(&CLAIMS, &setting, Some(&journal("a")), |_| ())).is_err());
    let known = |key: &str| outlook(&CLAIMS, &setting, Some(&journal(key)), 2);
    let found = known("a");
    assert!(found.findings == 15 && (1..15).contains(&found.known) && found.seconds < known("b").seconds, "{found:?}");
    assert_eq!(known("b"), Outlook { findings: 15, known: 0, seconds: 37.5 }, "another program has made none of them");
    let later = Setting::new(3, Effort::Full).unwrap();
    let bits = |found: &[Finding]| found.iter().map(|finding| finding.evidence.checks[0].measured.to_bits()).collect::<Vec<_>>();
    let first = resume(&CLAIMS[..1], &later, Some(&journal("a")), |_| ()).unwrap();
    let again = resume(&CLAIMS[..1], &later, Some(&journal("a")), |_| ()).unwrap();
    assert!(bits(&first) == bits(&again) && first[0].wall == again[0].wall, "not measured again");
    std::fs::write(folder.path().join("measured/X1-3.json"), "{").unwrap();
    assert_eq!(
        bits(&resume(&CLAIMS[..1], &later, Some(&journal("a")), |_| ()).unwrap()),
        bits(&first),
        "a damaged file counts as none"
    );
    journal("a").clear(&first);
    assert_eq!(outlook(&CLAIMS[..1], &later, Some(&journal("a")), 2).known, 0);
}

#[test]
fn a_journal_keeps_every_bit_of_checks_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(folder.path(), "key");
    let limit = |check: Check| check.notices("fault", |size| Ok(1.0 + size)).unwrap();
    let checks = vec![
        limit(Check::equal("q", 1.0, f64::NAN, 1e-300, "a reason").control("c", f64::NEG_INFINITY)),
        Check::at_least("r", 0.1 + 0.2, -0.0, 0.5, "another".to_owned()),
    ];
    let chart = Content::chart(
        [AxisSpec::log("x"), AxisSpec::categories("y", vec!["a".into()])],
        vec![Series { spread: vec![(f64::INFINITY, 1e-310)], ..Series::dots("s", vec![(1.0 / 3.0, f64::NAN)]) }],
    );
    let image =
        GalleryImage { colours: Colours::Signed { limit: 0.1 }, ..GalleryImage::grey("i", 2, &array![0.1, 0.7, 1.0 / 3.0, 0.0]) };
    let gallery = Content::Gallery(vec![GalleryRow { label: "row".into(), images: vec![image] }]);
    let figure = |content: Content| Figure { stem: "x1".into(), title: "t".into(), caption: "c".into(), content };
    let evidence = Evidence { checks, figures: vec![figure(chart), figure(gallery)] };
    let finding = Finding { claim: CLAIMS[0], seed: MAX_SEED, evidence, wall: Duration::from_nanos(12_345_678_901) };
    journal.add(&finding).unwrap();
    let found = journal.find(CLAIMS[0], MAX_SEED).unwrap();
    // Debug shows NaN, -0 and the shortest digits that give the same bits.
    assert_eq!(format!("{:?} {:?}", found.evidence, found.wall), format!("{:?} {:?}", finding.evidence, finding.wall));
    assert!(journal.find(CLAIMS[0], 0).is_none() && journal.find(CLAIMS[1], MAX_SEED).is_none());
}

#[test]
fn a_claim_without_figures_gets_one_of_its_checks() {
    let setting = Setting::new(0, Effort::Quick).unwrap();
    let found = run(&CLAIMS[..1], &setting, |_| ()).unwrap();
    let drawn = figures(&found).unwrap();
    let Content::Chart(chart) = &drawn[0].1.content else { panic!("{drawn:?}") };
    assert_eq!(
        (drawn.len(), drawn[0].1.stem.as_str(), chart.x.names.as_slice()),
        (1, "x1_checks", ["value".to_owned()].as_slice())
    );
    let distance = |at: usize| chart.series[at].points[0].1;
    let slack =
        |_: &Setting| Ok(Evidence { checks: vec![Check::at_most("q", 1.0, 0.1, 0.0, "").control("c", 1.5)], figures: vec![] });
    let finding = |claim: Claim| run(&[Box::leak(Box::new(claim))], &setting, |_| ()).unwrap();
    let drawn_slack = figures(&finding(Claim::new("X9", "Slack", "A statement.", slack))).unwrap();
    let Content::Chart(of_slack) = &drawn_slack[0].1.content else { panic!("{drawn_slack:?}") };
    assert!(
        of_slack.series[0].points[0].1 < 1.0 && of_slack.series[1].points[0].1 > 1.0,
        "a slack inequality is below the line: {of_slack:?}"
    );
    assert!(distance(0) < 1.0 && (distance(1) - 11.0).abs() < 1e-12, "in units of the tolerance: {chart:?}");
}

#[test]
fn failed_measurements_are_reported() {
    let setting = Setting::new(0, Effort::Full).unwrap();
    let error = run(&CLAIMS, &setting, |_| ()).err().unwrap().to_string();
    assert_eq!(error, "cannot be measured in X1 (seed 2)");
    let error = run(&[CLAIMS[0], CLAIMS[1], CLAIMS[0]], &setting, |_| ()).err().unwrap().to_string();
    assert_eq!(error, "two claims have the id X1");
    let lower = Box::leak(Box::new(temporary::<1>("x1")));
    assert!(run(&[CLAIMS[0], lower], &setting, |_| ()).is_err(), "the command line does not tell them apart");
    let path = Box::leak(Box::new(temporary::<1>("../X1")));
    assert!(run(&[path], &setting, |_| ()).err().unwrap().to_string().contains("got `../X1`"));
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
