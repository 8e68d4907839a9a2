//! **C7, conservation.** x in D, x̂ = x off S, e = x̂ - x. For any closed D and any nearest point, without reach or smoothness,
//!
//! ```text
//! ‖(π(x̂)-x̂)_S̄‖² ≤ ‖(x-x̂)_S‖² - ‖(π(x̂)-x̂)_S‖²,     ‖g(y)-y‖ ≥ ‖π(y)-y‖ for every g with values in D;
//! ‖π(x+e) - x - P_T e‖ ≤ ‖e‖²/(τ-‖e‖)                        within the reach τ;
//! ‖P_T e‖ ≤ ‖P_T P_S‖₂ ‖e‖,     ‖P_S̄ P_T P_S‖₂ ≤ ½           for every T;
//! E‖P_T e‖² = (d/n) ‖e‖²                                      for T in general position:
//! ```
//!
//! so the relative error ‖π(x̂)-x‖/‖e‖ falls like √(d/n), with the slope -1/2 in n.
//!
//! Measured: the inequalities at random points, S and e of every manifold; slopes over n = 64 … 16384 for random subspaces and
//! for gratings under noise on a part of the picture, by P_T and by π itself. Where it stops holding is measured too: a smooth corruption on a
//! fixed share of the picture is not in general position, and its error does not fall with n.
//!
//! Controls: an oblique projector, a map with values off D, P_T e left out; T inside the span of S, where P_T e keeps its size for
//! every n. (The exact inequality holds there as well: what fails is the restoration of S.)

mod dimension;
mod exact;
mod figures;

use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};

use dimension::Trend;

const NUMBER: u32 = 7;

/// See the [module](self).
pub struct Conservation;

impl Claim for Conservation {
    fn id(&self) -> &'static str {
        "C7"
    }

    fn title(&self) -> &'static str {
        "Conservation"
    }

    fn statement(&self) -> &'static str {
        "Let x be in D, x̂ = x off S and e = x̂ - x. Whatever closed set D is, ‖(π(x̂)-x̂) off S‖² ≤ ‖(x-x̂) on S‖² - ‖(π(x̂)-x̂) on S‖²: \
         what π changes off S is paid for by what it leaves unchanged on S. Among the maps with values in D, π moves every point \
         least. Within the reach τ, π(x̂) - x is P_T e up to ‖e‖²/(τ-‖e‖); ‖P_T e‖ is at most ‖P_T P_S‖‖e‖, and at most ‖e‖/2 of it is off S. \
         For a tangent space in general position E‖P_T e‖² = (d/n)‖e‖², so the relative error falls like n to the power -1/2, also \
         for gratings under noise on a part of the picture; it does not fall under a smooth corruption on a fixed share. \
         Control: an oblique projector breaks the inequality; a map with values off D moves points less; with T inside the span of \
         S the error keeps its size for every n."
    }

    fn cost(&self) -> u32 {
        4
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let mut rows = exact::rows(setting)?;
        let trend = Trend::measure(setting)?;
        rows.extend(trend.rows());
        Ok(Evidence { rows, figures: vec![trend.figure(), figures::gallery(setting)?] })
    }
}
