use super::{Activation, Shape, extent};
use crate::error::{Error, Result};

/// `y = A(x wᵀ + b)`: x `[rows, c_in]` (any leading extents), w `[c_out, c_in]`, b `[c_out]`, y `[rows, c_out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LinearSpec {
    /// Samples.
    pub rows: u32,
    /// Input features.
    pub c_in: u32,
    /// Output features.
    pub c_out: u32,
    /// Fused activation.
    pub activation: Activation,
}

impl LinearSpec {
    /// Checks the operands of a linear map.
    ///
    /// # Errors
    /// Ranks or feature counts that do not fit.
    pub fn new(x: &Shape, weight: &Shape, bias: Option<&Shape>, activation: Activation) -> Result<Self> {
        const OP: &str = "linear";
        let &[c_out, c_in] = weight.extents() else {
            return Err(Error::shape(OP, format!("weight must be [out, in], got {weight}")));
        };
        if x.channels() != c_in {
            let has = x.channels();
            return Err(Error::shape(OP, format!("weight expects {c_in} features, input has {has} (x {x}, w {weight})")));
        }
        if let Some(bias) = bias.filter(|bias| bias.extents() != [c_out]) {
            return Err(Error::shape(OP, format!("bias must be [{c_out}], got {bias} (x {x}, w {weight})")));
        }
        Ok(Self { rows: extent(x.rows()), c_in: extent(c_in), c_out: extent(c_out), activation })
    }

    /// Multiply-adds times two of one forward pass.
    pub fn flops(&self) -> u64 {
        2 * u64::from(self.rows) * u64::from(self.c_in) * u64::from(self.c_out)
    }
}
