//! Training as the claims need it: any loss that a tape records, minimised by [`Adam`].

use ndarray::{Array1, Array2};

use crate::backend::Real;
use crate::error::{Error, Result};
use crate::model::Parameters;
use crate::ops::Backend;
use crate::shape::{Activation, Shape};
use crate::tape::{Tape, Tensor, Var};
use crate::theory::derivative::jacobians;
use crate::train::{Adam, OptimiserConfig};

/// Adam with warm-up and a cosine schedule that ends at 0, so that the last steps settle.
pub(super) fn schedule(steps: u64, rate: f64) -> OptimiserConfig {
    OptimiserConfig { steps, learning_rate: rate, warmup_steps: steps / 20, final_lr_fraction: 0.0, ..OptimiserConfig::default() }
}

/// Takes all steps of `config` on the weights of `model`. `record` records the loss of a step (counted from 0) and returns it
/// with the nodes of the weights.
pub(super) fn minimise<B: Backend, M: AsMut<[Tensor<B>]>>(
    backend: &B,
    config: OptimiserConfig,
    model: &mut M,
    mut record: impl FnMut(&mut Tape<B>, &M, u64) -> Result<(Var, Vec<Var>)>,
) -> Result<()> {
    let steps = config.steps;
    let mut adam = Adam::new(backend, config, model.as_mut())?;
    for step in 0..steps {
        let mut tape = Tape::new(backend.clone());
        let (loss, vars) = record(&mut tape, model, step)?;
        adam.advance(tape, loss, &vars, model.as_mut())?;
    }
    Ok(())
}

/// The matrix of the linear map from `seen` to `wanted` (points as rows) with the least squared error, trained from `start`.
pub(super) fn trained_linear_map<B: Backend<Elem = f64>>(
    backend: &B,
    start: &Array2<f64>,
    [seen, wanted]: [&Array2<f64>; 2],
    steps: u64,
) -> Result<Array2<f64>> {
    let mut weights = vec![Tensor::from_array(backend, start)?];
    let (seen, wanted) = (Tensor::from_array(backend, seen)?, Tensor::from_array(backend, wanted)?);
    minimise(backend, schedule(steps, 0.02), &mut weights, |tape, weights, _| {
        let (w, seen, wanted) = (tape.variable(weights[0].clone()), tape.constant(seen.clone()), tape.constant(wanted.clone()));
        let y = tape.linear(seen, w, None, Activation::Identity)?;
        Ok((mean_square_error(tape, y, wanted)?, vec![w]))
    })?;
    matrix(backend, &weights[0])
}

/// `a + weight b` of scalars on the tape.
pub(super) fn weighted_sum<B: Backend>(tape: &mut Tape<B>, a: Var, weight: f64, b: Var) -> Result<Var> {
    let b = tape.affine(b, weight, 0.0)?;
    tape.add(a, b)
}

/// `Σ ‖a - b‖²` over a batch, divided by the number of rows.
pub(super) fn mean_square_error<B: Backend>(tape: &mut Tape<B>, a: Var, b: Var) -> Result<Var> {
    let rows = tape.shape(a).rows() as f64;
    let difference = tape.sub(a, b)?;
    let square = tape.square_norm(difference)?;
    tape.affine(square, 1.0 / rows, 0.0)
}

/// Points of one length as a batch `[N, n]`.
pub(super) fn batch<B: Backend>(backend: &B, points: &[Array1<f64>]) -> Result<Tensor<B>> {
    let n = points.first().map_or(0, Array1::len);
    let values: Vec<f64> = points.iter().flatten().copied().collect();
    Tensor::from_f64(backend, Shape::new(&[points.len(), n])?, &values)
}

/// A tensor `[rows, columns]` as a matrix.
pub(super) fn matrix<B: Backend>(backend: &B, tensor: &Tensor<B>) -> Result<Array2<f64>> {
    let array = tensor.to_array(backend)?.mapv(Real::f64);
    array.into_dimensionality().map_err(|error| Error::shape("matrix", format!("{}: {error}", tensor.shape())))
}

/// f at each of `points`.
pub(super) fn outputs<B: Backend>(backend: &B, network: &Parameters<B>, points: &[Array1<f64>]) -> Result<Vec<Array1<f64>>> {
    let mut tape = Tape::new(backend.clone());
    let bound = network.bind(&mut tape, false);
    let x = tape.constant(batch(backend, points)?);
    let y = network.forward(&mut tape, &bound, x)?;
    Ok(matrix(backend, tape.value(y))?.rows().into_iter().map(|row| row.to_owned()).collect())
}

/// The Jacobian of f at each of `points`, by tangents.
pub(super) fn network_jacobians<B: Backend>(
    backend: &B,
    network: &Parameters<B>,
    points: &[Array1<f64>],
) -> Result<Vec<Array2<f64>>> {
    let mut tape = Tape::new(backend.clone());
    let bound = network.bind(&mut tape, false);
    let x = tape.variable(batch(backend, points)?);
    let y = network.forward(&mut tape, &bound, x)?;
    jacobians(&mut tape, x, y)
}
