use super::{Shape, extent};
use crate::error::{Error, Result};

/// Convex combination module (CCM): `h = ELU(w_mix [s, u, (s-u)²] + b_mix)`, `β = σ(w_gate h + b_gate)`,
/// `y = β ⊙ s + (1-β) ⊙ u`.
///
/// s, u, h, β, y `[rows, c]` (any leading extents), w_mix `[c, 1, 1, 3c]`, w_gate `[c, 1, 1, c]`, biases `[c]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CcmSpec {
    /// Pixels of the whole batch.
    pub rows: u32,
    /// Channels.
    pub c: u32,
}

impl CcmSpec {
    /// Checks skip `s` and upsampled `u`, and the gate's weights.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn new(s: &Shape, u: &Shape, w_mix: &Shape, w_gate: &Shape) -> Result<Self> {
        const OP: &str = "ccm";
        let shape = Shape::same(OP, s, u)?;
        let c = shape.channels();
        if w_mix.extents() != [c, 1, 1, 3 * c] || w_gate.extents() != [c, 1, 1, c] {
            let wants = format!("weights must be [{c}, 1, 1, {}] and [{c}, 1, 1, {c}]", 3 * c);
            return Err(Error::shape(OP, format!("{wants}, got {w_mix} and {w_gate} (s {s})")));
        }
        Ok(Self { rows: extent(shape.rows()), c: extent(c) })
    }
}
