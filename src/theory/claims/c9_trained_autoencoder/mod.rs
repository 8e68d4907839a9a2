//! **C9, the trained autoencoder.**
//!
#![doc = include_str!("statement.md")]

mod case;
mod constants;
mod experiment;
mod figures;
mod hypotheses;
mod linear;
mod outcome;
mod references;
mod registration;
mod repetition;
mod second_moment;
mod test_set;
mod trial;

use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};

use outcome::Outcome;
use registration::Registration;

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C9", "The trained autoencoder", include_str!("statement.md"), measure).seeds([1, 1]).seconds([9.0, 12_000.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let registration = Registration::of(setting)?;
    let outcomes = Outcome::all(&registration, setting)?;
    Ok(Evidence { checks: hypotheses::checks(&registration, &outcomes, setting)?, figures: figures::all(&outcomes)? })
}
