use super::{Objective, ObjectiveSpec, Penalty};
use crate::error::{Error, Result};
use crate::ops::{Backend, Pointwise, Reduce};
use crate::shape::Shape;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// Masked two-region objective (Method §3), a scalar: `output = f(x̂)`, `target = x`, `mask = M`: `[N, H, W, C]` with
    /// `[N, H, W, 1]`, or vectors `[N, n]` with `[N, n]`.
    ///
    /// # Errors
    /// As [`ObjectiveSpec::new`]; a mask that requires a gradient.
    pub fn objective(&mut self, output: Var, target: Var, mask: Var, penalty: Penalty, lambda: f64, epsilon: f64) -> Result<Var> {
        let shapes = [output, target, mask].map(|var| self.shape(var));
        let spec = ObjectiveSpec::new(&shapes[0], &shapes[1], &shapes[2], penalty, lambda, epsilon)?;
        if self.needs_gradient(mask) {
            return Err(Error::shape("objective", "the mask is a constant and cannot have a gradient"));
        }
        let terms = Terms { spec, output, target, mask };
        self.record(Shape::scalar(), ObjectiveNode { terms }, |tape, loss| {
            let [output, target, mask] = terms.operands().map(|var| tape.buffer(var));
            tape.backend().run(Objective::Loss { spec: &spec, output, target, mask, loss })
        })
    }

    fn objective_derivative(&mut self, terms: Terms, order: u32) -> Result<Var> {
        self.record(self.shape(terms.output), DerivativeNode { terms, order }, |tape, d| {
            let [output, target, mask] = terms.operands().map(|var| tape.buffer(var));
            tape.backend().run(Objective::Derivative { spec: &terms.spec, order, output, target, mask, d })
        })
    }
}

#[derive(Clone, Copy)]
struct Terms {
    spec: ObjectiveSpec,
    output: Var,
    target: Var,
    mask: Var,
}

impl Terms {
    fn operands(&self) -> [Var; 3] {
        [self.output, self.target, self.mask]
    }

    /// Derivative of order k on the device. The loss depends on output - target only, and its Hessian is diagonal.
    fn derivative<B: Backend>(&self, sweep: &Sweep<'_, B>, order: u32) -> Result<B::Buffer> {
        let backend = sweep.backend();
        let mut d = backend.alloc(backend.len(sweep.value(self.output)))?;
        let [output, target, mask] = self.operands().map(|var| sweep.value(var));
        backend.run(Objective::Derivative { spec: &self.spec, order, output, target, mask, d: &mut d })?;
        Ok(d)
    }

    /// The tangent of output - target.
    fn error_tangent<B: Backend>(tape: &mut Tape<B>, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let target = inputs[1].map(|target| tape.affine(target, -1.0, 0.0)).transpose()?;
        tape.sum_terms([inputs[0], target])
    }
}

struct ObjectiveNode {
    terms: Terms,
}

impl<B: Backend> Operation<B> for ObjectiveNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.terms.output, self.terms.target]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        let slope = self.terms.derivative(sweep, 1)?;
        for (var, sign) in [(self.terms.output, 1.0), (self.terms.target, -1.0)] {
            sweep.accumulate(var, |d| {
                let mut scale = backend.zeros(backend.len(&slope))?;
                backend.run(Reduce::SumGrad { alpha: sign, dy, dx: &mut scale })?;
                backend.run(Pointwise::MulAdd { a: &scale, b: &slope, y: d })
            })?;
        }
        Ok(())
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let Some(error) = Terms::error_tangent(tape, inputs)? else { return Ok(None) };
        let slope = tape.objective_derivative(self.terms, 1)?;
        let product = tape.mul(slope, error)?;
        tape.sum(product).map(Some)
    }
}

/// Elementwise derivative of the loss in the output.
struct DerivativeNode {
    terms: Terms,
    order: u32,
}

impl<B: Backend> Operation<B> for DerivativeNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.terms.output, self.terms.target]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        let curvature = self.terms.derivative(sweep, self.order + 1)?;
        sweep.accumulate(self.terms.output, |d| backend.run(Pointwise::MulAdd { a: dy, b: &curvature, y: d }))?;
        sweep.accumulate(self.terms.target, |d| {
            let mut negative = backend.alloc(backend.len(dy))?;
            backend.run(Pointwise::Affine { alpha: -1.0, beta: 0.0, x: dy, y: &mut negative })?;
            backend.run(Pointwise::MulAdd { a: &negative, b: &curvature, y: d })
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let Some(error) = Terms::error_tangent(tape, inputs)? else { return Ok(None) };
        let curvature = tape.objective_derivative(self.terms, self.order + 1)?;
        tape.mul(curvature, error).map(Some)
    }
}
