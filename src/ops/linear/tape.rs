use super::{Linear, LinearSpec};
use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Activation;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// `A(x wᵀ + b)`: x `[.., I]`, w `[O, I]`, b `[O]`, result `[.., O]`.
    ///
    /// # Errors
    /// As [`LinearSpec::new`].
    pub fn linear(&mut self, x: Var, w: Var, b: Option<Var>, activation: Activation) -> Result<Var> {
        let bias = b.map(|b| self.shape(b));
        let spec = LinearSpec::new(&self.shape(x), &self.shape(w), bias.as_ref(), activation)?;
        let shape = self.shape(x).with_channels(spec.c_out as usize)?;
        self.record(shape, LinearNode { spec, x, w, b }, |tape, y| {
            tape.backend().run(Linear::Forward {
                spec: &spec,
                x: tape.buffer(x),
                w: tape.buffer(w),
                b: b.map(|b| tape.buffer(b)),
                y,
            })
        })
    }
}

struct LinearNode {
    spec: LinearSpec,
    x: Var,
    w: Var,
    b: Option<Var>,
}

impl<B: Backend> Operation<B> for LinearNode {
    fn inputs(&self) -> Vec<Var> {
        [self.x, self.w].into_iter().chain(self.b).collect()
    }

    fn activation(&self) -> Activation {
        self.spec.activation
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, x, w) = (sweep.backend(), sweep.value(self.x), sweep.value(self.w));
        sweep.before_activation(y, self.spec.activation, dy, |sweep, dz| {
            sweep.accumulate(self.x, |dx| backend.run(Linear::InputGrad { spec: &self.spec, dz, w, dx }))?;
            match self.b {
                Some(b) => sweep.accumulate_all(&[self.w, b], |grads| {
                    let [dw, db] = grads else { return Ok(()) };
                    backend.run(Linear::WeightGrad { spec: &self.spec, x, dz, dw, db: Some(db) })
                }),
                None => sweep.accumulate(self.w, |dw| backend.run(Linear::WeightGrad { spec: &self.spec, x, dz, dw, db: None })),
            }
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let by_input = inputs[0].map(|x| tape.linear(x, self.w, None, Activation::Identity)).transpose()?;
        let by_weight = inputs[1].map(|w| tape.linear(self.x, w, None, Activation::Identity)).transpose()?;
        let linear = tape.sum_terms([by_input, by_weight])?;
        tape.finish_affine_tangent(y, self.spec.activation, linear, inputs.get(2).copied().flatten())
    }
}
