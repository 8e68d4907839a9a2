//! **C12, the best smooth map.**
//!
#![doc = include_str!("statement.md")]

mod constants;
mod gratings;
mod linear;
mod trained;

use crate::backend::Reference;
use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C12", "The best smooth map", include_str!("statement.md"), measure).seeds([1, 3]).seconds([1.7, 7.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let (mut checks, rate) = linear::checks(&Reference::<f64>::default(), setting)?;
    let (on_gratings, opacity) = gratings::checks(setting)?;
    checks.extend(on_gratings);
    checks.push(trained::check(setting)?);
    Ok(Evidence { checks, figures: vec![rate, opacity] })
}
