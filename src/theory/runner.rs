//! Runs claims on all cores. A claim's findings depend only on its setting, so they are bit-identical for any number of threads.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::claim::{Claim, Evidence, MAX_SEED, Setting};
use super::figure::{Content, Figure};
use crate::error::{Error, Result};

/// The findings of one claim with one seed.
pub struct Finding {
    /// The claim.
    pub claim: &'static dyn Claim,
    /// The seed of this repetition.
    pub seed: u64,
    /// Checks and figures.
    pub evidence: Evidence,
    /// Wall time of the measurement; other claims may have run at the same time.
    pub wall: Duration,
}

/// Measures `claims`, each with [`Claim::seeds`] seeds starting at the setting's, and returns the findings in that order.
/// Calls `on_finding` for each finding as soon as it is made, in any order.
///
/// # Errors
/// Two claims with the same id; the first measurement that could not be made, with its claim.
pub fn run(claims: &[&'static dyn Claim], setting: &Setting, on_finding: impl Fn(&Finding) + Sync) -> Result<Vec<Finding>> {
    let is_second = |(index, claim): (usize, &&dyn Claim)| claims[..index].iter().any(|other| other.id() == claim.id());
    if let Some(index) = claims.iter().enumerate().position(is_second) {
        return Err(Error::argument(format!("two claims have the id {}", claims[index].id())));
    }
    let mut tasks: Vec<(usize, &'static dyn Claim, Setting)> = tasks(claims, setting);
    tasks.sort_by_key(|(_, claim, _)| Reverse(claim.cost()));
    // A queue, expensive tasks first: running times differ by a factor of a hundred.
    let found = tasks.into_iter().par_bridge().map(|(place, claim, setting)| (place, measure(claim, &setting, &on_finding)));
    let mut found: Vec<(usize, Result<Finding>)> = found.collect();
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// Number of findings that [`run`] returns.
pub fn count(claims: &[&'static dyn Claim], setting: &Setting) -> usize {
    tasks(claims, setting).len()
}

/// Every claim with every seed, and the index of its finding.
fn tasks(claims: &[&'static dyn Claim], setting: &Setting) -> Vec<(usize, &'static dyn Claim, Setting)> {
    let repeats =
        |claim: &'static dyn Claim| (0..claim.seeds(setting.effort())).map(move |repeat| (claim, repetition(setting, repeat)));
    let all = claims.iter().flat_map(|&claim| repeats(claim));
    all.enumerate().map(|(place, (claim, setting))| (place, claim, setting)).collect()
}

/// The figures of each claim's first seed, with its id. Series that have the same x for all seeds get the spread over the seeds.
///
/// # Errors
/// A stem that is no file name or that two figures share.
pub fn figures(findings: &[Finding]) -> Result<Vec<(&'static str, Figure)>> {
    let mut shown: Vec<(&str, Figure)> = Vec::new();
    let mut last = None;
    for finding in findings.iter().filter(|finding| last.replace(finding.claim.id()) != Some(finding.claim.id())) {
        for figure in &finding.evidence.figures {
            let place = || format!("{}, figure `{}`", finding.claim.id(), figure.stem);
            figure.check_stem().map_err(|error| error.within(place()))?;
            if shown.iter().any(|(_, other)| other.stem == figure.stem) {
                return Err(Error::argument("two figures would be written to the same files").within(place()));
            }
            let all = findings.iter().flat_map(|finding| &finding.evidence.figures).filter(|other| other.stem == figure.stem);
            shown.push((finding.claim.id(), with_spread(figure, &all.collect::<Vec<_>>())));
        }
    }
    Ok(shown)
}

/// The figure with the smallest and largest y of each point over `all` seeds.
fn with_spread(figure: &Figure, all: &[&Figure]) -> Figure {
    let mut figure = figure.clone();
    let Content::Chart(chart) = &mut figure.content else { return figure };
    for (index, series) in chart.series.iter_mut().enumerate() {
        let of_seed = |other: &&Figure| match &other.content {
            Content::Chart(chart) => chart.series.get(index).map(|series| series.points.clone()),
            Content::Gallery(_) => None,
        };
        let seeds: Vec<Vec<(f64, f64)>> = all.iter().filter_map(of_seed).collect();
        let fits = |points: &Vec<(f64, f64)>| points.iter().map(|point| point.0).eq(series.points.iter().map(|point| point.0));
        if seeds.len() > 1 && seeds.iter().all(fits) {
            let values = |at: usize| seeds.iter().map(move |points| points[at].1);
            let range = |at: usize| (values(at).fold(f64::INFINITY, f64::min), values(at).fold(f64::NEG_INFINITY, f64::max));
            series.spread = (0..series.points.len()).map(range).collect();
        }
    }
    figure
}

fn measure(claim: &'static dyn Claim, setting: &Setting, on_finding: &(impl Fn(&Finding) + Sync)) -> Result<Finding> {
    let start = Instant::now();
    let evidence = claim.measure(setting).map_err(|error| error.within(format!("{} (seed {})", claim.id(), setting.seed())))?;
    let finding = Finding { claim, seed: setting.seed(), evidence, wall: start.elapsed() };
    on_finding(&finding);
    Ok(finding)
}

/// The setting of one repetition; seeds continue at 0 after the largest.
fn repetition(setting: &Setting, repeat: u64) -> Setting {
    setting.with_seed((setting.seed() + repeat) % (MAX_SEED + 1))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::claim::{Check, Effort};
    use super::super::figure::{AxisSpec, Chart};
    use super::*;

    /// A claim with this id and cost that cannot be measured with seed 2.
    struct Temporary(&'static str, u32);

    impl Claim for Temporary {
        fn id(&self) -> &'static str {
            self.0
        }

        fn title(&self) -> &'static str {
            "Temporary"
        }

        fn statement(&self) -> &'static str {
            "A statement."
        }

        fn cost(&self) -> u32 {
            self.1
        }

        fn measure(&self, setting: &Setting) -> Result<Evidence> {
            if setting.seed() == 2 {
                return Err(Error::argument("cannot be measured"));
            }
            let value = setting.stream(self.1, 0).normal();
            Ok(Evidence { checks: vec![Check::equal("value", 0.0, value, 9.0, "").control("other", 99.0)], figures: vec![] })
        }
    }

    const CLAIMS: [&dyn Claim; 3] = [&Temporary("X1", 1), &Temporary("X2", 9), &Temporary("X3", 5)];

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn findings_are_ordered_and_bit_identical_and_expensive_claims_start_first() {
        let setting = Setting::new(MAX_SEED - 1, Effort::Full).unwrap();
        let measured = |threads: usize| {
            let heard = Mutex::new(Vec::new());
            let hear = |finding: &Finding| heard.lock().unwrap().push(finding.claim.id());
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
                .map(|finding| (finding.claim.id(), finding.seed, finding.evidence.checks[0].measured.to_bits()))
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
}
