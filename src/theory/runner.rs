//! Runs claims on all cores. A claim's findings depend only on its setting, so they are bit-identical for any number of threads.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::claim::{Check, Claim, Evidence, MAX_SEED, Setting};
use super::figure::{AxisSpec, Content, Figure, Series};
use super::journal::Journal;
use crate::error::{Error, Result};

/// Distances from a prediction below and above these are drawn there.
const DRAWN: [f64; 2] = [1e-6, 1e12];

/// The findings of one claim with one seed.
pub struct Finding {
    /// The claim.
    pub claim: &'static Claim,
    /// The seed of this repetition.
    pub seed: u64,
    /// Checks and figures.
    pub evidence: Evidence,
    /// Wall time of the measurement; other claims may have run at the same time.
    pub wall: Duration,
}

/// Measures `claims`, each with [`Claim::repeats`] seeds starting at the setting's, and returns the findings in that order.
/// Calls `on_finding` for each finding as soon as it is made, in any order.
///
/// # Errors
/// Two claims with the same id, whatever the case; an id with other characters than letters, digits, `_` and `-`; the first
/// measurement that could not be made, with its claim.
pub fn run(claims: &[&'static Claim], setting: &Setting, on_finding: impl Fn(&Finding) + Sync) -> Result<Vec<Finding>> {
    resume(claims, setting, None, on_finding)
}

/// As [`run`], but takes the findings that `journal` has and adds the others to it.
///
/// # Errors
/// As [`run`]; a finding that cannot be written.
pub fn resume(
    claims: &[&'static Claim],
    setting: &Setting,
    journal: Option<&Journal>,
    on_finding: impl Fn(&Finding) + Sync,
) -> Result<Vec<Finding>> {
    let is_file_name = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if let Some(claim) = claims.iter().find(|claim| !is_file_name(claim.id)) {
        return Err(Error::argument(format!("the id of a claim has letters, digits, `_` and `-`, got `{}`", claim.id)));
    }
    let is_second =
        |(index, claim): (usize, &&Claim)| claims[..index].iter().any(|other| other.id.eq_ignore_ascii_case(claim.id));
    if let Some(index) = claims.iter().enumerate().position(is_second) {
        return Err(Error::argument(format!("two claims have the id {}", claims[index].id)));
    }
    let mut tasks: Vec<(usize, &'static Claim, Setting)> = tasks(claims, setting);
    tasks.sort_by(|(_, a, _), (_, b, _)| b.cost(setting.effort()).total_cmp(&a.cost(setting.effort())));
    // A queue, expensive tasks first: running times differ by a factor of a hundred.
    let found =
        tasks.into_iter().par_bridge().map(|(place, claim, setting)| (place, measure(claim, &setting, journal, &on_finding)));
    let mut found: Vec<(usize, Result<Finding>)> = found.collect();
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// What [`resume`] will do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Number of findings.
    pub findings: usize,
    /// Those that the journal has.
    pub known: usize,
    /// Approximate time for the others.
    pub seconds: f64,
}

/// What [`resume`] will do on this number of cores.
pub fn outlook(claims: &[&'static Claim], setting: &Setting, journal: Option<&Journal>, cores: usize) -> Outlook {
    let tasks = tasks(claims, setting);
    let is_open = |(_, claim, setting): &&(usize, &'static Claim, Setting)| {
        journal.is_none_or(|journal| journal.find(claim, setting.seed()).is_none())
    };
    let costs: Vec<f64> = tasks.iter().filter(is_open).map(|(_, claim, _)| claim.cost(setting.effort())).collect();
    // The most expensive claim runs on all cores by itself.
    let seconds = costs.iter().sum::<f64>() / cores.max(1) as f64;
    Outlook { findings: tasks.len(), known: tasks.len() - costs.len(), seconds }
}

/// Number of findings that [`run`] returns.
pub fn count(claims: &[&'static Claim], setting: &Setting) -> usize {
    tasks(claims, setting).len()
}

/// Every claim with every seed, and the index of its finding.
fn tasks(claims: &[&'static Claim], setting: &Setting) -> Vec<(usize, &'static Claim, Setting)> {
    let repeats =
        |claim: &'static Claim| (0..claim.repeats(setting.effort())).map(move |repeat| (claim, repetition(setting, repeat)));
    let all = claims.iter().flat_map(|&claim| repeats(claim));
    all.enumerate().map(|(place, (claim, setting))| (place, claim, setting)).collect()
}

/// The figures of each claim's first seed, with its id; of a claim without figures, its checks. Series that have the same x for
/// all seeds get the spread over the seeds.
///
/// # Errors
/// A stem that is no file name or that two figures share.
pub fn figures(findings: &[Finding]) -> Result<Vec<(&'static str, Figure)>> {
    let mut shown: Vec<(&str, Figure)> = Vec::new();
    let mut last = None;
    for finding in findings.iter().filter(|finding| last.replace(finding.claim.id) != Some(finding.claim.id)) {
        let own = match finding.evidence.figures.is_empty() {
            true => vec![checks_of(finding)],
            false => finding.evidence.figures.clone(),
        };
        for figure in &own {
            let place = || format!("{}, figure `{}`", finding.claim.id, figure.stem);
            figure.check_stem().map_err(|error| error.within(place()))?;
            if shown.iter().any(|(_, other)| other.stem == figure.stem) {
                return Err(Error::argument("two figures would be written to the same files").within(place()));
            }
            let all = findings.iter().flat_map(|finding| &finding.evidence.figures).filter(|other| other.stem == figure.stem);
            shown.push((finding.claim.id, with_spread(figure, &all.collect::<Vec<_>>())));
        }
    }
    Ok(shown)
}

/// How far each check and its control are from the prediction, in units of the tolerance.
fn checks_of(finding: &Finding) -> Figure {
    let checks = &finding.evidence.checks;
    // How far on the wrong side of the prediction, so that a slack inequality is at the lower end.
    let size = |check: &Check, measured: f64| {
        let beyond = check.tolerance - Check { measured, ..check.clone() }.margin();
        if beyond <= 0.0 { DRAWN[0] } else { (beyond / check.tolerance).clamp(DRAWN[0], DRAWN[1]) }
    };
    let points = |value: &dyn Fn(&Check) -> Option<f64>| -> Vec<(f64, f64)> {
        (1..).map(f64::from).zip(checks).filter_map(|(place, check)| Some((place, size(check, value(check)?)))).collect()
    };
    let names = checks.iter().map(|check| check.quantity.clone()).collect();
    let ends = [0.5, checks.len() as f64 + 0.5].map(|place| (place, 1.0)).to_vec();
    Figure {
        stem: format!("{}_checks", finding.claim.id.to_lowercase()),
        title: format!("{}: checks and controls", finding.claim.title),
        caption: "Distance from the prediction, in units of the tolerance. Checks are to be below the line, controls above it."
            .into(),
        content: Content::chart(
            [AxisSpec::categories("check", names), AxisSpec::log("deviation / tolerance")],
            vec![
                Series::dots("subject", points(&|check| Some(check.measured))),
                Series::dots("control", points(&|check| check.control.as_ref().map(|control| control.measured))),
                Series::dashed("tolerance", ends),
            ],
        ),
    }
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

fn measure(
    claim: &'static Claim,
    setting: &Setting,
    journal: Option<&Journal>,
    on_finding: &(impl Fn(&Finding) + Sync),
) -> Result<Finding> {
    if let Some(known) = journal.and_then(|journal| journal.find(claim, setting.seed())) {
        on_finding(&known);
        return Ok(known);
    }
    let start = Instant::now();
    let evidence = (claim.measure)(&setting.kept_in(journal.map(|journal| journal.parts(claim, setting.seed()))))
        .map_err(|error| error.within(format!("{} (seed {})", claim.id, setting.seed())))?;
    let finding = Finding { claim, seed: setting.seed(), evidence, wall: start.elapsed() };
    if let Some(journal) = journal {
        journal.add(&finding)?;
    }
    on_finding(&finding);
    Ok(finding)
}

/// The setting of one repetition; seeds continue at 0 after the largest.
fn repetition(setting: &Setting, repeat: u64) -> Setting {
    setting.with_seed((setting.seed() + repeat) % (MAX_SEED + 1))
}
