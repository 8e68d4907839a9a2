use std::time::{Duration, Instant};

use super::adam::Moments;
use super::batches::{Batches, StepBatch};
use super::step_buffers::StepBuffers;
use super::{Checkpoint, Recipe, Terms};
use crate::backend::Phase;
use crate::data::Supply;
use crate::error::{Error, Result};
use crate::model::Parameters;
use crate::ops::Backend;
use crate::tape::{Gradients, Tape, Var};

/// Weights, optimiser state and step counter of a run.
pub struct Trainer<B: Backend> {
    backend: B,
    recipe: Recipe,
    state: State<B>,
    /// Allocated by the first step, because the shape of a batch is not known before.
    buffers: Option<StepBuffers<B>>,
    step: u64,
}

/// Loss and duration of an optimiser step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Objective of the batch before the update.
    pub loss: f64,
    /// Its terms without their weights, if the objective has several.
    pub terms: Option<Terms<f64>>,
    /// Time for the step itself, without waiting for its batch.
    pub computing: Duration,
    /// Time for making its batch on the host.
    pub supply: Supply,
}

/// Everything that a step changes.
struct State<B: Backend> {
    parameters: Parameters<B>,
    moments: Moments<B>,
    average: Option<Parameters<B>>,
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
        let moments = Moments::zeros(backend, parameters.tensors())?;
        let average = if recipe.optimiser.ema_decay > 0.0 { Some(parameters.duplicate(backend)?) } else { None };
        let state = State { parameters, moments, average };
        Ok(Self { backend: backend.clone(), recipe, state, buffers: None, step: 0 })
    }

    /// Continues from `checkpoint`, with the same bits as an uninterrupted run.
    ///
    /// # Errors
    /// A checkpoint of another architecture, or without a moving average although the recipe has one.
    pub fn resume(backend: &B, recipe: Recipe, checkpoint: &Checkpoint) -> Result<Self> {
        let mut own = Self::new(backend, recipe)?;
        let State { parameters, moments, average } = &mut own.state;
        *parameters = checkpoint.parameters(backend, "p", &own.recipe.architecture)?;
        for (moments, group) in moments.0.iter_mut().zip(["m", "v"]) {
            let found = checkpoint.parameters(backend, group, &own.recipe.architecture)?;
            *moments = found.tensors().iter().map(|tensor| tensor.duplicate(backend)).collect::<Result<_>>()?;
        }
        if let Some(average) = average {
            // A duplicate, as in `new`: no product reads the average during training, so it needs no rounded copy.
            *average = checkpoint.parameters(backend, "a", &own.recipe.architecture)?.duplicate(backend)?;
        }
        own.step = checkpoint.step;
        Ok(own)
    }

    /// Everything needed to resume. `config` is stored unchanged.
    ///
    /// # Errors
    /// A weight that is not finite (an invalid state must not replace a valid one); the device failed.
    pub fn checkpoint(&self, config: &str) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new(self.step, config);
        let State { parameters, moments, average } = &self.state;
        checkpoint.insert(&self.backend, "p", parameters, parameters.tensors())?;
        for (moments, group) in moments.0.iter().zip(["m", "v"]) {
            checkpoint.insert(&self.backend, group, parameters, moments)?;
        }
        if let Some(average) = average {
            checkpoint.insert(&self.backend, "a", average, average.tensors())?;
        }
        Ok(checkpoint)
    }

    /// The device that trains.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The weights to save and use: the moving average if there is one.
    pub fn weights(&self) -> &Parameters<B> {
        self.state.average.as_ref().unwrap_or(&self.state.parameters)
    }

    /// One optimiser step on the next batch of `batches`.
    ///
    /// # Errors
    /// A batch that cannot be made; a loss that is not finite. The weights are then unchanged.
    pub fn advance(&mut self, batches: &mut Batches<B>) -> Result<Step> {
        let (((loss, terms), computing), supply) = batches.step(self.step, |batch| {
            let start = Instant::now();
            self.advance_on(&batch).map(|loss| (loss, start.elapsed()))
        })?;
        Ok(Step { loss, terms, computing, supply })
    }

    /// One optimiser step. If the device supports it, the work on the device is recorded once and then replayed.
    fn advance_on(&mut self, batch: &StepBatch<'_, B>) -> Result<(f64, Option<Terms<f64>>)> {
        let step = self.step + 1;
        let mut buffers = StepBuffers::load(self.buffers.take(), &self.backend, &self.recipe.objective, batch)?;
        buffers.write_constants(&self.backend, &self.recipe.optimiser.constants(step))?;
        let mut program = std::mem::take(&mut buffers.program);
        let (backend, recipe, state) = (&self.backend, &self.recipe, &mut self.state);
        backend.repeat(&mut program, || {
            buffers.make_batch()?;
            let (gradients, vars) = state.differentiate(backend, recipe, &mut buffers)?;
            state.update(backend, recipe, &buffers, &gradients, &vars)
        })?;
        buffers.program = program;
        let (loss, terms) = (buffers.loss(backend)?, buffers.terms(backend)?);
        self.buffers = Some(buffers);
        if !loss.is_finite() {
            return Err(Error::NonFinite { what: "the loss", value: loss, step });
        }
        self.step = step;
        Ok((loss, terms))
    }
}

impl<B: Backend> State<B> {
    /// Loss, gradients and the nodes of the parameters. The tape is dropped on return, so that the weights can be written.
    fn differentiate(&self, backend: &B, recipe: &Recipe, buffers: &mut StepBuffers<B>) -> Result<(Gradients<B>, Vec<Var>)> {
        let mut tape = Tape::new(backend.clone());
        let bound = self.parameters.bind(&mut tape, true);
        let [corrupted, target, region] = buffers.operands().map(|operand| tape.constant(operand));
        let output = self.parameters.forward(&mut tape, &bound, corrupted)?;
        let (loss, terms) = recipe.objective.record(&mut tape, [output, target, region])?;
        let gradients = tape.backward(loss)?;
        buffers.set_loss(backend, tape.value(loss))?;
        if let Some(terms) = terms {
            buffers.set_terms(backend, &terms.try_map(|&term| Ok(tape.value(term)))?)?;
        }
        Ok((gradients, bound.vars().to_vec()))
    }

    /// Adam, and the moving average. Changes nothing if the loss is not finite.
    fn update(
        &mut self,
        backend: &B,
        recipe: &Recipe,
        buffers: &StepBuffers<B>,
        gradients: &Gradients<B>,
        vars: &[Var],
    ) -> Result<()> {
        backend.enter("", Phase::Optimiser);
        let averages = self.average.as_mut().map_or(&mut [][..], Parameters::tensors_mut);
        let (parameters, gradients) = (self.parameters.tensors_mut(), (gradients, vars));
        self.moments.update(backend, &recipe.optimiser, buffers.control(), gradients, parameters, averages)
    }
}
