//! Objective and optimiser.

use orthoscope::Result;
use orthoscope::backend::{AdamSpec, AdamStep, Backend};
use orthoscope::model::Architecture;
use orthoscope::shape::{ObjectiveSpec, Penalty};

use super::Bench;

/// Both.
pub fn all<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    objective(bench)?;
    optimise(bench)
}

fn objective<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let (image, region) = (bench.size.images(0, 3)?, bench.size.images(0, 1)?);
    let spec = ObjectiveSpec::new(&image, &image, &region, Penalty::Squared, 0.5, 0.05)?;
    let [output, target, mut d] = bench.draw_each(image.len())?;
    let (mask, mut loss) = (bench.draw(region.len())?, bench.draw(1)?);
    let b = bench.backend;
    bench.time("loss", || b.objective(&spec, [&output, &target, &mask], &mut loss))?;
    bench.time("loss", || b.objective_derivative(&spec, 1, [&output, &target, &mask], &mut d))
}

/// All weights in one buffer.
fn optimise<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let plan = Architecture::autoencoder(2, bench.size.width)?.plan(bench.size.images(0, 3)?)?;
    let spec = AdamSpec { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let step = AdamStep { rate: 1e-3, correction1: 0.1, correction2: 1e-3, decay: 0.99 };
    let [g, mut p, mut m, mut average] = bench.draw_each(plan.parameter_count())?;
    let b = bench.backend;
    // The second moment must not be negative.
    let mut v = b.zeros(plan.parameter_count())?;
    let (step, loss) = (b.upload(&step.elements())?, b.zeros(1)?);
    bench.time("weights", || b.adam(&spec, [&step, &loss], &g, &mut p, &mut m, &mut v))?;
    bench.time("weights", || b.moving_average([&step, &loss], &p, &mut average))
}
