//! Operations with little arithmetic per value.

use orthoscope::Result;
use orthoscope::ops::{
    Backend, BoxAverage, BoxAverageSpec, Channels, ChannelsSpec, Filter, MaxPool, Pointwise, PoolSpec, Reduce, Stencil,
    StencilSpec, Upsample, UpsampleSpec, WindowedMean, WindowedMeanSpec,
};
use orthoscope::shape::Activation;

use super::Bench;

/// Every one of them.
pub fn all<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    for level in 0..3 {
        max_pool(bench, &format!("pool{}", level + 1), level)?;
        upsample2(bench, &format!("up{}", level + 1), level)?;
    }
    channels(bench)?;
    activation(bench)?;
    arithmetic(bench)?;
    bias(bench)?;
    reduce(bench)?;
    box_average(bench)?;
    windowed_mean(bench)?;
    stencil(bench)
}

fn max_pool<B: Backend>(bench: &mut Bench<'_, '_, B>, name: &str, level: u32) -> Result<()> {
    let x = bench.size.images(level, bench.size.width << level)?;
    let spec = PoolSpec::new(&x, 2)?;
    let [bx, mut bdv] = bench.draw_each(x.len())?;
    let [bdy, mut by] = bench.draw_each(spec.output()?.len())?;
    bench.time(name, |b| b.run(MaxPool::Forward { spec: &spec, x: &bx, v: &bx, y: &mut by }))?;
    bench.time(name, |b| b.run(MaxPool::InputGrad { spec: &spec, x: &bx, dy: &bdy, dv: &mut bdv, slope: None }))
}

/// To the side of `level`, with the channels of the network at that level.
fn upsample2<B: Backend>(bench: &mut Bench<'_, '_, B>, name: &str, level: u32) -> Result<()> {
    let x = bench.size.images(level + 1, bench.size.width << level)?;
    let spec = UpsampleSpec::new(&x)?;
    let [bx, mut bdx] = bench.draw_each(x.len())?;
    let [bdy, mut by] = bench.draw_each(spec.output()?.len())?;
    bench.time(name, |b| b.run(Upsample::Forward { spec: &spec, x: &bx, y: &mut by }))?;
    bench.time(name, |b| b.run(Upsample::InputGrad { spec: &spec, dy: &bdy, dx: &mut bdx, slope: None }))
}

/// One part of a concatenation of two, and its adjoint.
fn channels<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let w = bench.size.width;
    let (part, whole) = (bench.size.images(0, w)?, bench.size.images(0, 2 * w)?);
    let spec = ChannelsSpec::new("channels", &part, 0, &whole, w, w)?;
    let back = spec.reversed();
    let (mut source, mut target) = (bench.draw(part.len())?, bench.draw(whole.len())?);
    bench.time("level1", |b| b.run(Channels::Copy { spec: &spec, source: &source, target: &mut target }))?;
    bench.time("level1", |b| b.run(Channels::Add { spec: &back, source: &target, target: &mut source }))
}

fn activation<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let len = bench.size.images(0, bench.size.width)?.len();
    let [x, mut y, mut dz] = bench.draw_each(len)?;
    for (name, kind) in [("elu", Activation::Elu), ("sigmoid", Activation::Sigmoid)] {
        bench.time(name, |b| b.run(Pointwise::Activation { activation: kind, x: &x, y: &mut y }))?;
        bench.time(name, |b| b.run(Pointwise::ActivationGrad { activation: kind, y: &y, dz: &mut dz }))?;
        bench.time(name, |b| b.run(Pointwise::ActivationSlope { activation: kind, order: 0, y: &y, s: &mut dz }))?;
    }
    Ok(())
}

fn arithmetic<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let len = bench.size.images(0, bench.size.width)?.len();
    let [x, z, mut y] = bench.draw_each(len)?;
    bench.time("level1", |b| b.run(Pointwise::Add { a: &x, b: &z, y: &mut y }))?;
    bench.time("level1", |b| b.run(Pointwise::Sub { a: &x, b: &z, y: &mut y }))?;
    bench.time("level1", |b| b.run(Pointwise::Mul { a: &x, b: &z, y: &mut y }))?;
    bench.time("level1", |b| b.run(Pointwise::Div { a: &x, b: &z, y: &mut y }))?;
    bench.time("level1", |b| b.run(Pointwise::Sqrt { x: &x, y: &mut y }))?;
    bench.time("level1", |b| b.run(Pointwise::MulAdd { a: &x, b: &z, y: &mut y }))?;
    bench.time("level1", |b| b.run(Pointwise::Affine { alpha: 0.5, beta: 1.0, x: &x, y: &mut y }))?;
    bench.time("level1", |b| b.run(Pointwise::Axpy { alpha: 0.5, x: &x, y: &mut y }))
}

fn bias<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let x = bench.size.images(0, bench.size.width)?;
    let [bx, mut by] = bench.draw_each(x.len())?;
    let [bias, mut grad] = bench.draw_each(x.channels())?;
    bench.time("level1", |b| b.run(Pointwise::AddBias { x: &bx, b: &bias, y: &mut by }))?;
    bench.time("level1", |b| b.run(Pointwise::BiasGrad { dy: &bx, db: &mut grad }))
}

fn reduce<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let [x, mut dx] = bench.draw_each(bench.size.images(0, bench.size.width)?.len())?;
    let [dy, mut y] = bench.draw_each(1)?;
    bench.time("level1", |b| b.run(Reduce::Sum { x: &x, y: &mut y }))?;
    bench.time("level1", |b| b.run(Reduce::SumGrad { alpha: 0.5, dy: &dy, dx: &mut dx }))
}

/// The default of the heatmap: 3 averages over 13 x 13.
fn box_average<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let x = bench.size.images(0, 1)?;
    let spec = BoxAverageSpec::new(&x, 13, 3)?;
    let [bx, dy, mut y, mut dx] = bench.draw_each(x.len())?;
    bench.time("heatmap", |b| b.run(BoxAverage::Forward { spec: &spec, x: &bx, y: &mut y }))?;
    bench.time("heatmap", |b| b.run(BoxAverage::InputGrad { spec: &spec, dy: &dy, dx: &mut dx }))
}

/// As SSIM takes the second moments of an image.
fn windowed_mean<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let x = bench.size.images(0, 3)?;
    let spec = WindowedMeanSpec::new(&x, 11, 1.5)?;
    let [a, b, dy, mut y] = bench.draw_each(x.len())?;
    let mut da = bench.draw(x.len())?;
    bench.time("ssim", |device| device.run(WindowedMean::Forward { spec: &spec, a: &a, b: Some(&b), y: &mut y }))?;
    bench.time("ssim", |device| device.run(WindowedMean::InputGrad { spec: &spec, dy: &dy, b: Some(&b), da: &mut da }))
}

/// As gradient magnitude similarity takes the gradient of a grey image.
fn stencil<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let x = bench.size.images(0, 1)?;
    let spec = StencilSpec::new(&x, Filter::Prewitt)?;
    let [bx, mut dx] = bench.draw_each(x.len())?;
    let [dy, mut y] = bench.draw_each(spec.output()?.len())?;
    bench.time("prewitt", |device| device.run(Stencil::Forward { spec: &spec, x: &bx, y: &mut y }))?;
    bench.time("prewitt", |device| device.run(Stencil::InputGrad { spec: &spec, dy: &dy, dx: &mut dx }))
}
