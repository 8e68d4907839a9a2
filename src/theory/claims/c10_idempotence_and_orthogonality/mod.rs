//! **C10, idempotence and orthogonality.** Let f be C¹ and f∘f = f, D = {x : f(x) = x} its range, J its Jacobian.
//!
//! ```text
//! J(f(y)) J(y) = J(y);   on D:  J² = J,  tr J = d,   and  J = Jᵀ iff J = P_T
//! W² = W of rank d:      ‖W - Wᵀ‖_F² = 2(‖W‖_F² - d)
//! ```
//!
//! Offered as penalties `E‖(J² - J)v‖²` and `E‖(J - Jᵀ)v‖²` with probes v, what does each buy? If f fixes D, J P_T = P_T, so only
//! B = P_T J P_N and C = P_N J P_N are free, and (multiply out)
//!
//! ```text
//! ‖J - P_T‖² = ‖B‖² + ‖C‖²      ‖J² - J‖² = ‖BC‖² + ‖C² - C‖²      ‖J - Jᵀ‖² = 2‖B‖² + ‖C - Cᵀ‖²
//! ```
//!
//! The penalty on idempotence takes C to a projector, 0 if C is small, and BC to 0; where C = 0 it leaves B. That on asymmetry
//! takes B to 0 and leaves any symmetric C; both together leave P_T. But they say "orthogonal projector", not onto what: C = P_N,
//! the identity, passes both. For symmetric C the first is Σ λ²(1-λ)² with its ridge at ½, below which the data must bring the
//! eigenvalues first; so the penalties begin at half time, beside an objective with corruption (Method §3) and noise. Without
//! corruption they end at a projector of higher rank.
//!
//! Measured by central differences on exact maps, in f64 on matrices, and on networks trained on gratings: Jacobians. The
//! distance to π beside D and the measures of C9 are reported in a caption only: theory predicts no number for them. The full
//! form has more points on the exact maps and more seeds; the networks are the same.
//!
//! *Controls:* maps that are idempotent but not orthogonal (nearest point in another norm, oblique projectors), orthogonal but
//! not idempotent (halfway to π), and the other penalty alone.

mod bench;
mod blocks;
mod exact;
mod trained;

use crate::error::Result;
use crate::theory::claim::{Claim, Effort, Evidence, Setting};
use crate::theory::manifold::Gratings;
use bench::Bench;
use trained::Outcomes;

const NUMBER: u32 = 10;

/// Pixels a side: the wave below does not reach its Nyquist frequency.
const SIDE: usize = 5;

/// See the [module](self).
pub struct IdempotenceAndOrthogonality;

impl Claim for IdempotenceAndOrthogonality {
    fn id(&self) -> &'static str {
        "C10"
    }

    fn title(&self) -> &'static str {
        "Idempotence and orthogonality"
    }

    fn statement(&self) -> &'static str {
        "If f(f(y)) = f(y), then J(f(y))J(y) = J(y), and on D = {x : f(x) = x} the Jacobian J is a projector onto the tangent \
         space: J² = J and tr J = d. It is the orthogonal projector P_T if and only if J = Jᵀ; for idempotent W of rank d, ‖W - \
         Wᵀ‖² = 2(‖W‖² - d). As penalties on a network that fixes D, ‖J² - J‖² removes the part of J that maps normals to \
         normals, ‖J - Jᵀ‖² the part that maps normals to tangents, and both together lead to P_T. They do not choose the rank: \
         without corruption both vanish at an orthogonal projector onto too many directions. Controls: the nearest point in \
         another norm is idempotent but not orthogonal, the point halfway to π the reverse; either penalty alone."
    }

    /// Six networks are trained for each seed, so there are fewer.
    fn seeds(&self, effort: Effort) -> u64 {
        match effort {
            Effort::Quick => 1,
            Effort::Full => 3,
        }
    }

    fn cost(&self) -> u32 {
        20
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let mut rows = exact::curved_rows(setting)?;
        rows.extend(exact::linear_rows(setting)?);
        let small = Gratings::new(SIDE, SIDE, &[[1, 2]], 0.5)?;
        let outcomes = Outcomes::new(&Bench::new(setting, small, SIDE, (48, 4000))?)?;
        let subject = "one wave";
        rows.extend(outcomes.jacobian_rows(subject));
        rows.extend(outcomes.limit_rows(subject));
        Ok(Evidence { rows, figures: outcomes.figures() })
    }
}
