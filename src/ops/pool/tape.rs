use std::sync::Arc;

use super::{MaxPool, PoolSpec};
use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Shape;
use crate::tape::{Operation, Sweep, Tape, Tensor, Var};

impl<B: Backend> Tape<B> {
    /// Maximum over non-overlapping `window x window` pixels; leftover rows and columns are dropped; of equal maxima the first is
    /// used.
    ///
    /// # Errors
    /// x is not `[N, H, W, C]`, or the window does not fit.
    pub fn max_pool(&mut self, x: Var, window: usize) -> Result<Var> {
        let spec = PoolSpec::new(&self.shape(x), window)?;
        self.select_max(spec, x, x)
    }

    /// The maxima of x, which have been computed already.
    pub(in crate::ops) fn selected_max(&mut self, spec: PoolSpec, x: Var, maxima: B::Buffer) -> Result<Var> {
        let needs_gradient = self.needs_gradient(x);
        let operation = Arc::new(SelectMaxNode { spec, x, v: x });
        Ok(self.push(Tensor::from_buffer(spec.output()?, maxima), Some(operation), needs_gradient))
    }

    /// `v` at the argmax positions of x.
    fn select_max(&mut self, spec: PoolSpec, x: Var, v: Var) -> Result<Var> {
        Shape::same("max_pool", &self.shape(x), &self.shape(v))?;
        self.record(spec.output()?, SelectMaxNode { spec, x, v }, |tape, y| {
            tape.backend().run(MaxPool::Forward { spec: &spec, x: tape.buffer(x), v: tape.buffer(v), y })
        })
    }
}

/// A small change of x does not change the argmax, so only v is differentiated.
struct SelectMaxNode {
    spec: PoolSpec,
    x: Var,
    v: Var,
}

impl<B: Backend> Operation<B> for SelectMaxNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.v]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, x) = (sweep.backend(), sweep.value(self.x));
        sweep.accumulate_through(self.v, |dv, slope| backend.run(MaxPool::InputGrad { spec: &self.spec, x, dy, dv, slope }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|v| tape.select_max(self.spec, self.x, v)).transpose()
    }
}
