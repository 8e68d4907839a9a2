use super::{Checkpoint, Recipe};
use crate::backend::{AdamSpec, Backend, Real};
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::model::Parameters;
use crate::tape::{Gradients, Tape, Tensor, Var};

/// Weights, optimiser state and step counter of a run.
pub struct Trainer<B: Backend> {
    backend: B,
    recipe: Recipe,
    parameters: Parameters<B>,
    /// First and second moments of Adam, one pair per parameter.
    moments: [Vec<Tensor<B>>; 2],
    average: Option<Parameters<B>>,
    step: u64,
}

impl<B: Backend> Trainer<B> {
    /// Fresh weights, zero moments, step 0.
    ///
    /// # Errors
    /// An invalid recipe; out of device memory.
    pub fn new(backend: &B, recipe: Recipe) -> Result<Self> {
        recipe.objective.validate()?;
        recipe.optimiser.validate()?;
        let parameters = Parameters::initialise(backend, &recipe.architecture, recipe.seed)?;
        let zeros =
            || parameters.tensors().iter().map(|tensor| Tensor::zeros(backend, tensor.shape())).collect::<Result<Vec<_>>>();
        let moments = [zeros()?, zeros()?];
        let average = if recipe.optimiser.average > 0.0 { Some(parameters.duplicate(backend)?) } else { None };
        Ok(Self { backend: backend.clone(), recipe, parameters, moments, average, step: 0 })
    }

    /// The state that `checkpoint` holds; continuing gives the same bits as never having stopped.
    ///
    /// # Errors
    /// A checkpoint of another architecture or without a moving average where the recipe wants one.
    pub fn resume(backend: &B, recipe: Recipe, checkpoint: &Checkpoint) -> Result<Self> {
        let mut own = Self::new(backend, recipe)?;
        own.parameters = checkpoint.parameters(backend, "p", &own.recipe.architecture)?;
        for (moments, group) in own.moments.iter_mut().zip(["m", "v"]) {
            *moments = checkpoint.parameters(backend, group, &own.recipe.architecture)?.tensors().to_vec();
        }
        if own.average.is_some() {
            own.average = Some(checkpoint.parameters(backend, "a", &own.recipe.architecture)?);
        }
        own.step = checkpoint.step;
        Ok(own)
    }

    /// Everything needed to continue. `config` travels along, opaque.
    ///
    /// # Errors
    /// A weight that is not finite, so that a broken state never replaces a good one; the device failed.
    pub fn checkpoint(&self, config: &str) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new(self.step, config);
        checkpoint.insert(&self.backend, "p", &self.parameters, self.parameters.tensors())?;
        for (moments, group) in self.moments.iter().zip(["m", "v"]) {
            checkpoint.insert(&self.backend, group, &self.parameters, moments)?;
        }
        if let Some(average) = &self.average {
            checkpoint.insert(&self.backend, "a", average, average.tensors())?;
        }
        Ok(checkpoint)
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The weights to save and use: the moving average where there is one.
    pub fn weights(&self) -> &Parameters<B> {
        self.average.as_ref().unwrap_or(&self.parameters)
    }

    /// One optimiser step on `batch`; returns the loss before the update.
    ///
    /// # Errors
    /// A loss that is not finite: the weights are then left as they were.
    pub fn advance(&mut self, batch: &Batch) -> Result<f64> {
        let step = self.step + 1;
        let (loss, gradients, vars) = self.differentiate(batch)?;
        if !loss.is_finite() {
            return Err(Error::NonFinite { what: "the loss", value: loss, step });
        }
        self.update(step, &gradients, &vars)?;
        self.step = step;
        Ok(loss)
    }

    /// Loss, gradients and the parameters' nodes. The tape is gone on return, so that the weights can be written.
    fn differentiate(&self, batch: &Batch) -> Result<(f64, Gradients<B>, Vec<Var>)> {
        let mut tape = Tape::new(self.backend.clone());
        let bound = self.parameters.bind(&mut tape, true);
        let [corrupted, target, region] =
            [(batch.image_shape, &batch.corrupted), (batch.image_shape, &batch.target), (batch.region_shape, &batch.region)]
                .map(|(shape, values)| Tensor::from_f32(&self.backend, shape, values).map(|tensor| tape.constant(tensor)));
        let output = self.parameters.forward(&mut tape, &bound, corrupted?)?;
        let objective = &self.recipe.objective;
        let loss = tape.objective(output, target?, region?, objective.penalty, objective.lambda, objective.epsilon)?;
        let gradients = tape.backward(loss)?;
        Ok((tape.host(loss)?[0].f64(), gradients, bound.vars().to_vec()))
    }

    fn update(&mut self, step: u64, gradients: &Gradients<B>, vars: &[Var]) -> Result<()> {
        let config = &self.recipe.optimiser;
        let exponent = step as f64;
        let spec = AdamSpec {
            rate: config.rate_at(step),
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
            correction1: 1.0 - config.beta1.powf(exponent),
            correction2: 1.0 - config.beta2.powf(exponent),
        };
        let [first, second] = &mut self.moments;
        let states = self.parameters.tensors_mut().iter_mut().zip(first).zip(second);
        for (((parameter, m), v), &var) in states.zip(vars) {
            let Some(gradient) = gradients.get(var) else { continue };
            self.backend.adam(&spec, gradient, parameter.buffer_mut()?, m.buffer_mut()?, v.buffer_mut()?)?;
        }
        self.update_average(step)
    }

    /// The average forgets its random start quickly: decay is at most `(1 + t) / (10 + t)`.
    fn update_average(&mut self, step: u64) -> Result<()> {
        let Some(average) = &mut self.average else { return Ok(()) };
        let decay = self.recipe.optimiser.average.min((1.0 + step as f64) / (10.0 + step as f64));
        for (parameter, average) in self.parameters.tensors().iter().zip(average.tensors_mut()) {
            self.backend.moving_average(decay, parameter.buffer(), average.buffer_mut()?)?;
        }
        Ok(())
    }
}
