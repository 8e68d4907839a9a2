//! **C9, the trained autoencoder resembles π.**
//!
#![doc = include_str!("statement.md")]

mod bench;
mod case;
mod checks;
mod constants;
mod experiment;
mod figures;

use crate::error::Result;
use crate::theory::claim::{Claim, Effort, Evidence, Setting};

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C9", "The trained autoencoder resembles π", include_str!("statement.md"), measure)
    .seeds([1, 1])
    .seconds([9.0, 6000.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let outcomes = bench::outcomes(setting)?;
    let checks = match setting.effort() {
        Effort::Quick => outcomes.iter().map(checks::quick).collect::<Result<Vec<_>>>()?.concat(),
        Effort::Full => checks::full(&outcomes)?,
    };
    Ok(Evidence { checks, figures: figures::all(&outcomes)? })
}
