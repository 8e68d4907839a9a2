//! Networks trained on corrupted gratings, with penalties on their Jacobian at uncorrupted gratings.

use std::sync::Arc;

use ndarray::{Array1, Array2};

use crate::backend::Cpu;
use crate::data::corruption::{CorruptionConfig, Patches};
use crate::data::{Batch, row_major};
use crate::error::Result;
use crate::model::{Architecture, Bound, Parameters};
use crate::ops::Penalty;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::norm;
use crate::theory::claim::Setting;
use crate::theory::claims::all_manifolds::normal_vector;
use crate::theory::claims::training::{mean_square_error, minimise, network_jacobians, outputs, schedule, weighted_sum};
use crate::theory::derivative::{asymmetry, idempotence};
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::pictures::{Layout, Pictures};
use crate::theory::resemblance::Measures;
use crate::theory::statistics::root_mean_square;

use super::blocks::Blocks;
use super::constants::NUMBER;

/// Images per step.
const BATCH: usize = 32;
/// Number of different batches; after that they repeat with other noise.
const BATCHES: u32 = 500;
const RATE: f64 = 1e-2;
/// λ of the objective, and its ε, which the squared error does not use.
pub(super) const LAMBDA: f64 = 0.5;
const EPSILON: f64 = 0.05;
/// Length of the noise, relative to the reach.
const NOISE: f64 = 0.7;
/// Distance from D at which f is compared with π, relative to the reach.
const OFF_MANIFOLD: f64 = 0.3;
/// Subtracted from the pixel values that are the input of a network.
const MIDDLE: f64 = 0.5;

/// Weights of the penalties, and the fraction of the training after which they start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Penalties {
    /// Weight of `E‖(J² - J)v‖²`.
    pub(super) idempotence: f64,
    /// Weight of `E‖(J - Jᵀ)v‖²`.
    pub(super) asymmetry: f64,
    pub(super) from: f64,
}

/// Training data and budget. All networks start with the same weights and are trained on the same images, noise and probes.
pub(super) struct Bench {
    setting: Setting,
    pub(super) pictures: Pictures,
    batches: Vec<Batch>,
    hidden: usize,
    pub(super) steps: u64,
    /// Standard deviation of the noise on x̂.
    pub(super) sigma: f64,
}

impl Bench {
    /// Images `side` x `side` of `gratings`, partially corrupted, with some noise everywhere.
    pub(super) fn new(setting: &Setting, gratings: Gratings, side: usize, (hidden, steps): (usize, u64)) -> Result<Self> {
        let corruption = CorruptionConfig { patches: Patches { min: 1, max: 2 }, ..CorruptionConfig::default() };
        let sigma = NOISE * gratings.reach() / side as f64;
        let pictures = Pictures::new(Arc::new(gratings), side, Layout::Grey, Some(corruption), setting.seed())?;
        Ok(Self { setting: setting.clone(), batches: batches(&pictures)?, pictures, hidden, steps, sigma })
    }

    /// The same without corruption and noise, with this number of steps.
    pub(super) fn uncorrupted(&self, steps: u64) -> Result<Self> {
        let pictures = self.pictures.uncorrupted();
        Ok(Self { setting: self.setting.clone(), batches: batches(&pictures)?, pictures, hidden: self.hidden, steps, sigma: 0.0 })
    }

    /// Trains a network. Calls `watch` with it before each step.
    pub(super) fn train(
        &self,
        penalties: Penalties,
        mut watch: impl FnMut(u64, &Parameters<Cpu>) -> Result<()>,
    ) -> Result<Parameters<Cpu>> {
        let backend = self.setting.cpu()?;
        let architecture = Architecture::mlp(self.pictures.manifold().ambient(), &[self.hidden; 2])?;
        let mut network = Parameters::initialise(&backend, &architecture, self.setting.seed())?;
        let mut stream = self.setting.stream(NUMBER, 2);
        minimise(&backend, schedule(self.steps, RATE), &mut network, |tape, network, step| {
            watch(step, network)?;
            let data = &self.batches[step as usize % self.batches.len()];
            let [noise, probe] =
                [self.sigma, 1.0].map(|scale| (0..data.target.len()).map(|_| scale * stream.normal()).collect::<Vec<f64>>());
            let bound = network.bind(tape, true);
            let (loss, [x, kept]) = record(tape, network, &bound, (data, &noise))?;
            if (step as f64) < penalties.from * self.steps as f64 {
                return Ok((loss, bound.vars().to_vec()));
            }
            let v = tape.constant(Tensor::from_f64(tape.backend(), data.shapes()?[0], &probe)?);
            Ok((penalties.added_to(tape, loss, [x, kept, v])?, bound.vars().to_vec()))
        })?;
        Ok(network)
    }

    /// The blocks of J at `count` unseen points of D.
    pub(super) fn blocks(&self, network: &Parameters<Cpu>, count: usize) -> Result<Blocks> {
        let (points, manifold) = (self.points(count), self.pictures.manifold());
        let jacobians = self.jacobians(network, &points)?;
        let bases = points.iter().map(|x| manifold.tangent_basis(x)).collect::<Result<Vec<_>>>()?;
        Ok(Blocks::over(jacobians.iter().zip(&bases)))
    }

    /// J at each point.
    pub(super) fn jacobians(&self, network: &Parameters<Cpu>, points: &[Array1<f64>]) -> Result<Vec<Array2<f64>>> {
        network_jacobians(&self.setting.cpu()?, network, &moved(points, -MIDDLE))
    }

    /// Root mean square of `‖f(x + v) - x‖/‖v‖` for v normal to D at x, where π(x + v) = x.
    pub(super) fn off_projection(&self, network: &Parameters<Cpu>, count: usize) -> Result<f64> {
        let (points, manifold) = (self.points(count), self.pictures.manifold());
        let (mut stream, length) = (self.setting.stream(NUMBER, 4), OFF_MANIFOLD * manifold.reach());
        let mut off = Vec::with_capacity(count);
        for x in &points {
            off.push(x + &normal_vector(manifold, x, length, &mut stream)?);
        }
        let images = self.apply(network, &off)?;
        Ok(root_mean_square(images.iter().zip(&points).map(|(image, x)| norm(&(image - x)) / length)))
    }

    /// The measures of C9 on unseen corrupted images.
    pub(super) fn resemblance(&self, network: &Parameters<Cpu>, count: usize) -> Result<Measures> {
        Measures::of(self.pictures.manifold(), &self.pictures.samples(count)?, |points| self.apply(network, points))
    }

    /// f at these points.
    fn apply(&self, network: &Parameters<Cpu>, points: &[Array1<f64>]) -> Result<Vec<Array1<f64>>> {
        Ok(moved(&outputs(&self.setting.cpu()?, network, &moved(points, -MIDDLE))?, MIDDLE))
    }

    fn points(&self, count: usize) -> Vec<Array1<f64>> {
        let mut stream = self.setting.stream(NUMBER, 3);
        (0..count).map(|_| self.pictures.manifold().sample(&mut stream)).collect()
    }
}

impl Penalties {
    fn added_to(self, tape: &mut Tape<Cpu>, loss: Var, [x, y, v]: [Var; 3]) -> Result<Var> {
        let mut loss = loss;
        if self.idempotence > 0.0 {
            let penalty = idempotence(tape, x, y, v)?;
            loss = weighted_sum(tape, loss, self.idempotence, penalty)?;
        }
        if self.asymmetry > 0.0 {
            let penalty = asymmetry(tape, x, y, v)?;
            loss = weighted_sum(tape, loss, self.asymmetry, penalty)?;
        }
        Ok(loss)
    }
}

fn batches(pictures: &Pictures) -> Result<Vec<Batch>> {
    (0..BATCHES).map(|step| pictures.batch(step, BATCH)).collect()
}

/// The sum of `E‖f(x) - x‖²` and, per image, the objective of f(x̂ + noise); with the nodes of x and f(x).
fn record(
    tape: &mut Tape<Cpu>,
    network: &Parameters<Cpu>,
    bound: &Bound,
    (data, noise): (&Batch, &[f64]),
) -> Result<(Var, [Var; 2])> {
    let [shape, region_shape] = data.shapes()?;
    let seen: Vec<f64> = data.corrupted.iter().zip(noise).map(|(&value, noise)| f64::from(value) - MIDDLE + noise).collect();
    let target: Vec<f64> = data.target.iter().map(|&value| f64::from(value) - MIDDLE).collect();
    let region = Tensor::from_f32(tape.backend(), region_shape, &row_major(&data.region))?;
    let seen = tape.constant(Tensor::from_f64(tape.backend(), shape, &seen)?);
    let (x, region) = (tape.variable(Tensor::from_f64(tape.backend(), shape, &target)?), tape.constant(region));
    let (restored, kept) = (network.forward(tape, bound, seen)?, network.forward(tape, bound, x)?);
    let restoration = tape.objective(restored, x, region, Penalty::Squared, LAMBDA, EPSILON)?;
    let loss = mean_square_error(tape, kept, x)?;
    Ok((weighted_sum(tape, loss, shape.channels() as f64, restoration)?, [x, kept]))
}

fn moved(points: &[Array1<f64>], by: f64) -> Vec<Array1<f64>> {
    points.iter().map(|point| point + by).collect()
}
