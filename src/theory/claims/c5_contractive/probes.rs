use crate::error::Result;
use crate::model::Parameters;
use crate::ops::Backend;
use crate::rng::Stream;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::claim::{Row, Setting};
use crate::theory::claims::training::batch;
use crate::theory::derivative::{contraction, contraction_exact};
use crate::theory::statistics::mean;

use super::NUMBER;
use super::circle::Circle;
use super::network::probe;

/// Points of D, each with a probe of its own.
const POINTS: usize = 32;

const BECAUSE: (f64, &str) = (4.0, "four standard errors: one seed in 16 000 is beyond them by chance");

/// The mean over many probes against the exact penalty, in standard errors of the mean.
pub(super) fn rows<B: Backend<Elem = f64>>(
    backend: &B,
    circle: &Circle,
    network: &Parameters<B>,
    setting: &Setting,
) -> Result<Vec<Row>> {
    let points = circle.grid(POINTS);
    let mut stream = setting.stream(NUMBER, 3);
    let [mut normal, mut short] = [Vec::new(), Vec::new()];
    for _ in 0..setting.pick(300, 3000) {
        let (mut tape, x, y) = record(backend, network, &points)?;
        let v = probe(&mut tape, x, &mut stream)?;
        let unit = unit_probe(&mut tape, x, &mut stream)?;
        for (estimates, v) in [(&mut normal, v), (&mut short, unit)] {
            let estimate = contraction(&mut tape, x, y, v)?;
            estimates.push(tape.host(estimate)?[0]);
        }
    }
    let (mut tape, x, y) = record(backend, network, &points)?;
    let exact = contraction_exact(&mut tape, x, y)?;
    let exact = tape.host(exact)?[0];
    let quantity = "|mean ‖J_f v‖² over probes - ‖J_f‖_F²| in standard errors";
    let row = Row::equal(quantity, 0.0, deviation(&normal, exact), BECAUSE.0, BECAUSE.1);
    Ok(vec![row.control("probes of length 1", deviation(&short, exact))])
}

fn record<B: Backend<Elem = f64>>(backend: &B, network: &Parameters<B>, points: &[Vec<f64>]) -> Result<(Tape<B>, Var, Var)> {
    let mut tape = Tape::new(backend.clone());
    let bound = network.bind(&mut tape, false);
    let x = tape.variable(batch(backend, points)?);
    let y = network.forward(&mut tape, &bound, x)?;
    Ok((tape, x, y))
}

/// Probes whose covariance is I/n instead of I.
fn unit_probe<B: Backend>(tape: &mut Tape<B>, x: Var, stream: &mut Stream) -> Result<Var> {
    let shape = tape.shape(x);
    let mut values = stream.normals(shape.len());
    for row in values.chunks_mut(shape.channels()) {
        let length = crate::theory::algebra::norm(row);
        row.iter_mut().for_each(|value| *value /= length);
    }
    let tensor = Tensor::from_f64(tape.backend(), shape, &values)?;
    Ok(tape.constant(tensor))
}

/// |mean - exact| in standard errors.
fn deviation(estimates: &[f64], exact: f64) -> f64 {
    let count = estimates.len() as f64;
    let centre = mean(estimates);
    let variance = estimates.iter().map(|estimate| (estimate - centre).powi(2)).sum::<f64>() / (count - 1.0);
    (centre - exact).abs() / (variance / count).sqrt()
}
