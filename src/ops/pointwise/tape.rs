use super::Pointwise;
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::shape::{Activation, Shape};
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// `A(x)`, elementwise.
    ///
    /// # Errors
    /// The device failed.
    pub fn activation(&mut self, x: Var, activation: Activation) -> Result<Var> {
        self.record(self.shape(x), ActivationNode { x, activation }, |tape, y| {
            tape.backend().run(Pointwise::Activation { activation, x: tape.buffer(x), y })
        })
    }

    /// `S⁽ᵏ⁾(y)`: the derivative of order k of the slope S, where `S(A(x)) = A'(x)`.
    pub(crate) fn activation_slope(&mut self, y: Var, activation: Activation, order: u32) -> Result<Var> {
        let operation = SlopeNode { y, activation, order };
        self.record(self.shape(y), operation, |tape, s| {
            tape.backend().run(Pointwise::ActivationSlope { activation, order, y: tape.buffer(y), s })
        })
    }

    /// Tangent of an activation with output `y`: `A'(z) ⊙ z'`.
    pub(crate) fn through_activation(&mut self, y: Var, activation: Activation, tangent: Var) -> Result<Var> {
        if activation == Activation::Identity {
            return Ok(tangent);
        }
        let slope = self.activation_slope(y, activation, 0)?;
        self.mul(slope, tangent)
    }
}

impl<B: Backend> Sweep<'_, B> {
    /// Calls `then` with the gradient at the input of an activation with output `y`: `dz = dy ⊙ A'(z)`. The last contribution to
    /// `dy` may have been multiplied by the slope already.
    pub(crate) fn before_activation(
        &mut self,
        y: Var,
        activation: Activation,
        dy: &mut B::Buffer,
        then: impl FnOnce(&mut Self, &B::Buffer) -> Result<()>,
    ) -> Result<()> {
        if activation != Activation::Identity && !self.is_finished(y) {
            self.backend().run(Pointwise::ActivationGrad { activation, y: self.value(y), dz: dy })?;
            self.backend().settle(dy)?;
        }
        then(self, dy)
    }
}

struct ActivationNode {
    x: Var,
    activation: Activation,
}

impl<B: Backend> Operation<B> for ActivationNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn activation(&self) -> Activation {
        self.activation
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()> {
        sweep.before_activation(y, self.activation, dy, |sweep, dz| {
            let backend = sweep.backend();
            sweep.accumulate(self.x, |dx| backend.run(Pointwise::Axpy { alpha: 1.0, x: dz, y: dx }))
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.through_activation(y, self.activation, x)).transpose()
    }
}

struct SlopeNode {
    y: Var,
    activation: Activation,
    order: u32,
}

impl<B: Backend> Operation<B> for SlopeNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.y]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, ds: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        let mut slope = backend.alloc(backend.len(ds))?;
        backend.run(Pointwise::ActivationSlope {
            activation: self.activation,
            order: self.order + 1,
            y: sweep.value(self.y),
            s: &mut slope,
        })?;
        sweep.accumulate(self.y, |dy| backend.run(Pointwise::MulAdd { a: ds, b: &slope, y: dy }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let Some(tangent) = inputs[0] else { return Ok(None) };
        let slope = tape.activation_slope(self.y, self.activation, self.order + 1)?;
        tape.mul(slope, tangent).map(Some)
    }
}

impl<B: Backend> Tape<B> {
    /// `a + b`.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn add(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = Shape::same("add", &self.shape(a), &self.shape(b))?;
        self.record(shape, SumNode { a, b, sign: 1.0 }, |tape, y| {
            tape.backend().run(Pointwise::Add { a: tape.buffer(a), b: tape.buffer(b), y })
        })
    }

    /// `a - b`.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn sub(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = Shape::same("sub", &self.shape(a), &self.shape(b))?;
        self.record(shape, SumNode { a, b, sign: -1.0 }, |tape, y| {
            tape.backend().run(Pointwise::Sub { a: tape.buffer(a), b: tape.buffer(b), y })
        })
    }

    /// `a ⊙ b`, elementwise.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn mul(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = Shape::same("mul", &self.shape(a), &self.shape(b))?;
        self.record(shape, ProductNode { a, b }, |tape, y| {
            tape.backend().run(Pointwise::Mul { a: tape.buffer(a), b: tape.buffer(b), y })
        })
    }

    /// `a / b`, elementwise. b should keep away from 0: nothing is added to it.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn div(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = Shape::same("div", &self.shape(a), &self.shape(b))?;
        self.record(shape, QuotientNode { a, b }, |tape, y| {
            tape.backend().run(Pointwise::Div { a: tape.buffer(a), b: tape.buffer(b), y })
        })
    }

    /// `√x`, elementwise. x should be above 0: at 0 the derivative is infinite, below it the root is NaN.
    ///
    /// # Errors
    /// The device failed.
    pub fn sqrt(&mut self, x: Var) -> Result<Var> {
        self.record(self.shape(x), RootNode { x }, |tape, y| tape.backend().run(Pointwise::Sqrt { x: tape.buffer(x), y }))
    }

    /// `alpha x + beta` for constants alpha and beta.
    ///
    /// # Errors
    /// The device failed.
    pub fn affine(&mut self, x: Var, alpha: f64, beta: f64) -> Result<Var> {
        self.record(self.shape(x), AffineNode { x, alpha }, |tape, y| {
            tape.backend().run(Pointwise::Affine { alpha, beta, x: tape.buffer(x), y })
        })
    }

    /// `x + b`, b `[c]` added to every row of x `[.., c]`.
    ///
    /// # Errors
    /// b is not `[c]`.
    pub fn add_bias(&mut self, x: Var, b: Var) -> Result<Var> {
        let (shape, bias) = (self.shape(x), self.shape(b));
        if bias.dims() != [shape.channels()] {
            return Err(Error::shape("add_bias", format!("bias must be [{}], got {bias} (x {shape})", shape.channels())));
        }
        self.record(shape, AddBiasNode { x, b }, |tape, y| {
            tape.backend().run(Pointwise::AddBias { x: tape.buffer(x), b: tape.buffer(b), y })
        })
    }

    /// The sum of the terms that are present; None if there are none.
    pub(crate) fn sum_terms(&mut self, terms: impl IntoIterator<Item = Option<Var>>) -> Result<Option<Var>> {
        let mut total = None;
        for term in terms.into_iter().flatten() {
            total = Some(match total {
                None => term,
                Some(sum) => self.add(sum, term)?,
            });
        }
        Ok(total)
    }
}

struct SumNode {
    a: Var,
    b: Var,
    sign: f64,
}

impl<B: Backend> Operation<B> for SumNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.a, self.b]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.a, |da| backend.run(Pointwise::Axpy { alpha: 1.0, x: dy, y: da }))?;
        sweep.accumulate(self.b, |db| backend.run(Pointwise::Axpy { alpha: self.sign, x: dy, y: db }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        match (inputs[0], inputs[1]) {
            (Some(a), Some(b)) if self.sign > 0.0 => tape.add(a, b).map(Some),
            (Some(a), Some(b)) => tape.sub(a, b).map(Some),
            (a, None) => Ok(a),
            (None, Some(b)) => tape.affine(b, self.sign, 0.0).map(Some),
        }
    }
}

struct ProductNode {
    a: Var,
    b: Var,
}

impl<B: Backend> Operation<B> for ProductNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.a, self.b]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, a, b) = (sweep.backend(), sweep.value(self.a), sweep.value(self.b));
        sweep.accumulate(self.a, |da| backend.run(Pointwise::MulAdd { a: dy, b, y: da }))?;
        sweep.accumulate(self.b, |db| backend.run(Pointwise::MulAdd { a: dy, b: a, y: db }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let left = inputs[0].map(|a| tape.mul(a, self.b)).transpose()?;
        let right = inputs[1].map(|b| tape.mul(self.a, b)).transpose()?;
        tape.sum_terms([left, right])
    }
}

struct QuotientNode {
    a: Var,
    b: Var,
}

impl<B: Backend> Operation<B> for QuotientNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.a, self.b]
    }

    /// `da += dy / b`, `db -= y dy / b`.
    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, b, y) = (sweep.backend(), sweep.value(self.b), sweep.value(y));
        let mut ratio = backend.alloc(backend.len(dy))?;
        backend.run(Pointwise::Div { a: dy, b, y: &mut ratio })?;
        sweep.accumulate(self.a, |da| backend.run(Pointwise::Axpy { alpha: 1.0, x: &ratio, y: da }))?;
        sweep.accumulate(self.b, |db| {
            let mut negative = backend.alloc(backend.len(dy))?;
            backend.run(Pointwise::Affine { alpha: -1.0, beta: 0.0, x: &ratio, y: &mut negative })?;
            backend.run(Pointwise::MulAdd { a: &negative, b: y, y: db })
        })
    }

    /// `y' = (a' - y b') / b`.
    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let by_b = inputs[1].map(|b| tape.mul(y, b)).transpose()?;
        let by_b = by_b.map(|product| tape.affine(product, -1.0, 0.0)).transpose()?;
        let Some(sum) = tape.sum_terms([inputs[0], by_b])? else { return Ok(None) };
        tape.div(sum, self.b).map(Some)
    }
}

struct RootNode {
    x: Var,
}

impl<B: Backend> Operation<B> for RootNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    /// `dx += dy / 2y`.
    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, y) = (sweep.backend(), sweep.value(y));
        sweep.accumulate(self.x, |dx| {
            let mut ratio = backend.alloc(backend.len(dy))?;
            backend.run(Pointwise::Div { a: dy, b: y, y: &mut ratio })?;
            backend.run(Pointwise::Axpy { alpha: 0.5, x: &ratio, y: dx })
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let Some(x) = inputs[0] else { return Ok(None) };
        let ratio = tape.div(x, y)?;
        tape.affine(ratio, 0.5, 0.0).map(Some)
    }
}

struct AffineNode {
    x: Var,
    alpha: f64,
}

impl<B: Backend> Operation<B> for AffineNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.run(Pointwise::Axpy { alpha: self.alpha, x: dy, y: dx }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.affine(x, self.alpha, 0.0)).transpose()
    }
}

struct AddBiasNode {
    x: Var,
    b: Var,
}

impl<B: Backend> Operation<B> for AddBiasNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x, self.b]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.run(Pointwise::Axpy { alpha: 1.0, x: dy, y: dx }))?;
        sweep.accumulate(self.b, |db| backend.run(Pointwise::BiasGrad { dy, db }))
    }

    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let Some(b) = inputs[1] else { return Ok(inputs[0]) };
        let x = match inputs[0] {
            Some(x) => x,
            None => tape.zeros(tape.shape(y))?,
        };
        tape.add_bias(x, b).map(Some)
    }
}
