//! One training, and the trained network as a map of Rⁿ.

use std::sync::Arc;

use ndarray::{Array1, Array2};

use super::constants::NUMBER;
use super::registration::Variants;
use super::repetition::Gate;
use crate::backend::Cpu;
use crate::data::Batch;
use crate::error::Result;
use crate::model::{Inference, Parameters};
use crate::rng::{Purpose, Stream};
use crate::tape::Tensor;
use crate::theory::claims::training::{minimise, network_jacobians};
use crate::theory::pictures::{Layout, Pictures};
use crate::train::{ObjectiveConfig, Recipe, Trainer};

/// Batch size for measuring a network.
const AT_ONCE: usize = 64;
/// The input of a fully connected network is `2 (y - ½)`, with values from -1 to 1 and mean 0, so that training need not learn
/// the mean first. This is a similarity of Rⁿ, so ratios of lengths do not change.
const SCALE: f32 = 2.0;

/// One training with the objective of Method §3, with new images in every step.
#[derive(Clone)]
pub(super) struct Experiment {
    /// The training images, in the layout of the network.
    pub(super) pictures: Pictures,
    /// The network f, the objective, the optimiser, and the seed of the initial weights.
    pub(super) recipe: Recipe,
    /// The device.
    pub(super) cpu: Cpu,
}

impl Experiment {
    /// The same network and weights without corruption, x̂ = x: a plain autoencoder. It gets `factor` times the steps, so that it
    /// converges.
    #[must_use]
    pub(super) fn plain(&self, factor: u64) -> Self {
        let mut own = Self { pictures: self.pictures.uncorrupted(), ..self.clone() };
        own.recipe.optimiser.steps *= factor;
        own
    }

    /// Trains the network, with white noise of standard deviation `noise` on x̂ but not on x.
    ///
    /// # Errors
    /// A recipe out of range; images that do not fit the network; a loss that is not finite.
    pub(super) fn train(&self, noise: f64) -> Result<Trained> {
        let mut trainer = Trainer::new(&self.cpu, self.recipe.clone())?;
        for step in 0..self.recipe.optimiser.steps as u32 {
            let mut batch = self.batch(step)?;
            if noise > 0.0 {
                let mut stream = Stream::new(self.recipe.seed, Purpose::Theory, NUMBER, step);
                let scale = noise * f64::from(self.units().scale);
                batch.corrupted.iter_mut().for_each(|value| *value += (scale * stream.normal()) as f32);
            }
            trainer.advance(&mut batch.into())?;
        }
        self.trained(trainer.weights().duplicate(&self.cpu)?)
    }

    /// Trains the network to be repeated (see [`Gate`]): the loss is the mean over all its results.
    ///
    /// # Errors
    /// As [`Experiment::train`].
    pub(super) fn train_repeated(&self, variants: &Variants) -> Result<Trained> {
        let Recipe { architecture, objective, optimiser, seed } = &self.recipe;
        let ObjectiveConfig { penalty, lambda, epsilon, .. } = *objective;
        let mut network = Parameters::initialise(&self.cpu, architecture, *seed)?;
        let gate = Gate { kappa: variants.kappa * f64::from(self.units().scale) };
        minimise(&self.cpu, optimiser.clone(), &mut network, |tape, network, step| {
            let batch = self.batch(step as u32)?;
            let [corrupted, target, region] = [&batch.corrupted, &batch.target, &batch.region]
                .map(|array| Ok(tape.constant(Tensor::from_array(&self.cpu, array)?)));
            let (corrupted, target, region) = (corrupted?, target?, region?);
            let bound = network.bind(tape, true);
            let mut z = network.forward(tape, &bound, corrupted)?;
            let mut loss = tape.objective(z, target, region, penalty, lambda, epsilon)?;
            for _ in 0..variants.repetitions {
                let input = gate.record(tape, corrupted, z)?;
                z = network.forward(tape, &bound, input)?;
                let own = tape.objective(z, target, region, penalty, lambda, epsilon)?;
                loss = tape.add(loss, own)?;
            }
            let mean = tape.affine(loss, 1.0 / (variants.repetitions + 1) as f64, 0.0)?;
            Ok((mean, bound.vars().to_vec()))
        })?;
        self.trained(network)
    }

    fn batch(&self, step: u32) -> Result<Batch> {
        Ok(self.units().batch(self.pictures.batch(step, self.recipe.optimiser.batch)?))
    }

    fn units(&self) -> Units {
        Units::of(self.pictures.layout())
    }

    fn trained(&self, network: Parameters<Cpu>) -> Result<Trained> {
        Ok(Trained {
            pictures: self.pictures.clone(),
            units: self.units(),
            parameters: Arc::new(network),
            backend: self.cpu.clone(),
        })
    }
}

/// A trained network as a map of Rⁿ.
pub(super) struct Trained {
    pictures: Pictures,
    units: Units,
    parameters: Arc<Parameters<Cpu>>,
    backend: Cpu,
}

impl Trained {
    /// f of each point `[n]`.
    ///
    /// # Errors
    /// Points of another length; the device failed.
    pub(super) fn apply(&self, points: &[Array1<f64>]) -> Result<Vec<Array1<f64>>> {
        let mut inference = Inference::new(&self.backend, Arc::clone(&self.parameters));
        let mut images = Vec::with_capacity(points.len());
        for some in points.chunks(AT_ONCE) {
            let input: Vec<f32> = some.iter().flatten().map(|&value| self.units.of_pixel(value as f32)).collect();
            let output = inference.run(self.pictures.shape(some.len())?, &input)?;
            let pixels = |values: &[f32]| values.iter().map(|&value| f64::from(self.units.to_pixel(value))).collect();
            images.extend(output.chunks(output.len() / some.len()).map(pixels));
        }
        Ok(images)
    }

    /// The Jacobian of f at each of `points`, of a fully connected network. Input and output have the same unit, so it is the
    /// same in every unit.
    ///
    /// # Errors
    /// A network with another input than vectors.
    pub(super) fn jacobians(&self, points: &[Array1<f64>]) -> Result<Vec<Array2<f64>>> {
        let points: Vec<Array1<f64>> =
            points.iter().map(|point| point.mapv(|value| f64::from(self.units.of_pixel(value as f32)))).collect();
        network_jacobians(&self.backend, &self.parameters, &points)
    }
}

/// The input of a network for a pixel value v: `scale (v - middle)`.
#[derive(Clone, Copy, Debug)]
struct Units {
    middle: f32,
    scale: f32,
}

impl Units {
    fn of(layout: Layout) -> Self {
        match layout {
            Layout::Grey => Self { middle: 0.5, scale: SCALE },
            Layout::Rgb => Self { middle: 0.0, scale: 1.0 },
        }
    }

    fn of_pixel(self, value: f32) -> f32 {
        self.scale * (value - self.middle)
    }

    fn to_pixel(self, value: f32) -> f32 {
        self.middle + value / self.scale
    }

    fn batch(self, mut batch: Batch) -> Batch {
        batch.corrupted.iter_mut().chain(&mut batch.target).for_each(|value| *value = self.of_pixel(*value));
        batch
    }
}
