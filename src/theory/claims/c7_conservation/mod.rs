//! **C7, conservation.**
//!
#![doc = include_str!("statement.md")]

mod exact;
mod general;
mod gratings;
mod trial;

use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};

const NUMBER: u32 = 7;
/// Streams of random numbers; those of single manifolds follow the last.
const ALL_MANIFOLDS: u32 = 0;
const GENERAL: u32 = 1;
const DISTRIBUTION: u32 = 2;
const GRATINGS: u32 = 3;
const PICTURES: u32 = 4;
const FAULTS: u32 = 5;
const MANIFOLDS: u32 = 6;

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C7", "Conservation", include_str!("statement.md"), measure).seconds([1.2, 8.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let mut checks = exact::checks(setting)?;
    let general = general::Rates::measure(&mut setting.stream(NUMBER, GENERAL), setting.pick(60, 400))?;
    checks.extend(general.checks(&mut setting.stream(NUMBER, DISTRIBUTION), setting)?);
    let gratings = gratings::Rates::measure(&mut setting.stream(NUMBER, GRATINGS), setting.pick(100, 600))?;
    checks.extend(gratings.checks(setting)?);
    let figures = vec![general.figure(), gratings.figure(), gratings::gallery(&mut setting.stream(NUMBER, PICTURES))?];
    Ok(Evidence { checks, figures })
}
