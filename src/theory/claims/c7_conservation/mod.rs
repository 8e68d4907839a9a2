//! **C7, conservation.** x in D, x̂ = x off S, e = x̂ - x; P_S sets everything off S to 0. For any closed D
//!
//! ```text
//! ‖(π(x̂) - x̂)_S̄‖² ≤ ‖(x - x̂)_S‖² - ‖(π(x̂) - x̂)_S‖²,
//! ‖g(y) - y‖ ≥ ‖π(y) - y‖   for every y and every idempotent g onto D.
//! ```
//!
//! With the reach τ > ‖e‖, `‖π(x+e) - x - P_T e‖ ≤ ‖e‖²/(τ-‖e‖)` and `‖π(x+e) - x‖ ≤ τ‖P_T e‖/(τ-‖e‖)`, and always `‖P_T e‖ ≤
//! ‖P_T P_S‖₂ ‖e‖`, `‖P_S̄ P_T P_S‖₂ ≤ ½`. For T in general position ‖P_T e‖²/‖e‖² has the law Beta(d/2, (n-d)/2):
//!
//! ```text
//! E‖P_T e‖² = (d/n)‖e‖²,   P(‖P_T e‖² ≥ β(d/n)‖e‖²) ≤ exp(-(d/2)(β-1-ln β)),
//! ```
//!
//! so the relative error √(E‖P_T e‖²)/‖e‖ falls like √(d/n). For gratings with uniform phases E‖P_T e‖² = (1/n) Σ_j |ê(ω_j)|²: it
//! is d/n for white noise on S, and does not fall with n for a constant patch on a fixed share of the picture.
//!
//! Measured on every manifold of the room with random S and corruptions from small to far beyond the reach (of D's own samples
//! the parts away from its singular points, as in C1); the slope over n = 64 … 16384 on random subspaces and on gratings, by P_T
//! and by π.
//!
//! Controls: idempotent maps onto D that are not π; a map half-way to D; T inside the span of S for an S of as many coordinates
//! for every n, where E‖P_T e‖² = (d/|S|)‖e‖² does not fall (the restoration of S fails: the background is then untouched to
//! first order); a smooth patch on a fixed share of a picture.

mod exact;
mod general;
mod gratings;
mod trial;

use crate::error::Result;
use crate::theory::claim::{Claim, Evidence, Setting};

const NUMBER: u32 = 7;
/// Streams; those of single manifolds follow the last.
const ZOO: u32 = 0;
const GENERAL: u32 = 1;
const LAW: u32 = 2;
const GRATINGS: u32 = 3;
const PICTURES: u32 = 4;
const MANIFOLDS: u32 = 5;

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
        "Let x be in D and x̂ equal x off a set S of coordinates. Then ‖(π(x̂)-x̂) off S‖² ≤ ‖(x-x̂) on S‖² - ‖(π(x̂)-x̂) on \
         S‖² for any closed D, and among all idempotent maps onto D the nearest-point projection π moves every point least. To \
         first order π(x̂) - x = P_T(x̂ - x), up to ‖e‖²/(τ-‖e‖) with e = x̂ - x and the reach τ, and ‖π(x̂) - x‖ ≤ τ‖P_T \
         e‖/(τ-‖e‖); ‖P_T e‖ ≤ ‖P_T P_S‖₂ ‖e‖, and the part of it off S is at most ½‖e‖. For a d-dimensional tangent space in \
         general position E‖P_T e‖² = (d/n)‖e‖², so the relative error falls with slope -1/2 in n; for gratings the spectrum of \
         e at their frequencies decides. Control: other idempotent maps onto D break the inequality; with D tangent to the \
         corrupted coordinates (T inside the span of an S that does not grow), and for a smooth patch on a fixed share of a \
         grating, the error does not fall with n."
    }

    fn cost(&self) -> u32 {
        3
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let mut rows = exact::rows(setting)?;
        let general = general::Rates::measure(&mut setting.stream(NUMBER, GENERAL), setting.pick(60, 400))?;
        rows.extend(general.rows(&mut setting.stream(NUMBER, LAW), setting)?);
        let gratings = gratings::Rates::measure(&mut setting.stream(NUMBER, GRATINGS), setting.pick(100, 600))?;
        rows.extend(gratings.rows(setting)?);
        let figures = vec![general.figure(), gratings.figure(), gratings::gallery(&mut setting.stream(NUMBER, PICTURES))?];
        Ok(Evidence { rows, figures })
    }
}
