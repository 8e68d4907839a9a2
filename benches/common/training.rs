//! Objective and optimiser.

use orthoscope::Result;
use orthoscope::model::Architecture;
use orthoscope::ops::{AdamSpec, AdamStep, Backend, Objective, ObjectiveSpec, Optimise, Penalty, Update};

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
    bench.time("loss", |b| {
        b.run(Objective::Loss { spec: &spec, output: &output, target: &target, mask: &mask, loss: &mut loss })
    })?;
    bench.time("loss", |b| {
        b.run(Objective::Derivative { spec: &spec, order: 1, output: &output, target: &target, mask: &mask, d: &mut d })
    })
}

/// All weights in one buffer.
fn optimise<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let plan = Architecture::autoencoder(2, bench.size.width)?.plan(bench.size.images(0, 3)?)?;
    let spec = AdamSpec { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let step = AdamStep { rate: 1e-3, correction1: 0.1, correction2: 1e-3, decay: 0.99 };
    let [g, mut p, mut m, mut average] = bench.draw_each(plan.parameter_count())?;
    // The second moment must not be negative.
    let mut v = bench.backend.zeros(plan.parameter_count())?;
    let (step, loss) = (bench.backend.upload(&step.elements())?, bench.backend.zeros(1)?);
    bench.time("weights", |b| {
        let tensors = vec![Update { g: &g, p: &mut p, m: &mut m, v: &mut v, average: Some(&mut average) }];
        b.run(Optimise::Adam { spec: &spec, step: &step, loss: &loss, tensors })
    })
}
