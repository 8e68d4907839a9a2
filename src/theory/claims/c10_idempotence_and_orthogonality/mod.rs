//! **C10, idempotence and orthogonality.**
//!
#![doc = include_str!("statement.md")]

mod bench;
mod blocks;
mod constants;
mod exact;
mod rival;
mod trained;

use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};
use crate::theory::manifold::Gratings;
use bench::Bench;
use trained::Outcomes;

/// Side of the images: the wave used stays below the Nyquist frequency.
const SIDE: usize = 5;

/// See the [module](self). Six networks are trained for each seed, so there are fewer seeds.
pub const CLAIM: Claim =
    Claim::new("C10", "Idempotence and orthogonality", include_str!("statement.md"), measure).seeds([1, 3]).seconds([3.8, 4.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let mut checks = exact::curved_checks(setting)?;
    checks.extend(exact::linear_checks(setting)?);
    let small = Gratings::new(SIDE, SIDE, &[[1, 2]], 0.5)?;
    let outcomes = Outcomes::new(&Bench::new(setting, small, SIDE, (48, 4000))?)?;
    let subject = "one wave";
    checks.extend(outcomes.jacobian_checks(subject));
    checks.push(outcomes.rival_check(subject)?);
    checks.extend(outcomes.limit_checks(subject));
    Ok(Evidence { checks, figures: outcomes.figures() })
}
