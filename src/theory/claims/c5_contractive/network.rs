use crate::error::Result;
use crate::model::{Architecture, Parameters};
use crate::ops::Backend;
use crate::rng::Stream;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::{norm, sub, svd};
use crate::theory::claim::Setting;
use crate::theory::claims::training::{batch, mean_square_error, minimise, network_jacobians, outputs, schedule, weighted_sum};
use crate::theory::derivative::{contraction, contraction_exact};
use crate::theory::manifold::Manifold;
use crate::theory::statistics::mean;

use super::NUMBER;
use super::circle::Circle;

/// How ‖J‖_F² is computed in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Penalty {
    /// By n tangents.
    Exact,
    /// By one probe for each sample.
    Probe,
}

/// How a network is trained.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) gamma: f64,
    pub(super) penalty: Penalty,
    pub(super) hidden: Vec<usize>,
    pub(super) steps: u64,
    pub(super) rate: f64,
    /// Fresh points of D for each step.
    pub(super) batch: usize,
    /// Index of the random numbers.
    pub(super) index: u32,
}

impl Plan {
    /// For the circle in R⁴.
    pub(super) fn small(setting: &Setting) -> Self {
        let (steps, batch) = (setting.pick(4000, 8000), 24);
        Self { gamma: 0.0, penalty: Penalty::Exact, hidden: vec![24, 24], steps, rate: 1e-2, batch, index: 0 }
    }
}

/// A network and how it came to be.
pub(super) struct Trained<B: Backend> {
    pub(super) network: Parameters<B>,
    pub(super) gamma: f64,
    /// Step, and the singular values of J there, each a root mean square over D.
    pub(super) history: Vec<(f64, Vec<f64>)>,
}

/// Minimises L_γ from the weights of the setting's seed. For one `index` all γ see the same samples.
pub(super) fn train<B: Backend>(backend: &B, circle: &Circle, plan: &Plan, setting: &Setting) -> Result<Trained<B>> {
    let architecture = Architecture::mlp(circle.ambient(), &plan.hidden)?;
    let mut network = Parameters::initialise(backend, &architecture, setting.seed())?;
    let [mut samples, mut probes] = [0, 1].map(|offset| setting.stream(NUMBER, plan.index + offset));
    let every = (plan.steps / 40).max(1);
    let mut history = Vec::new();
    minimise(backend, schedule(plan.steps, plan.rate), &mut network, |tape, network, step| {
        if step % every == 0 {
            history.push((step as f64, singular_values(backend, network, circle)?));
        }
        let points = batch(backend, &circle.samples(&mut samples, plan.batch))?;
        let bound = network.bind(tape, true);
        let x = tape.variable(points);
        let output = network.forward(tape, &bound, x)?;
        let error = mean_square_error(tape, output, x)?;
        if plan.gamma == 0.0 {
            return Ok((error, bound.vars().to_vec()));
        }
        let penalty = match plan.penalty {
            Penalty::Exact => contraction_exact(tape, x, output)?,
            Penalty::Probe => {
                let v = probe(tape, x, &mut probes)?;
                contraction(tape, x, output, v)?
            }
        };
        Ok((weighted_sum(tape, error, plan.gamma, penalty)?, bound.vars().to_vec()))
    })?;
    history.push((plan.steps as f64, singular_values(backend, &network, circle)?));
    Ok(Trained { network, gamma: plan.gamma, history })
}

/// A constant v ~ N(0, I) of the shape of x.
pub(super) fn probe<B: Backend>(tape: &mut Tape<B>, x: Var, stream: &mut Stream) -> Result<Var> {
    let shape = tape.shape(x);
    let values = stream.normals(shape.len());
    let tensor = Tensor::from_f64(tape.backend(), shape, &values)?;
    Ok(tape.constant(tensor))
}

/// Singular values in falling order, each the root mean square over a few points of D.
fn singular_values<B: Backend>(backend: &B, network: &Parameters<B>, circle: &Circle) -> Result<Vec<f64>> {
    let points = circle.grid(16);
    let mut squares = vec![0.0; circle.ambient()];
    for jacobian in network_jacobians(backend, network, &points)? {
        for (sum, value) in squares.iter_mut().zip(svd(&jacobian).values) {
            *sum += value * value / points.len() as f64;
        }
    }
    Ok(squares.into_iter().map(f64::sqrt).collect())
}

/// `‖f(y) - π(y)‖`, rms over `points`.
pub(super) fn distance<B: Backend>(backend: &B, network: &Parameters<B>, circle: &Circle, points: &[Vec<f64>]) -> Result<f64> {
    let mut squares = Vec::with_capacity(points.len());
    for (y, f) in points.iter().zip(outputs(backend, network, points)?) {
        squares.push(norm(&sub(&f, &circle.manifold().project_point(y)?)).powi(2));
    }
    Ok(mean(&squares).sqrt())
}
