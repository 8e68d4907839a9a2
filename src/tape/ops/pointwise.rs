use crate::backend::Backend;
use crate::error::Result;
use crate::shape::Activation;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// `A(x)`, elementwise.
    ///
    /// # Errors
    /// The device failed.
    pub fn activation(&mut self, x: Var, activation: Activation) -> Result<Var> {
        self.record(self.shape(x), Pointwise { x, activation }, |tape, y| tape.backend.activation(activation, tape.buffer(x), y))
    }

    /// `S⁽ᵏ⁾(y)`: the derivative of order k of the slope S, where `S(A(x)) = A'(x)`.
    pub(crate) fn activation_slope(&mut self, y: Var, activation: Activation, order: u32) -> Result<Var> {
        let operation = Slope { y, activation, order };
        self.record(self.shape(y), operation, |tape, s| tape.backend.activation_slope(activation, order, tape.buffer(y), s))
    }

    /// The tangent behind an activation with output `y`: `A'(z) ⊙ z'`.
    pub(crate) fn through_activation(&mut self, y: Var, activation: Activation, tangent: Var) -> Result<Var> {
        if activation == Activation::Identity {
            return Ok(tangent);
        }
        let slope = self.activation_slope(y, activation, 0)?;
        self.mul(slope, tangent)
    }
}

impl<B: Backend> Sweep<'_, B> {
    /// Calls `then` with the gradient before an activation with output `y`: `dz = dy ⊙ A'(z)`.
    pub(crate) fn before_activation(
        &mut self,
        y: Var,
        activation: Activation,
        dy: &mut B::Buffer,
        then: impl FnOnce(&mut Self, &B::Buffer) -> Result<()>,
    ) -> Result<()> {
        if activation != Activation::Identity {
            self.backend().activation_grad(activation, self.value(y), dy)?;
        }
        then(self, dy)
    }
}

struct Pointwise {
    x: Var,
    activation: Activation,
}

impl<B: Backend> Operation<B> for Pointwise {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()> {
        sweep.before_activation(y, self.activation, dy, |sweep, dz| {
            let backend = sweep.backend();
            sweep.accumulate(self.x, |dx| backend.axpy(1.0, dz, dx))
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.through_activation(y, self.activation, x)).transpose()
    }
}

struct Slope {
    y: Var,
    activation: Activation,
    order: u32,
}

impl<B: Backend> Operation<B> for Slope {
    fn inputs(&self) -> Vec<Var> {
        vec![self.y]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, ds: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        let mut slope = backend.alloc(backend.len(ds))?;
        backend.activation_slope(self.activation, self.order + 1, sweep.value(self.y), &mut slope)?;
        sweep.accumulate(self.y, |dy| backend.mul_add(ds, &slope, dy))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let Some(tangent) = inputs[0] else { return Ok(None) };
        let slope = tape.activation_slope(self.y, self.activation, self.order + 1)?;
        tape.mul(slope, tangent).map(Some)
    }
}
