//! **C9, the trained autoencoder resembles π.**
//!
#![doc = include_str!("statement.md")]

mod bench;
mod case;
mod checks;
mod experiment;
mod figures;

use crate::error::Result;
use crate::theory::claim::{Claim, Effort, Evidence, Setting};

const NUMBER: u32 = 9;

/// See the [module](self).
pub struct TrainedAutoencoder;

impl Claim for TrainedAutoencoder {
    fn id(&self) -> &'static str {
        "C9"
    }

    fn title(&self) -> &'static str {
        "The trained autoencoder resembles π"
    }

    fn statement(&self) -> &'static str {
        include_str!("statement.md")
    }

    fn seeds(&self, _: Effort) -> u64 {
        1
    }

    fn cost(&self) -> u32 {
        40
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let outcomes = bench::outcomes(setting)?;
        let checks = match setting.effort() {
            Effort::Quick => outcomes.iter().map(checks::quick).collect::<Result<Vec<_>>>()?.concat(),
            Effort::Full => checks::full(&outcomes)?,
        };
        Ok(Evidence { checks, figures: figures::all(&outcomes)? })
    }
}
