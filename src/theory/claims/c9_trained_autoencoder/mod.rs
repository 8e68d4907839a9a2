//! **C9, the trained self-supervised autoencoder resembles π.** x in D, x̂ its partially corrupted copy, e = x̂ - x. Where x is a
//! function of x̂, the optimum of the objective is f*(x̂) = x, so
//!
//! ```text
//! ‖f*(x̂) - x‖ = 0,   ‖f*(x̂) - π(x̂)‖ = ‖P_T e‖ + O(‖e‖²/(τ-‖e‖)),   √(d/n) ‖e‖ for e in general position (C7);
//! ‖x̂ - f*(x̂)‖ / δ(x̂) → 1 as d/n → 0,   f* ∘ f* = f*,   x̂ - f*(x̂) orthogonal to T up to ‖P_T e‖/‖e‖.
//! ```
//!
//! How near a network of finite width comes to f* in finite time is not predicted. Measured on unseen samples, all lengths
//! relative to the corruption (root mean square over root mean square): f(x̂) to x and to π(x̂), f(f(x̂)) to f(x̂), f(x) to x,
//! the change off S, the cosine of the residual to T, the residual over the true distance, and their rank correlation. In quick
//! one small network, with limits between it and its control. In full gratings, disks and bars of 16, 32 and 64 pixels, a fully
//! connected network and Models I and II, with the same limits for all: at least half of the corruption is undone. One seed, as
//! it is 54 trainings.
//!
//! Controls: the same network, weights and steps with x̂ = x, a plain autoencoder, where that is one: for the small network, and
//! for Model II, which has skips. Else maps that are not π: the identity, another picture of D, the reflection 2π(x̂) - x̂, π(x̂)
//! moved along T. What every plain autoencoder reaches is in the figures `c9_control_*`.
//!
//! What does not hold, with numbers of the full form (seed 0, errors ‖f(x̂)-x‖/‖e‖; all in `paper/results/theory/README.md`):
//!
//! - **One check of the full form fails**, and is left so: Model I on gratings of 16 pixels is 0.396 from π, and 0.366 is allowed. It has
//!   2x2 pixels between its halves there, and draws even x badly.
//! - **The plain autoencoder is a weak control wherever the network has a bottleneck.** It need not be the identity: trained from
//!   small weights it fits D before anything else and removes what is off the span of D. Gratings of 64 pixels, with and without
//!   corruption: MLP 0.12 and 0.14, Model I 0.198 and 0.197; Model II, with skips, 0.20 and 0.83. Disks: MLP 0.35 and 0.40, Model I
//!   0.33 and 0.45, Model II 0.41 and 0.84.
//! - **The networks resemble π more than their optimum.** The optimum is x, but f(x̂) is nearer to π(x̂) in 24 of 27 cases, e.g. 0.06 and
//!   0.12 (MLP, gratings of 64 pixels), 0.17 and 0.33 (Model I, disks of 64 pixels); not for bars with
//!   Model I at 16 and Model II at 32 and 64 pixels.
//! - Some margins are narrow: of disks of 16 pixels Model II leaves 0.49 of the corruption where ½ is allowed; without corruption it
//!   leaves 0.507 of gratings of 16 pixels, only just enough to be rejected as a control.
//! - Under the corruption of Method §2, a fixed share of the picture with smooth content, the error does not fall with n: it is not
//!   in general position (C7), and even π's own stays at 0.12 on gratings, 0.3 on disks and 0.4 on bars. The slope -1/2 is checked for π
//!   under white noise on a square of gratings; the slopes of the networks are in the figures, as nothing is proven about them.

mod bench;
mod case;
mod experiment;
mod figures;
mod rows;

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
        "Let x be in D, x̂ its partially corrupted copy and e = x̂ - x. Where x is a function of x̂ the optimum of the \
         self-supervised objective is f(x̂) = x, which differs from π(x̂) by about ‖P_T e‖. A network trained on pictures of \
         gratings, disks and bars with the paper's objective and corruption therefore restores unseen samples: f(x̂) is near x \
         and near π(x̂) relative to ‖e‖, f is nearly idempotent, the residual x̂ - f(x̂) is nearly orthogonal to the tangent \
         space, pixels off S are kept, and ‖x̂ - f(x̂)‖ ranks samples as the true distance to D does. How near a network comes \
         is measured, not predicted. π's own error falls like n to the power -1/2 under white noise, and does not fall under \
         the paper's corruption of a fixed share. Controls: the same small network trained as a plain autoencoder (x̂ = x) \
         restores less and fails the five checks on lengths and angle; its residual still ranks samples, so the two others have \
         maps that are not π as controls."
    }

    fn seeds(&self, _: Effort) -> u64 {
        1
    }

    fn cost(&self) -> u32 {
        40
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let outcomes = bench::outcomes(setting)?;
        let rows = match setting.effort() {
            Effort::Quick => outcomes.iter().map(rows::quick).collect::<Result<Vec<_>>>()?.concat(),
            Effort::Full => rows::full(&outcomes)?,
        };
        Ok(Evidence { rows, figures: figures::all(&outcomes)? })
    }
}
