//! **C5, the contractive autoencoder.**
//!
#![doc = include_str!("statement.md")]

mod checks;
mod constants;
mod exact;
mod figures;
mod gradient;
mod network;

use crate::backend::Reference;
use crate::error::Result;
use crate::theory::claim::{Claim, Effort, Evidence, Setting};
use constants::GAMMA;

pub use gradient::gradient_checks;

use network::{Circle, Jets, Plan, Trained};

/// Nodes of the trapezoidal sums.
const NODES: usize = 500;

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C5", "The contractive autoencoder", include_str!("statement.md"), measure).seconds([4.4, 21.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let backend = Reference::<f64>::default();
    let circle = Circle::small()?;
    let gammas: &[f64] = setting.pick(&[0.2, 0.1, GAMMA], &[0.2, 0.1, GAMMA, 0.02]);
    let train = |gamma: f64| network::train(&backend, &circle, &Plan { gamma, ..Plan::small(setting) }, setting);
    let jets = |trained: &Trained<Reference<f64>>| Jets::of(&backend, &trained.network, &circle, NODES);
    let (reference, control) = (train(GAMMA)?, train(0.0)?);
    let (found, unpenalised) = (jets(&reference)?, jets(&control)?);
    let mut checks = checks::at_gamma(&circle, &found, &unpenalised)?;
    checks.push(checks::near(&backend, &circle, [&reference, &control], &found, setting)?);
    let other = |&gamma: &f64| if gamma == GAMMA { jets(&reference) } else { jets(&train(gamma)?) };
    let along = gammas.iter().map(other).collect::<Result<Vec<_>>>()?;
    let (of_minimiser, bias) = exact::checks()?;
    checks.extend(of_minimiser);
    checks.push(checks::probes(&backend, &circle, &reference.network, setting)?);
    checks.extend(gradient_checks(&backend, setting)?);
    if setting.effort() == Effort::Full {
        checks.extend(checks::wide(setting)?);
    }
    let figures =
        vec![figures::singular_values(&reference, &control), figures::gamma(&circle, gammas, &along, &unpenalised), bias];
    Ok(Evidence { checks, figures })
}
