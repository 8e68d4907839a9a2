use super::adam::Moments;
use super::desk::Desk;
use super::{Checkpoint, Recipe};
use crate::backend::{Backend, Pass, Picks};
use crate::data::{Batch, ResidentSet};
use crate::error::{Error, Result};
use crate::model::Parameters;
use crate::tape::{Gradients, Tape, Var};

/// Weights, optimiser state and step counter of a run.
pub struct Trainer<B: Backend> {
    backend: B,
    recipe: Recipe,
    state: State<B>,
    /// Made by the first step, which knows the batch's shape.
    desk: Option<Desk<B>>,
    step: u64,
}

/// What a step changes.
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
        Ok(Self { backend: backend.clone(), recipe, state, desk: None, step: 0 })
    }

    /// The state that `checkpoint` holds; continuing gives the same bits as never having stopped.
    ///
    /// # Errors
    /// A checkpoint of another architecture or without a moving average where the recipe wants one.
    pub fn resume(backend: &B, recipe: Recipe, checkpoint: &Checkpoint) -> Result<Self> {
        let mut own = Self::new(backend, recipe)?;
        let State { parameters, moments, average } = &mut own.state;
        *parameters = checkpoint.parameters(backend, "p", &own.recipe.architecture)?;
        for (moments, group) in moments.0.iter_mut().zip(["m", "v"]) {
            *moments = checkpoint.parameters(backend, group, &own.recipe.architecture)?.tensors().to_vec();
        }
        if let Some(average) = average {
            *average = checkpoint.parameters(backend, "a", &own.recipe.architecture)?;
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

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The weights to save and use: the moving average where there is one.
    pub fn weights(&self) -> &Parameters<B> {
        self.state.average.as_ref().unwrap_or(&self.state.parameters)
    }

    /// One optimiser step on `batch`; returns the loss before the update.
    ///
    /// # Errors
    /// A loss that is not finite: the weights are then left as they were.
    pub fn advance(&mut self, batch: &Batch) -> Result<f64> {
        let mut desk = Desk::at(self.desk.take(), &self.backend, batch.shapes()?, None)?;
        desk.put(&self.backend, batch)?;
        self.advance_on(desk)
    }

    /// The same on the batch that `picks` asks for, made on the device from `set`.
    ///
    /// # Errors
    /// As [`Trainer::advance`]; picks for another number of images than the set's batches have.
    pub fn advance_resident(&mut self, set: &ResidentSet<B>, picks: &Picks) -> Result<f64> {
        let mut desk = Desk::at(self.desk.take(), &self.backend, set.shapes()?, Some(set))?;
        desk.pick(&self.backend, picks)?;
        self.advance_on(desk)
    }

    /// One optimiser step on what lies on `desk` once it has made its batch. All that the step does is recorded and repeated
    /// where the device can.
    fn advance_on(&mut self, mut desk: Desk<B>) -> Result<f64> {
        let step = self.step + 1;
        desk.prepare(&self.backend, &self.recipe.optimiser.constants(step))?;
        let mut program = std::mem::take(&mut desk.program);
        let (backend, recipe, state) = (&self.backend, &self.recipe, &mut self.state);
        backend.repeat(&mut program, || {
            desk.fill(backend)?;
            let (gradients, vars) = state.differentiate(backend, recipe, &mut desk)?;
            state.update(backend, recipe, &desk, &gradients, &vars)
        })?;
        desk.program = program;
        let loss = desk.loss(backend)?;
        self.desk = Some(desk);
        if !loss.is_finite() {
            return Err(Error::NonFinite { what: "the loss", value: loss, step });
        }
        self.step = step;
        Ok(loss)
    }
}

impl<B: Backend> State<B> {
    /// Loss, gradients and the parameters' nodes. The tape is gone on return, so that the weights can be written.
    fn differentiate(&self, backend: &B, recipe: &Recipe, desk: &mut Desk<B>) -> Result<(Gradients<B>, Vec<Var>)> {
        let mut tape = Tape::new(backend.clone());
        let bound = self.parameters.bind(&mut tape, true);
        let [corrupted, target, region] = desk.operands().map(|operand| tape.constant(operand));
        let output = self.parameters.forward(&mut tape, &bound, corrupted)?;
        let objective = &recipe.objective;
        let loss = tape.objective(output, target, region, objective.penalty, objective.lambda, objective.epsilon)?;
        let gradients = tape.backward(loss)?;
        desk.set_loss(backend, tape.value(loss))?;
        Ok((gradients, bound.vars().to_vec()))
    }

    /// Adam, then the moving average. Changes nothing where the loss is not finite.
    fn update(&mut self, backend: &B, recipe: &Recipe, desk: &Desk<B>, gradients: &Gradients<B>, vars: &[Var]) -> Result<()> {
        backend.enter("", Pass::Update);
        self.moments.update(backend, &recipe.optimiser, desk.control(), (gradients, vars), self.parameters.tensors_mut())?;
        let Some(average) = &mut self.average else { return Ok(()) };
        for (parameter, average) in self.parameters.tensors().iter().zip(average.tensors_mut()) {
            backend.moving_average(desk.control(), parameter.buffer(), average.buffer_mut()?)?;
        }
        Ok(())
    }
}
