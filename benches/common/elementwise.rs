//! Operations with little arithmetic per value.

use orthoscope::Result;
use orthoscope::backend::Backend;
use orthoscope::shape::{Activation, BoxAverageSpec, ChannelsSpec, PoolSpec, UpsampleSpec};

use super::Bench;

/// Every one of them.
pub fn all<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    for (level, name) in ["pool1", "pool2", "pool3"].into_iter().enumerate() {
        max_pool(bench, name, level as u32)?;
    }
    for (level, name) in ["up1", "up2", "up3"].into_iter().enumerate() {
        upsample2(bench, name, level as u32)?;
    }
    channels(bench)?;
    activation(bench)?;
    arithmetic(bench)?;
    bias(bench)?;
    reduce(bench)?;
    box_average(bench)
}

fn max_pool<B: Backend>(bench: &mut Bench<'_, '_, B>, name: &str, level: u32) -> Result<()> {
    let x = bench.size.images(level, bench.size.width << level)?;
    let spec = PoolSpec::new(&x, 2)?;
    let [bx, mut bdv] = bench.draw_each(x.len())?;
    let [bdy, mut by] = bench.draw_each(spec.output()?.len())?;
    let b = bench.backend;
    bench.time(name, || b.max_pool(&spec, &bx, &bx, &mut by))?;
    bench.time(name, || b.max_pool_grad(&spec, &bx, &bdy, &mut bdv))
}

/// To the side of `level`, with the channels of the network at that level.
fn upsample2<B: Backend>(bench: &mut Bench<'_, '_, B>, name: &str, level: u32) -> Result<()> {
    let x = bench.size.images(level + 1, bench.size.width << level)?;
    let spec = UpsampleSpec::new(&x)?;
    let [bx, mut bdx] = bench.draw_each(x.len())?;
    let [bdy, mut by] = bench.draw_each(spec.output()?.len())?;
    let b = bench.backend;
    bench.time(name, || b.upsample2(&spec, &bx, &mut by))?;
    bench.time(name, || b.upsample2_grad(&spec, &bdy, &mut bdx))
}

/// One part of a concatenation of two, and its adjoint.
fn channels<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let w = bench.size.width;
    let (part, whole) = (bench.size.images(0, w)?, bench.size.images(0, 2 * w)?);
    let spec = ChannelsSpec::new("channels", &part, 0, &whole, w, w)?;
    let back = spec.reversed();
    let (mut source, mut target) = (bench.draw(part.len())?, bench.draw(whole.len())?);
    let b = bench.backend;
    bench.time("level1", || b.channels_copy(&spec, &source, &mut target))?;
    bench.time("level1", || b.channels_add(&back, &target, &mut source))
}

fn activation<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let len = bench.size.images(0, bench.size.width)?.len();
    let [x, mut y, mut dz] = bench.draw_each(len)?;
    let b = bench.backend;
    for (name, kind) in [("elu", Activation::Elu), ("sigmoid", Activation::Sigmoid)] {
        bench.time(name, || b.activation(kind, &x, &mut y))?;
        bench.time(name, || b.activation_grad(kind, &y, &mut dz))?;
        bench.time(name, || b.activation_slope(kind, 0, &y, &mut dz))?;
    }
    Ok(())
}

fn arithmetic<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let len = bench.size.images(0, bench.size.width)?.len();
    let [x, z, mut y] = bench.draw_each(len)?;
    let b = bench.backend;
    bench.time("level1", || b.add(&x, &z, &mut y))?;
    bench.time("level1", || b.sub(&x, &z, &mut y))?;
    bench.time("level1", || b.mul(&x, &z, &mut y))?;
    bench.time("level1", || b.mul_add(&x, &z, &mut y))?;
    bench.time("level1", || b.affine(0.5, 1.0, &x, &mut y))?;
    bench.time("level1", || b.axpy(0.5, &x, &mut y))
}

fn bias<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let x = bench.size.images(0, bench.size.width)?;
    let [bx, mut by] = bench.draw_each(x.len())?;
    let [bias, mut grad] = bench.draw_each(x.channels())?;
    let b = bench.backend;
    bench.time("level1", || b.add_bias(&bx, &bias, &mut by))?;
    bench.time("level1", || b.bias_grad(&bx, &mut grad))
}

fn reduce<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let [x, mut dx] = bench.draw_each(bench.size.images(0, bench.size.width)?.len())?;
    let [dy, mut y] = bench.draw_each(1)?;
    let b = bench.backend;
    bench.time("level1", || b.sum(&x, &mut y))?;
    bench.time("level1", || b.sum_grad(0.5, &dy, &mut dx))
}

/// The default of the heatmap: 3 averages over 13 x 13.
fn box_average<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let x = bench.size.images(0, 1)?;
    let spec = BoxAverageSpec::new(&x, 13, 3)?;
    let [bx, dy, mut y, mut dx] = bench.draw_each(x.len())?;
    let b = bench.backend;
    bench.time("heatmap", || b.box_average(&spec, &bx, &mut y))?;
    bench.time("heatmap", || b.box_average_grad(&spec, &dy, &mut dx))
}
