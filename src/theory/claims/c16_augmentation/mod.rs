//! **C16, augmentation.**
//!
#![doc = include_str!("statement.md")]

mod constants;
mod cost;
mod images;
mod symmetry;

use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C16", "Augmentation", include_str!("statement.md"), measure).seconds([0.1, 1.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let mut checks = symmetry::checks(setting)?;
    let (of_cost, figure) = cost::checks(setting)?;
    checks.extend(of_cost);
    Ok(Evidence { checks, figures: vec![figure] })
}
