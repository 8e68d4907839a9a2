//! The contract of operations `y = A(w x + b)` with one weight and one bias, for any kind of product.

use crate::backend::Phase;

use super::contract::Contract;

/// The differences between these operations.
pub(super) struct Weighted {
    pub op: &'static str,
    /// FLOPs of each pass.
    pub flops: u64,
    /// Elements of x, w and y.
    pub lengths: [usize; 3],
    /// Elements of b.
    pub bias: usize,
}

impl Weighted {
    /// `y = A(w x + b)`.
    pub fn forward<'a, T>(&self, x: &'a T, w: &'a T, b: Option<&'a T>, y: &'a T) -> Contract<'a, T> {
        let [x_len, w_len, y_len] = self.lengths;
        let contract = self.contract(Phase::Forward).read("x", x, x_len).read("w", w, w_len);
        contract.read_if("b", b, self.bias).write("y", y, y_len)
    }

    /// `dx +=`.
    pub fn input_grad<'a, T>(&self, dz: &'a T, w: &'a T, dx: &'a T) -> Contract<'a, T> {
        let [x_len, w_len, y_len] = self.lengths;
        self.contract(Phase::InputGradient).read("dz", dz, y_len).read("w", w, w_len).update("dx", dx, x_len)
    }

    /// `dw +=`, `db +=`.
    pub fn weight_grad<'a, T>(&self, x: &'a T, dz: &'a T, dw: &'a T, db: Option<&'a T>) -> Contract<'a, T> {
        let [x_len, w_len, y_len] = self.lengths;
        let contract = self.contract(Phase::WeightGradient).read("x", x, x_len).read("dz", dz, y_len);
        contract.update("dw", dw, w_len).update_if("db", db, self.bias)
    }

    fn contract<'a, T>(&self, phase: Phase) -> Contract<'a, T> {
        Contract::new(self.op).phase(phase).flops(self.flops)
    }
}
