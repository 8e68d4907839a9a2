//! Convolutions and other matrix products.

use orthoscope::Result;
use orthoscope::model::DILATIONS;
use orthoscope::ops::{Backend, Ccm, CcmSpec, CcmWeights, Conv2d, Conv2dOptions, Conv2dSpec, Linear, LinearSpec, Sdc, SdcSpec};
use orthoscope::shape::{Activation, Shape};

use super::{Bench, Size};

/// Every product.
pub fn all<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let w = bench.size.width;
    for layer in layers(w) {
        conv2d(bench, layer)?;
    }
    linear(bench)?;
    sdc(bench, "sdc.0", 4 * w)?;
    sdc(bench, "sdc.1", 6 * w)?;
    for level in 0..3 {
        let name = format!("ccm{}", level + 1);
        ccm(bench, &name, level)?;
        convex_combination(bench, &name, level)?;
    }
    Ok(())
}

/// A convolution of the network: name, how often the side is halved, input and output channels, kernel size.
type Layer = (&'static str, u32, usize, usize, usize);

/// One convolution of each kind: u3 equals e3.1, u2 equals e2.1, u1 and d1 equal e1.1.
fn layers(w: usize) -> [Layer; 12] {
    [
        ("e1.0", 0, 3, w, 3),
        ("e1.1", 0, w, w, 3),
        ("e2.0", 1, w, 2 * w, 3),
        ("e2.1", 1, 2 * w, 2 * w, 3),
        ("e3.0", 2, 2 * w, 4 * w, 3),
        ("e3.1", 2, 4 * w, 4 * w, 3),
        ("b", 3, 6 * w, 4 * w, 1),
        ("d3.0", 2, 4 * w, 2 * w, 3),
        ("d3.1", 2, 2 * w, 2 * w, 3),
        ("d2.0", 1, 2 * w, w, 3),
        ("d2.1", 1, w, w, 3),
        ("out", 0, w, 3, 1),
    ]
}

fn conv2d<B: Backend>(bench: &mut Bench<'_, '_, B>, (name, level, c_in, c_out, kernel): Layer) -> Result<()> {
    let (x, w) = (bench.size.images(level, c_in)?, Shape::new(&[c_out, kernel, kernel, c_in])?);
    let activation = if name == "out" { Activation::Sigmoid } else { Activation::Elu };
    let spec = Conv2dSpec::new(&x, &w, None, Conv2dOptions::same(kernel, 1, activation))?;
    let y = spec.output()?;
    let [bx, mut bdx] = bench.draw_each(x.len())?;
    let [bw, mut bdw] = bench.draw_each(w.len())?;
    let [bb, mut bdb] = bench.draw_each(c_out)?;
    let [bdz, mut by] = bench.draw_each(y.len())?;
    bench.time(name, |b| b.run(Conv2d::Forward { spec: &spec, x: &bx, w: &bw, b: Some(&bb), y: &mut by }))?;
    bench.time(name, |b| b.run(Conv2d::InputGrad { spec: &spec, dz: &bdz, w: &bw, dx: &mut bdx, slope: None }))?;
    bench.time(name, |b| b.run(Conv2d::WeightGrad { spec: &spec, x: &bx, dz: &bdz, dw: &mut bdw, db: Some(&mut bdb) }))
}

/// Model II has no linear layer; this one has a row for each pixel of the bottleneck.
fn linear<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let Size { width, side, batch, .. } = bench.size;
    let (x, w) = (Shape::new(&[batch * side * side / 64, 4 * width])?, Shape::new(&[4 * width, 4 * width])?);
    let spec = LinearSpec::new(&x, &w, None, Activation::Elu)?;
    let [bx, bdz, mut by, mut bdx] = bench.draw_each(x.len())?;
    let [bw, mut bdw] = bench.draw_each(w.len())?;
    let [bb, mut bdb] = bench.draw_each(4 * width)?;
    bench.time("hidden", |b| b.run(Linear::Forward { spec: &spec, x: &bx, w: &bw, b: Some(&bb), y: &mut by }))?;
    bench.time("hidden", |b| b.run(Linear::InputGrad { spec: &spec, dz: &bdz, w: &bw, dx: &mut bdx }))?;
    bench.time("hidden", |b| b.run(Linear::WeightGrad { spec: &spec, x: &bx, dz: &bdz, dw: &mut bdw, db: Some(&mut bdb) }))
}

fn sdc<B: Backend>(bench: &mut Bench<'_, '_, B>, name: &str, c_in: usize) -> Result<()> {
    const BRANCHES: usize = DILATIONS.len();
    let c = bench.size.width;
    let (x, w) = (bench.size.images(3, c_in)?, Shape::new(&[c, 3, 3, c_in])?);
    let spec = SdcSpec::new(&x, &[w; BRANCHES], &DILATIONS, Activation::Elu)?;
    let y = spec.output()?;
    let [bx, mut bdx] = bench.draw_each(x.len())?;
    let [bdz, mut by] = bench.draw_each(y.len())?;
    let (weights, mut dw) = (bench.draw_each::<BRANCHES>(w.len())?, bench.draw_each::<BRANCHES>(w.len())?);
    let (biases, mut db) = (bench.draw_each::<BRANCHES>(c)?, bench.draw_each::<BRANCHES>(c)?);
    let (weights, biases) = (weights.each_ref(), biases.each_ref());
    bench.time(name, |b| b.run(Sdc::Forward { spec: &spec, x: &bx, w: &weights, b: &biases, y: &mut by }))?;
    bench.time(name, |b| b.run(Sdc::InputGrad { spec: &spec, dz: &bdz, w: &weights, dx: &mut bdx, slope: None }))?;
    bench.time(name, |b| b.run(Sdc::WeightGrad { spec: &spec, x: &bx, dz: &bdz, dw: &mut dw, db: &mut db }))
}

fn ccm<B: Backend>(bench: &mut Bench<'_, '_, B>, name: &str, level: u32) -> Result<()> {
    let c = bench.size.width << level;
    let rows = bench.size.images(level, c)?.rows();
    let spec = CcmSpec { rows: rows as u32, c: c as u32 };
    let [s, u, dy, mut h, mut beta] = bench.draw_each(rows * c)?;
    let [mut y, mut ds, mut du] = bench.draw_each(rows * c)?;
    let [w_mix, mut dw_mix] = bench.draw_each(3 * c * c)?;
    let [w_gate, mut dw_gate] = bench.draw_each(c * c)?;
    let [b_mix, b_gate, mut db_mix, mut db_gate] = bench.draw_each(c)?;
    let weights = CcmWeights { w_mix: &w_mix, b_mix: &b_mix, w_gate: &w_gate, b_gate: &b_gate };
    bench.time(name, |b| {
        b.run(Ccm::Forward { spec: &spec, s: &s, u: &u, weights, saved: Some([&mut h, &mut beta]), y: &mut y })
    })?;
    bench.time(name, |b| {
        let grads = CcmWeights { w_mix: &mut dw_mix, b_mix: &mut db_mix, w_gate: &mut dw_gate, b_gate: &mut db_gate };
        b.run(Ccm::Grad {
            spec: &spec,
            s: &s,
            u: &u,
            weights,
            saved: [&h, &beta],
            dy: &dy,
            ds: &mut ds,
            du: &mut du,
            slopes: [None, None],
            weight_grads: grads,
        })
    })
}

fn convex_combination<B: Backend>(bench: &mut Bench<'_, '_, B>, name: &str, level: u32) -> Result<()> {
    let len = bench.size.images(level, bench.size.width << level)?.len();
    let [beta, s, u, dy, mut y] = bench.draw_each(len)?;
    let [mut dbeta, mut ds, mut du] = bench.draw_each(len)?;
    bench.time(name, |b| b.run(Ccm::Combination { beta: &beta, s: &s, u: &u, y: &mut y }))?;
    bench.time(name, |b| {
        b.run(Ccm::CombinationGrad { beta: &beta, s: &s, u: &u, dy: &dy, d_beta: &mut dbeta, ds: &mut ds, du: &mut du })
    })
}
