use std::f64::consts::TAU;

use ndarray::{Array1, Array2, Axis, array};

use crate::error::Result;
use crate::model::{Architecture, Parameters};
use crate::ops::Backend;
use crate::rng::Stream;
use crate::theory::algebra::{blend, norm, projector, square_norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::claims::training::{batch, mean_square_error, minimise, network_jacobians, outputs, schedule};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::{mean, root_mean_square};

use super::posterior::{Distribution, Noise};
use super::sphere::{NUMBER, sphere_factor};

/// Large, so that E[x|y] and π(y) differ clearly.
const SIGMA: f64 = 0.5;
/// Samples per step.
const BATCH: usize = 40;

const TRAINED: (f64, &str) =
    (0.06, "empirical: noisy targets leave an error of 0.02 to 0.03 in a small network; that of π is 0.18 or more");
const SLOPES: (f64, &str) =
    (0.25, "empirical: the derivatives of the same network have an error of 0.10 to 0.13, those of π 0.6 or more");

/// Points x of the unit circle, one random point in each of `count` equal arcs, and y = x + ε: [x, y]. Arcs have less variance
/// than independent angles, and every x is still uniform.
fn samples(stream: &mut Stream, count: usize) -> [Vec<Array1<f64>>; 2] {
    let mut sides = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for arc in 0..count {
        let (sine, cosine) = (TAU * (arc as f64 + stream.uniform_f64()) / count as f64).sin_cos();
        sides[0].push(array![cosine, sine]);
        sides[1].push(array![cosine + SIGMA * stream.normal(), sine + SIGMA * stream.normal()]);
    }
    sides
}

/// Compares a network trained as a denoiser on the circle with E[x|y] and its Jacobian, at unseen y.
pub(super) fn checks<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<(Vec<Check>, Figure)> {
    let network = train(backend, setting)?;
    let mut stream = setting.stream(NUMBER, 4);
    let [_, unseen] = samples(&mut stream, 200);
    let found = outputs(backend, &network, &unseen)?;
    let off = |found: &[Array1<f64>]| {
        root_mean_square(found.iter().zip(&unseen).map(|(found, y)| norm(&(found - factor(norm(y)) / norm(y) * y))))
    };
    let projections: Vec<Array1<f64>> = unseen.iter().map(|y| y / norm(y)).collect();
    let slopes = slopes_off(backend, &network, &unseen)?;
    let checks = vec![
        Check::equal("‖f(y) - E[x|y]‖ of a trained network, rms, circle", 0.0, off(&found), TRAINED.0, TRAINED.1)
            .empirical()
            .against("π", |share| {
                Ok(off(&found.iter().zip(&projections).map(|(f, p)| blend(f, p, share)).collect::<Vec<_>>()))
            })?,
        Check::equal("‖J_f - Cov[x|y]/σ²‖ of a trained network, rms, circle", 0.0, slopes[0], SLOPES.0, SLOPES.1)
            .empirical()
            .control("π", slopes[1]),
    ];
    Ok((checks, profile(backend, &network)?))
}

fn train<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<Parameters<B>> {
    let mut network = Parameters::initialise(backend, &Architecture::mlp(2, &[32, 32])?, setting.seed())?;
    let mut stream = setting.stream(NUMBER, 3);
    minimise(backend, schedule(setting.pick(8000, 20_000), 2e-2), &mut network, |tape, network, _| {
        let [x, y] = samples(&mut stream, BATCH);
        let bound = network.bind(tape, true);
        let target = tape.constant(batch(backend, &x)?);
        let y = tape.constant(batch(backend, &y)?);
        let output = network.forward(tape, &bound, y)?;
        Ok((mean_square_error(tape, output, target)?, bound.vars().to_vec()))
    })?;
    Ok(network)
}

/// `‖J - Cov[x|y]/σ²‖_F`, rms, for the network and for π, whose Jacobian is `(I - y yᵀ/‖y‖²)/‖y‖`.
fn slopes_off<B: Backend<Elem = f64>>(backend: &B, network: &Parameters<B>, unseen: &[Array1<f64>]) -> Result<[f64; 2]> {
    let distribution = Distribution::circle(1.0, 200);
    let mut squares = [Vec::new(), Vec::new()];
    for (jacobian, y) in network_jacobians(backend, network, unseen)?.iter().zip(unseen) {
        let variance = SIGMA * SIGMA;
        let optimum = distribution.given(y, Noise { variances: &[variance; 2] }).covariance / variance;
        let length = norm(y);
        let axis = (y / length).insert_axis(Axis(1));
        let of_projection = (Array2::eye(2) - projector(&axis)) / length;
        for (squares, found) in squares.iter_mut().zip([jacobian, &of_projection]) {
            squares.push(square_norm(&(found - &optimum)));
        }
    }
    Ok(squares.map(|squares| mean(&squares).sqrt()))
}

/// `‖E[x|y]‖` for a y of this length.
fn factor(length: f64) -> f64 {
    sphere_factor(2, length, SIGMA)
}

/// ⟨f(y), y/‖y‖⟩ over ‖y‖, in three directions.
fn profile<B: Backend<Elem = f64>>(backend: &B, network: &Parameters<B>) -> Result<Figure> {
    let lengths: Vec<f64> = (1..=50).map(|k| 0.04 * f64::from(k)).collect();
    let line = |value: fn(f64) -> f64| lengths.iter().map(|&length| (length, value(length))).collect();
    let mut series = vec![Series::dashed("R I₁(κ)/I₀(κ)", line(factor)), Series::dashed("π: R", line(|_| 1.0))];
    for (name, turn) in [("network, 0°", 0.0), ("network, 120°", TAU / 3.0), ("network, 240°", 2.0 * TAU / 3.0)] {
        let (sine, cosine) = f64::sin_cos(turn);
        let points: Vec<Array1<f64>> = lengths.iter().map(|length| array![length * cosine, length * sine]).collect();
        let found = outputs(backend, network, &points)?;
        let along = lengths.iter().zip(&found).map(|(&length, f)| (length, f[0] * cosine + f[1] * sine));
        series.push(Series::line(name, along.collect()));
    }
    Ok(Figure {
        stem: "c4_profile".into(),
        title: "A trained denoiser on the circle, compared with E[x|y]".into(),
        caption: format!(
            "The component of f(y) along y against ‖y‖, for σ = {SIGMA}. It follows the Bessel ratio, not the projection."
        ),
        content: Content::chart([AxisSpec::linear("‖y‖"), AxisSpec::linear("⟨f(y), y/‖y‖⟩")], series),
    })
}
