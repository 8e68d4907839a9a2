use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// `a + b`.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn add(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = Shape::same("add", &self.shape(a), &self.shape(b))?;
        self.record(shape, Sum { a, b, sign: 1.0 }, |tape, y| tape.backend.add(tape.buffer(a), tape.buffer(b), y))
    }

    /// `a - b`.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn sub(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = Shape::same("sub", &self.shape(a), &self.shape(b))?;
        self.record(shape, Sum { a, b, sign: -1.0 }, |tape, y| tape.backend.sub(tape.buffer(a), tape.buffer(b), y))
    }

    /// `a ⊙ b`, elementwise.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn mul(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = Shape::same("mul", &self.shape(a), &self.shape(b))?;
        self.record(shape, Product { a, b }, |tape, y| tape.backend.mul(tape.buffer(a), tape.buffer(b), y))
    }

    /// `alpha x + beta` for constants alpha and beta.
    ///
    /// # Errors
    /// The device failed.
    pub fn affine(&mut self, x: Var, alpha: f64, beta: f64) -> Result<Var> {
        self.record(self.shape(x), Affine { x, alpha }, |tape, y| tape.backend.affine(alpha, beta, tape.buffer(x), y))
    }

    /// `x + b`, b `[c]` added to every row of x `[.., c]`.
    ///
    /// # Errors
    /// b is not `[c]`.
    pub fn add_bias(&mut self, x: Var, b: Var) -> Result<Var> {
        let (shape, bias) = (self.shape(x), self.shape(b));
        if bias.extents() != [shape.channels()] {
            return Err(Error::shape("add_bias", format!("bias must be [{}], got {bias} (x {shape})", shape.channels())));
        }
        self.record(shape, AddBias { x, b }, |tape, y| tape.backend.add_bias(tape.buffer(x), tape.buffer(b), y))
    }
}

struct Sum {
    a: Var,
    b: Var,
    sign: f64,
}

impl<B: Backend> Operation<B> for Sum {
    fn inputs(&self) -> Vec<Var> {
        vec![self.a, self.b]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.a, |da| backend.axpy(1.0, dy, da))?;
        sweep.accumulate(self.b, |db| backend.axpy(self.sign, dy, db))
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

struct Product {
    a: Var,
    b: Var,
}

impl<B: Backend> Operation<B> for Product {
    fn inputs(&self) -> Vec<Var> {
        vec![self.a, self.b]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, a, b) = (sweep.backend(), sweep.value(self.a), sweep.value(self.b));
        sweep.accumulate(self.a, |da| backend.mul_add(dy, b, da))?;
        sweep.accumulate(self.b, |db| backend.mul_add(dy, a, db))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let left = inputs[0].map(|a| tape.mul(a, self.b)).transpose()?;
        let right = inputs[1].map(|b| tape.mul(self.a, b)).transpose()?;
        tape.sum_terms([left, right])
    }
}

struct Affine {
    x: Var,
    alpha: f64,
}

impl<B: Backend> Operation<B> for Affine {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.axpy(self.alpha, dy, dx))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.affine(x, self.alpha, 0.0)).transpose()
    }
}

struct AddBias {
    x: Var,
    b: Var,
}

impl<B: Backend> Operation<B> for AddBias {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x, self.b]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.axpy(1.0, dy, dx))?;
        sweep.accumulate(self.b, |db| backend.bias_grad(dy, db))
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
