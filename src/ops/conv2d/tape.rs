use super::{Conv2d, Conv2dOptions, Conv2dSpec};
use crate::error::Result;
use crate::ops::{Backend, PoolSpec};
use crate::shape::Activation;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// `A(w * x + b)`: x `[N, H, W, I]`, w `[O, k, k, I]`, b `[O]`.
    ///
    /// # Errors
    /// As [`Conv2dSpec::new`].
    pub fn conv2d(&mut self, x: Var, w: Var, b: Option<Var>, options: Conv2dOptions) -> Result<Var> {
        let bias = b.map(|b| self.shape(b));
        let spec = Conv2dSpec::new(&self.shape(x), &self.shape(w), bias.as_ref(), options)?;
        self.record(spec.output()?, Conv2dNode { spec, options, x, w, b }, |tape, y| {
            tape.backend().run(Conv2d::Forward {
                spec: &spec,
                x: tape.buffer(x),
                w: tape.buffer(w),
                b: b.map(|b| tape.buffer(b)),
                y,
            })
        })
    }
}

impl<B: Backend> Tape<B> {
    /// [`Tape::conv2d`] and the [`Tape::max_pool`] of its result over windows of 2 x 2 pixels, as `[y, pooled]`. A device may
    /// compute both at once.
    ///
    /// # Errors
    /// As [`Conv2dSpec::new`]; an image smaller than a window.
    pub fn conv2d_pooled(&mut self, x: Var, w: Var, b: Option<Var>, options: Conv2dOptions) -> Result<[Var; 2]> {
        let bias = b.map(|b| self.shape(b));
        let spec = Conv2dSpec::new(&self.shape(x), &self.shape(w), bias.as_ref(), options)?;
        let pool = PoolSpec::new(&spec.output()?, 2)?;
        let mut pooled = self.backend().alloc_activation(&pool.output()?)?;
        let y = self.record(spec.output()?, Conv2dNode { spec, options, x, w, b }, |tape, y| {
            tape.backend().run(Conv2d::ForwardPooled {
                spec: &spec,
                pool: &pool,
                x: tape.buffer(x),
                w: tape.buffer(w),
                b: b.map(|b| tape.buffer(b)),
                y,
                pooled: &mut pooled,
            })
        })?;
        Ok([y, self.selected_max(pool, y, pooled)?])
    }
}

struct Conv2dNode {
    spec: Conv2dSpec,
    options: Conv2dOptions,
    x: Var,
    w: Var,
    b: Option<Var>,
}

impl<B: Backend> Operation<B> for Conv2dNode {
    fn inputs(&self) -> Vec<Var> {
        [self.x, self.w].into_iter().chain(self.b).collect()
    }

    fn activation(&self) -> Activation {
        self.options.activation
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, x, w) = (sweep.backend(), sweep.value(self.x), sweep.value(self.w));
        sweep.before_activation(y, self.options.activation, dy, |sweep, dz| {
            sweep
                .accumulate_through(self.x, |dx, slope| backend.run(Conv2d::InputGrad { spec: &self.spec, dz, w, dx, slope }))?;
            match self.b {
                Some(b) => sweep.accumulate_all(&[self.w, b], |grads| {
                    let [dw, db] = grads else { return Ok(()) };
                    backend.run(Conv2d::WeightGrad { spec: &self.spec, x, dz, dw, db: Some(db) })
                }),
                None => sweep.accumulate(self.w, |dw| backend.run(Conv2d::WeightGrad { spec: &self.spec, x, dz, dw, db: None })),
            }
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let plain = Conv2dOptions { activation: Activation::Identity, ..self.options };
        let by_input = inputs[0].map(|x| tape.conv2d(x, self.w, None, plain)).transpose()?;
        let by_weight = inputs[1].map(|w| tape.conv2d(self.x, w, None, plain)).transpose()?;
        let linear = tape.sum_terms([by_input, by_weight])?;
        tape.finish_affine_tangent(y, self.options.activation, linear, inputs.get(2).copied().flatten())
    }
}

impl<B: Backend> Tape<B> {
    /// Adds a bias tangent to the linear part of a tangent and applies the derivative of the activation. Shared by every
    /// operation of the form `y = A(linear + b)`.
    pub(in crate::ops) fn finish_affine_tangent(
        &mut self,
        y: Var,
        activation: Activation,
        linear: Option<Var>,
        bias: Option<Var>,
    ) -> Result<Option<Var>> {
        let total = match (linear, bias) {
            (linear, None) => linear,
            (Some(linear), Some(bias)) => Some(self.add_bias(linear, bias)?),
            (None, Some(bias)) => {
                let zeros = self.zeros(self.shape(y))?;
                Some(self.add_bias(zeros, bias)?)
            }
        };
        total.map(|total| self.through_activation(y, activation, total)).transpose()
    }
}
