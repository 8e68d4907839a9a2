//! Runs claims on all cores. What a claim finds depends on its setting alone, so the result has the same bits however many
//! threads there are.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::claim::{Claim, Evidence, LARGEST_SEED, Setting};
use crate::error::Result;

/// What one claim found with one seed.
pub struct Finding {
    /// The claim.
    pub claim: &'static dyn Claim,
    /// The seed of this repetition.
    pub seed: u64,
    /// Rows and figures.
    pub evidence: Evidence,
    /// Wall time of the measurement, beside whatever else ran.
    pub wall: Duration,
}

/// Measures `claims`, each with [`Claim::seeds`] seeds beginning at the setting's, and returns the findings in that order.
/// `on_finding` hears of each as soon as it is there, in any order.
///
/// # Errors
/// The first measurement that could not be made, with its claim.
pub fn run(claims: &[&'static dyn Claim], setting: &Setting, on_finding: impl Fn(&Finding) + Sync) -> Result<Vec<Finding>> {
    let tasks: Vec<(&'static dyn Claim, Setting)> = claims
        .iter()
        .flat_map(|&claim| (0..claim.seeds(setting.effort())).map(move |repeat| (claim, repetition(setting, repeat))))
        .collect();
    // One task at a time for whichever core is free: tasks differ in length a hundredfold.
    tasks.par_iter().with_max_len(1).map(|(claim, setting)| measure(*claim, setting, &on_finding)).collect()
}

fn measure(claim: &'static dyn Claim, setting: &Setting, on_finding: &(impl Fn(&Finding) + Sync)) -> Result<Finding> {
    let start = Instant::now();
    let evidence = claim.measure(setting).map_err(|error| error.within(format!("{} (seed {})", claim.id(), setting.seed())))?;
    let finding = Finding { claim, seed: setting.seed(), evidence, wall: start.elapsed() };
    on_finding(&finding);
    Ok(finding)
}

/// The setting of one repetition; beyond the largest seed it begins again at 0.
fn repetition(setting: &Setting, repeat: u64) -> Setting {
    setting.with_seed((setting.seed() + repeat) % (LARGEST_SEED + 1))
}
