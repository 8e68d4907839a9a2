//! **C15, noise that is kept.**
//!
#![doc = include_str!("statement.md")]

mod constants;
mod expansion;
mod linear;
mod trained;

use crate::backend::Reference;
use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C15", "Noise that is kept", include_str!("statement.md"), measure).seeds([1, 3]).seconds([0.6, 1.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let mut checks = expansion::checks(setting)?;
    let (of_linear_maps, figure) = linear::check(&Reference::<f64>::default(), setting)?;
    checks.push(of_linear_maps);
    checks.extend(trained::checks(setting)?);
    Ok(Evidence { checks, figures: vec![figure] })
}
