use super::OptimiserConfig;
use crate::backend::Real;
use crate::error::{Error, Result};
use crate::ops::{AdamSpec, AdamStep, Backend, Optimise, Update};
use crate::tape::{Gradients, Tape, Tensor, Var};

/// First and second moments of Adam, one pair per parameter.
pub(super) struct Moments<B: Backend>(pub(super) [Vec<Tensor<B>>; 2]);

impl<B: Backend> Moments<B> {
    /// Zero moments for `parameters`.
    pub(super) fn zeros(backend: &B, parameters: &[Tensor<B>]) -> Result<Self> {
        let zeros = || parameters.iter().map(|tensor| Tensor::zeros(backend, tensor.shape())).collect::<Result<Vec<_>>>();
        Ok(Self([zeros()?, zeros()?]))
    }

    /// One step of every parameter that has a gradient, and of its moving average. `averages` are those of all parameters, or
    /// there are none. A parameter without a gradient stays as it is, and so does its average. `step` holds the constants of the
    /// step. Changes nothing if the loss is not finite.
    pub(super) fn update(
        &mut self,
        backend: &B,
        config: &OptimiserConfig,
        [step, loss]: [&B::Buffer; 2],
        (gradients, vars): (&Gradients<B>, &[Var]),
        parameters: &mut [Tensor<B>],
        averages: &mut [Tensor<B>],
    ) -> Result<()> {
        let spec = AdamSpec { beta1: config.beta1, beta2: config.beta2, epsilon: config.epsilon };
        let [first, second] = &mut self.0;
        let mut averages = averages.iter_mut();
        let mut tensors = Vec::with_capacity(parameters.len());
        for (((parameter, m), v), &var) in parameters.iter_mut().zip(first).zip(second).zip(vars) {
            let average = averages.next();
            let Some(g) = gradients.get(var) else { continue };
            let [p, m, v] = [parameter.buffer_mut()?, m.buffer_mut()?, v.buffer_mut()?];
            tensors.push(Update { g, p, m, v, average: average.map(Tensor::buffer_mut).transpose()? });
        }
        backend.run(Optimise::Adam { spec: &spec, step, loss, tensors })
    }
}

/// Adam for any loss on a tape: the optimiser of [`Trainer`](super::Trainer) without its objective and batches.
pub struct Adam<B: Backend> {
    backend: B,
    config: OptimiserConfig,
    moments: Moments<B>,
    constants: B::Buffer,
    step: u64,
}

impl<B: Backend> Adam<B> {
    /// The state before the first step for `parameters`. Batch size and moving average of `config` are ignored.
    ///
    /// # Errors
    /// An invalid config; out of device memory.
    pub fn new(backend: &B, config: OptimiserConfig, parameters: &[Tensor<B>]) -> Result<Self> {
        config.validate()?;
        let moments = Moments::zeros(backend, parameters)?;
        Ok(Self { backend: backend.clone(), config, moments, constants: backend.zeros(AdamStep::LEN)?, step: 0 })
    }

    /// One step for `loss`, a scalar on `tape`. `vars` are the nodes of `parameters` on this tape. Consumes the tape, because its
    /// parameters change. Returns the loss before the step.
    ///
    /// # Errors
    /// A loss that is not finite. The parameters are then unchanged.
    pub fn advance(&mut self, tape: Tape<B>, loss: Var, vars: &[Var], parameters: &mut [Tensor<B>]) -> Result<f64> {
        let step = self.step + 1;
        let gradients = tape.backward(loss)?;
        let loss = tape.value(loss).clone();
        drop(tape);
        let value = loss.to_host(&self.backend)?[0].f64();
        if !value.is_finite() {
            return Err(Error::NonFinite { what: "the loss", value, step });
        }
        self.backend.write(&self.config.constants(step).elements::<B::Elem>(), &mut self.constants)?;
        let control = [&self.constants, loss.buffer()];
        self.moments.update(&self.backend, &self.config, control, (&gradients, vars), parameters, &mut [])?;
        self.step = step;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Reference;
    use crate::shape::Shape;

    #[test]
    fn it_finds_the_minimum_of_a_quadratic() {
        let backend = Reference::<f64>::default();
        let shape = Shape::new(&[3]).unwrap();
        let target = [1.0, -2.0, 0.5];
        let mut parameters = vec![Tensor::from_f64(&backend, shape, &[0.0; 3]).unwrap()];
        let config =
            OptimiserConfig { steps: 400, learning_rate: 0.05, warmup_steps: 0, final_lr_fraction: 0.0, ..Default::default() };
        let mut adam = Adam::new(&backend, config, &parameters).unwrap();
        let mut last = f64::INFINITY;
        for _ in 0..400 {
            let mut tape = Tape::new(backend);
            let w = tape.variable(parameters[0].clone());
            let goal = tape.constant(Tensor::from_f64(&backend, shape, &target).unwrap());
            let difference = tape.sub(w, goal).unwrap();
            let loss = tape.square_norm(difference).unwrap();
            last = adam.advance(tape, loss, &[w], &mut parameters).unwrap();
        }
        assert!(last < 1e-8, "{last}");
    }

    #[test]
    fn a_loss_that_is_not_finite_changes_nothing() {
        let backend = Reference::<f64>::default();
        let mut parameters = vec![Tensor::from_f64(&backend, Shape::scalar(), &[1e200]).unwrap()];
        let mut adam = Adam::new(&backend, OptimiserConfig::default(), &parameters).unwrap();
        let mut tape = Tape::new(backend);
        let w = tape.variable(parameters[0].clone());
        let loss = tape.square_norm(w).unwrap();
        let error = adam.advance(tape, loss, &[w], &mut parameters).unwrap_err().to_string();
        assert!(error.contains("inf at step 1"), "{error}");
        assert_eq!(parameters[0].to_host(&backend).unwrap(), [1e200]);
    }
}
