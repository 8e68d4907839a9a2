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
/// Two claims with the same id; the first measurement that could not be made, with its claim.
pub fn run(claims: &[&'static Claim], setting: &Setting, on_finding: impl Fn(&Finding) + Sync) -> Result<Vec<Finding>> {
    let is_second = |(index, claim): (usize, &&Claim)| claims[..index].iter().any(|other| other.id == claim.id);
    if let Some(index) = claims.iter().enumerate().position(is_second) {
        return Err(Error::argument(format!("two claims have the id {}", claims[index].id)));
    }
    let mut tasks: Vec<(usize, &'static Claim, Setting)> = tasks(claims, setting);
    tasks.sort_by_key(|(_, claim, _)| Reverse(claim.cost));
    // A queue, expensive tasks first: running times differ by a factor of a hundred.
    let found = tasks.into_iter().par_bridge().map(|(place, claim, setting)| (place, measure(claim, &setting, &on_finding)));
    let mut found: Vec<(usize, Result<Finding>)> = found.collect();
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, finding)| finding).collect()
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

/// The figures of each claim's first seed, with its id. Series that have the same x for all seeds get the spread over the seeds.
///
/// # Errors
/// A stem that is no file name or that two figures share.
pub fn figures(findings: &[Finding]) -> Result<Vec<(&'static str, Figure)>> {
    let mut shown: Vec<(&str, Figure)> = Vec::new();
    let mut last = None;
    for finding in findings.iter().filter(|finding| last.replace(finding.claim.id) != Some(finding.claim.id)) {
        for figure in &finding.evidence.figures {
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

fn measure(claim: &'static Claim, setting: &Setting, on_finding: &(impl Fn(&Finding) + Sync)) -> Result<Finding> {
    let start = Instant::now();
    let evidence = (claim.measure)(setting).map_err(|error| error.within(format!("{} (seed {})", claim.id, setting.seed())))?;
    let finding = Finding { claim, seed: setting.seed(), evidence, wall: start.elapsed() };
    on_finding(&finding);
    Ok(finding)
}

/// The setting of one repetition; seeds continue at 0 after the largest.
fn repetition(setting: &Setting, repeat: u64) -> Setting {
    setting.with_seed((setting.seed() + repeat) % (MAX_SEED + 1))
}
