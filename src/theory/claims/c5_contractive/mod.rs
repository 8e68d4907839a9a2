//! **C5, what the contractive autoencoder learns.** With x on D (d-dimensional, mean curvature vector H, density p), V = H + ∇log
//! p and K² = E‖V‖², the RCAE minimises
//!
//! ```text
//! L_γ(f) = E‖f(x) - x‖² + γ E‖J_f(x)‖_F².
//! ```
//!
//! For every C¹ map f (theorems C5.1 to C5.3 of `paper/theory.md`), with ε = L_γ(f)/γ - d,
//!
//! ```text
//! L_γ(f) = γd + a - 2γ E⟨f(x) - x, V⟩ + γ E‖J_f - P_T‖_F²,     a = E‖f(x) - x‖²
//! E‖J_f - P_T‖_F² ≤ ε + γK²,     √a ≤ γK + √(γ²K² + γε)
//! min L_γ on the circle of radius R: γ/(1 + γ/R²), by the map g_γ that scales about the centre by 1/(1 + γ/R²), J g_γ P_N = 0.
//! ```
//!
//! So J_f → P_T and f → id on D as γ → 0: one singular value is near 1, the others near 0, and f is near π close to D. The bounds
//! hold also for ε < 0, which is the case near the minimum: the proof does not use the sign.
//!
//! Measured on networks trained with the exact Jacobian on fresh points of a circle in R⁴, and (full) with one probe a sample,
//! `E‖J v‖² = ‖J‖_F²` for v ~ N(0, I), on pictures of one grating in R⁶⁴. Means over D are trapezoidal sums over the circle.
//!
//! *Control:* γ = 0, the same initial weights and samples: f = id on D, but the normal singular values stay where the initial
//! weights left them. The inequality without its curvature term γK² is wrong.

mod circle;
mod figures;
mod gradient;
mod jet;
mod network;
mod probes;
mod rows;
mod wide;

use crate::backend::Reference;
use crate::error::Result;
use crate::theory::claim::{Claim, Effort, Evidence, Setting};

pub use gradient::gradient_rows;

use circle::Circle;
use jet::Jets;
use network::{Plan, Trained};

const NUMBER: u32 = 5;
/// The γ of most checks.
const GAMMA: f64 = 0.05;
/// Nodes of the trapezoidal sums.
const NODES: usize = 500;
const CONTROL: &str = "γ = 0";
const LEFT: &str = "what a small network leaves of the optimum after a few thousand steps";

/// See the [module](self).
pub struct Contractive;

impl Claim for Contractive {
    fn id(&self) -> &'static str {
        "C5"
    }

    fn title(&self) -> &'static str {
        "The contractive autoencoder"
    }

    fn statement(&self) -> &'static str {
        "The reconstruction contractive autoencoder minimises L_γ(f) = E‖f(x)-x‖² + γE‖J_f(x)‖_F² over x on D. Every \
         continuously differentiable map satisfies E‖J_f-P_T‖_F² ≤ ε + γK² with ε = L_γ(f)/γ - d and K² the mean square of the \
         mean curvature plus the gradient of the log density. So as γ → 0 the Jacobian tends to P_T: d singular values near 1, \
         the others near 0, and f is near the orthogonal projection π close to D. On a circle of radius R the tangent singular \
         value is 1/(1+γ/R²) and the loss γ/(1+γ/R²). One random probe v ~ N(0, I) estimates ‖J_f‖_F² by ‖J_f v‖² without bias. \
         Control: γ = 0 with the same network and samples, which does not suppress the normal directions; the bound without its \
         curvature term; probes of length 1."
    }

    fn cost(&self) -> u32 {
        5
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let backend = Reference::<f64>::default();
        let circle = Circle::small()?;
        let gammas: &[f64] = setting.pick(&[0.2, 0.1, GAMMA], &[0.2, 0.1, GAMMA, 0.02]);
        let train = |gamma: f64| network::train(&backend, &circle, &Plan { gamma, ..Plan::small(setting) }, setting);
        let jets = |trained: &Trained<Reference<f64>>| Jets::of(&backend, &trained.network, &circle, NODES);
        let (reference, control) = (train(GAMMA)?, train(0.0)?);
        let (found, unpenalised) = (jets(&reference)?, jets(&control)?);
        let mut rows = rows::at_gamma(&circle, &found, &unpenalised);
        rows.push(rows::near(&backend, &circle, [&reference, &control], &found, setting)?);
        let other = |&gamma: &f64| if gamma == GAMMA { jets(&reference) } else { jets(&train(gamma)?) };
        let along = gammas.iter().map(other).collect::<Result<Vec<_>>>()?;
        rows.extend(gammas.iter().zip(&along).map(|(&gamma, found)| rows::trend(&circle, gamma, found, &unpenalised)));
        rows.push(rows::falls(&circle, gammas[0], [&found, &along[0], &unpenalised]));
        rows.extend(probes::rows(&backend, &circle, &reference.network, setting)?);
        rows.extend(gradient_rows(&backend, setting)?);
        if setting.effort() == Effort::Full {
            rows.extend(wide::rows(setting)?);
        }
        let figures = vec![figures::singular_values(&reference, &control), figures::gamma(&circle, gammas, &along, &unpenalised)];
        Ok(Evidence { rows, figures })
    }
}
