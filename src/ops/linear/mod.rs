//! Linear map: `y[r, o] = A(b[o] + Σ_i x[r, i] w[o, i])`.

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::Contract;
use super::weighted::Weighted;
use crate::error::{Error, Result};
use crate::shape::{Activation, Shape, extent};

const OP: &str = "linear";

/// `y = A(x wᵀ + b)`: x `[rows, c_in]` (any leading dimensions), w `[c_out, c_in]`, b `[c_out]`, y `[rows, c_out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
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
        let &[c_out, c_in] = weight.dims() else {
            return Err(Error::shape(OP, format!("weight must be [out, in], got {weight}")));
        };
        if x.channels() != c_in {
            let has = x.channels();
            return Err(Error::shape(OP, format!("weight expects {c_in} features, input has {has} (x {x}, w {weight})")));
        }
        if let Some(bias) = bias.filter(|bias| bias.dims() != [c_out]) {
            return Err(Error::shape(OP, format!("bias must be [{c_out}], got {bias} (x {x}, w {weight})")));
        }
        Ok(Self { rows: extent(x.rows()), c_in: extent(c_in), c_out: extent(c_out), activation })
    }

    /// FLOPs of one forward pass, two per multiply-add.
    pub fn flops(&self) -> u64 {
        2 * u64::from(self.rows) * u64::from(self.c_in) * u64::from(self.c_out)
    }

    /// Elements of x, w and y.
    pub(super) fn lengths(&self) -> [usize; 3] {
        let [rows, c_in, c_out] = [self.rows, self.c_in, self.c_out].map(|extent| extent as usize);
        [rows * c_in, c_out * c_in, rows * c_out]
    }

    fn weighted(&self) -> Weighted {
        Weighted { op: OP, flops: self.flops(), lengths: self.lengths(), bias: self.c_out as usize }
    }
}

/// A call. See [`LinearSpec`]; dz is the gradient before the activation.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Linear<'a, T> {
    /// `y = A(x wᵀ + b)`.
    Forward { spec: &'a LinearSpec, x: &'a T, w: &'a T, b: Option<&'a T>, y: &'a mut T },
    /// `dx += dz w`.
    InputGrad { spec: &'a LinearSpec, dz: &'a T, w: &'a T, dx: &'a mut T },
    /// `dw += dzᵀ x`, `db += Σ dz`.
    WeightGrad { spec: &'a LinearSpec, x: &'a T, dz: &'a T, dw: &'a mut T, db: Option<&'a mut T> },
}

impl<T> Linear<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        match self {
            Self::Forward { spec, x, w, b, y } => spec.weighted().forward(x, w, b.as_deref(), y),
            Self::InputGrad { spec, dz, w, dx } => spec.weighted().input_grad(dz, w, dx),
            Self::WeightGrad { spec, x, dz, dw, db } => spec.weighted().weight_grad(x, dz, dw, db.as_deref()),
        }
    }
}
