//! Activations and gradients stored as bf16: the same roundings on the CPU, on the emulator and on a GPU.
//!
//! An image with whole chunks of eight channels is stored as bf16 and rounded once when it is stored. Weights are rounded for
//! products between two such images. Sums are f32. So every result has an f64 oracle: the operation on the stored operands and
//! the rounded weights. A stored value may differ from it by its own rounding, at most u = 2^-8 of its size, and by the rounding
//! of the f32 sums.

use half::bf16;
use orthoscope::backend::Cuda;
use orthoscope::backend::Slope;
use orthoscope::backend::cuda::Mode;
#[cfg(feature = "emulator")]
use orthoscope::backend::cuda::driver::emulator::MatrixUnit;
use orthoscope::ops::{
    Backend, Conv2d, Conv2dOptions, Conv2dSpec, Linear, LinearSpec, MaxPool, Pointwise, PoolSpec, Sdc, SdcSpec, Upsample,
    UpsampleSpec,
};
use orthoscope::shape::{Activation, Shape};

use crate::ops::common::*;

macro_rules! on_bf16 {
    ($($check:ident),+ $(,)?) => {
        on_backend!(cpu, |_| Some(orthoscope::backend::Cpu::default().with_bf16()), $($check),+);
        #[cfg(feature = "emulator")]
        on_backend!(emulator, |_| Some(super::in_bf16(orthoscope::backend::Cuda::emulator(1))), $($check),+);
        #[cfg(feature = "emulator")]
        on_backend!(ampere, |_| Some(super::in_bf16(crate::tensor_cores(0, super::MatrixUnit::Ampere))), $($check),+);
        #[cfg(feature = "emulator")]
        on_backend!(hopper, |_| Some(super::in_bf16(crate::tensor_cores(2, super::MatrixUnit::Hopper))), $($check),+);
        on_backend!(gpu, |test| crate::gpu::gpu(test).map(super::in_bf16), $($check),+);
    };
}

on_bf16!(
    images_are_rounded_when_they_are_written,
    convolutions_equal_those_of_stored_operands,
    convolutions_beside_few_channels_keep_their_weights,
    activations_are_applied_before_the_rounding,
    stacked_dilated_convolutions_equal_those_of_stored_operands,
    pools_choose_among_stored_values,
    upsampling_and_its_adjoint_round_once,
    elementwise_operations_take_both_formats,
    linear_maps_stay_f32,
);

fn in_bf16(cuda: Cuda) -> Cuda {
    cuda.with_mode(Mode::Bf16)
}

/// Rounding error of f32 sums, relative to the sum of the sizes of their terms. Tensor cores cut off instead of rounding to
/// nearest, so their errors have one sign and grow with the depth K: on Hopper at most K/16 · 6.3e-7 of the largest size of the
/// sum on its way, which is 2.5e-5 for K = 630; of random terms a quarter of that is lost.
const SUMS: f64 = 1e-5;
/// Unit roundoff of bf16, which has eight significant bits.
const U: f64 = 1.0 / 256.0;

/// The nearest bf16 value, to even in a tie. The operand is an f32, as on the device.
fn nearest(x: f64) -> f64 {
    bf16::from_f32(x as f32).to_f64()
}

fn rounded(values: &[f64]) -> Vec<f64> {
    values.iter().map(|&value| nearest(value)).collect()
}

fn is_stored(shape: &Shape) -> bool {
    shape.channels().is_multiple_of(8)
}

/// An image on the device.
fn image<B: Backend>(device: &B, shape: &Shape, values: &[f64]) -> B::Buffer {
    let mut buffer = device.alloc_activation(shape).unwrap();
    let host: Vec<B::Elem> = values.iter().map(|&value| orthoscope::backend::Real::of(value)).collect();
    device.write(&host, &mut buffer).unwrap();
    buffer
}

/// Random values as they are stored.
fn draw(seed: u32, shape: &Shape) -> Vec<f64> {
    let values = random(seed, shape.len());
    if is_stored(shape) { rounded(&values) } else { values }
}

/// An image that `write` overwrites, as the tape calls it.
fn overwritten_image<B: Backend>(
    device: &B,
    shape: &Shape,
    write: impl FnOnce(&mut B::Buffer) -> orthoscope::Result<()>,
) -> Vec<f64> {
    let mut y = image(device, shape, &vec![f64::NAN; shape.len()]);
    write(&mut y).unwrap();
    device.settle(&mut y).unwrap();
    download(device, &y)
}

/// What a result is compared with.
struct Expected {
    /// The exact result.
    value: Vec<f64>,
    /// The sizes of its terms.
    size: Vec<f64>,
}

impl Expected {
    #[track_caller]
    fn check(&self, what: &str, found: &[f64], is_stored: bool) {
        assert_eq!(found.len(), self.value.len(), "{what}");
        for (i, (found, (value, size))) in found.iter().zip(self.value.iter().zip(&self.size)).enumerate() {
            let rounding = if is_stored { U * value.abs() } else { 0.0 };
            let bound = rounding + 2.0 * SUMS * size + 1e-30;
            assert!((found - value).abs() <= bound, "{what}[{i}] is {found}, expected {value} within {bound:e}");
            assert!(!is_stored || nearest(*found) == *found, "{what}[{i}] is {found}, which is no bf16");
        }
    }
}

/// Checks a gradient that `add` accumulates: from blank zeros and onto values, with and without a slope.
fn check_gradient<B: Backend>(
    device: &B,
    (what, shape): (&str, &Shape),
    contribution: &Expected,
    add: impl Fn(&mut B::Buffer, Option<Slope<'_, B::Buffer>>) -> orthoscope::Result<()>,
) {
    let (start, y) = (draw(91, shape), draw(92, shape));
    let (value, y_buffer) = (image(device, shape, &start), image(device, shape, &y));
    for (start, slope) in
        [(None, None), (Some(&start), None), (None, Some(Activation::Elu)), (Some(&start), Some(Activation::Tanh))]
    {
        let mut dx = match start {
            Some(start) => image(device, shape, start),
            None => device.gradient_of(&value).unwrap(),
        };
        add(&mut dx, slope.map(|activation| Slope { activation, y: &y_buffer })).unwrap();
        device.settle(&mut dx).unwrap();
        let factor = |y: f64| match slope {
            None => 1.0,
            Some(Activation::Elu) => {
                if y > 0.0 {
                    1.0
                } else {
                    1.0 + y
                }
            }
            Some(_) => 1.0 - y * y,
        };
        let sum = |i: usize| contribution.value[i] + start.map_or(0.0, |start| start[i]);
        let size = |i: usize| contribution.size[i] + start.map_or(0.0, |start| start[i].abs());
        let each = |f: &dyn Fn(usize) -> f64| (0..shape.len()).map(|i| factor(y[i]) * f(i)).collect();
        let expected = Expected { value: each(&sum), size: each(&size) };
        expected.check(&format!("{what}, start {}, slope {slope:?}", start.is_some()), &download(device, &dx), is_stored(shape));
    }
}

fn images_are_rounded_when_they_are_written<B: Backend>(device: &B) {
    // Halfway between neighbours, just off halfway, exact, small, and too large for a finite bf16. The last value becomes
    // infinite.
    let halves = [257.0, 259.0, -257.0, 257.0 + 1.0 / 32768.0, 257.0 - 1.0 / 32768.0, 258.0];
    let values = [halves.as_slice(), &[0.1, -3.3e38, 1e-30, 0.0, -0.0, 1.0, 2.0, 3.0, 4.0, f64::from(f32::MAX)]].concat();
    let found = download(device, &image(device, &shape(&[1, 1, 2, 8]), &values));
    assert_eq!(found[..6], [256.0, 260.0, -256.0, 258.0, 256.0, 258.0]);
    assert_eq!(found, rounded(&values));
    assert_eq!(found.last(), Some(&f64::INFINITY));
    // Without whole chunks of channels, or not an image, values stay f32.
    for extents in [&[1, 1, 4, 4][..], &[2, 8]] {
        let found = download(device, &image(device, &shape(extents), &values));
        assert_eq!(found, values.iter().map(|&value| f64::from(value as f32)).collect::<Vec<_>>());
    }
}

fn conv2d(x: [usize; 4], c_out: usize, kernel: usize, [stride, dilation, padding]: [usize; 3]) -> Conv2dSpec {
    let options = Conv2dOptions { stride, dilation, padding, activation: Activation::Identity };
    Conv2dSpec::new(&shape(&x), &shape(&[c_out, kernel, kernel, x[3]]), None, options).unwrap()
}

/// `[y, dx, dw, db]` in f64.
fn exact_passes(spec: &Conv2dSpec, [x, w, b, dz]: [&[f64]; 4]) -> [Vec<f64>; 4] {
    let oracle = oracle();
    let [x, w, b, dz] = [x, w, b, dz].map(|values| upload(&oracle, values));
    let [y] = overwritten(&oracle, [dz.len()], |[y]| oracle.run(Conv2d::Forward { spec, x: &x, w: &w, b: Some(&b), y }));
    let [dx] = accumulated(&oracle, [x.len()], |[dx]| oracle.run(Conv2d::InputGrad { spec, dz: &dz, w: &w, dx, slope: None }));
    let [dw, db] = accumulated(&oracle, [w.len(), b.len()], |[dw, db]| {
        oracle.run(Conv2d::WeightGrad { spec, x: &x, dz: &dz, dw, db: Some(db) })
    });
    [y, dx, dw, db]
}

fn check_convolution<B: Backend>(device: &B, spec: &Conv2dSpec, seed: u32) {
    let dims = |n: u32, h: u32, w: u32, c: u32| shape(&[n, h, w, c].map(|extent| extent as usize));
    let (x_shape, y_shape) = (dims(spec.n, spec.h, spec.w, spec.c_in), dims(spec.n, spec.h_out, spec.w_out, spec.c_out));
    let w_shape = dims(spec.c_out, spec.kernel, spec.kernel, spec.c_in);
    let (x, dz) = (draw(seed, &x_shape), draw(seed + 1, &y_shape));
    let (w, b) = (random(seed + 2, w_shape.len()), random(seed + 3, spec.c_out as usize));
    // Products between two stored images round the weights.
    let of_products = if is_stored(&x_shape) && is_stored(&y_shape) { rounded(&w) } else { w.clone() };
    let linear = Conv2dSpec { activation: Activation::Identity, ..*spec };
    let absolute = |values: &Vec<f64>| values.iter().map(|value| value.abs()).collect::<Vec<_>>();
    let sizes = exact_passes(&linear, [&x, &of_products, &b, &dz].map(absolute).each_ref().map(|values| &values[..]));
    let exact = exact_passes(spec, [&x, &of_products, &b, &dz]);
    let [y, dx, dw, db] = std::array::from_fn(|i| Expected { value: exact[i].clone(), size: sizes[i].clone() });

    let (xb, dzb) = (image(device, &x_shape, &x), image(device, &y_shape, &dz));
    let host: Vec<B::Elem> = w.iter().map(|&value| orthoscope::backend::Real::of(value)).collect();
    // As a parameter, of which a device may keep a rounded copy, and as any other buffer.
    for wb in [device.upload_parameter(&w_shape, &host).unwrap(), device.upload(&host).unwrap()] {
        let bb = upload(device, &b);
        let found =
            overwritten_image(device, &y_shape, |y| device.run(Conv2d::Forward { spec, x: &xb, w: &wb, b: Some(&bb), y }));
        y.check(&format!("y of {spec:?}"), &found, is_stored(&y_shape));
        check_pooled(device, spec, &y_shape, [&xb, &wb, &bb], &found);
        check_gradient(device, (&format!("dx of {spec:?}"), &x_shape), &dx, |dx, slope| {
            device.run(Conv2d::InputGrad { spec, dz: &dzb, w: &wb, dx, slope })
        });
    }
    let found = accumulated(device, [w.len(), b.len()], |[dw, db]| {
        device.run(Conv2d::WeightGrad { spec, x: &xb, dz: &dzb, dw, db: Some(db) })
    });
    dw.check(&format!("dw of {spec:?}"), &found[0], false);
    db.check(&format!("db of {spec:?}"), &found[1], false);
}

/// A convolution that also pools gives the same y and its maxima.
fn check_pooled<B: Backend>(device: &B, spec: &Conv2dSpec, y_shape: &Shape, [x, w, b]: [&B::Buffer; 3], wanted: &[f64]) {
    let Ok(pool) = PoolSpec::new(y_shape, 2) else { return };
    let mut pooled = device.alloc_activation(&pool.output().unwrap()).unwrap();
    let y = overwritten_image(device, y_shape, |y| {
        device.run(Conv2d::ForwardPooled { spec, pool: &pool, x, w, b: Some(b), y, pooled: &mut pooled })
    });
    assert_eq!(y, wanted);
    let oracle = oracle();
    let [maxima] = overwritten(&oracle, [pool.output().unwrap().len()], |[maxima]| {
        oracle.run(MaxPool::Forward { spec: &pool, x: &y, v: &y, y: maxima })
    });
    assert_eq!(download(device, &pooled), maxima);
}

/// Every kernel size and stride, several dilations and paddings; channels below, equal to and above a tile of 64, pixels below
/// and above the tiles of 128 and of 16 x 16.
fn convolutions_equal_those_of_stored_operands<B: Backend>(device: &B) {
    for (seed, spec) in [
        conv2d([3, 17, 23, 8], 16, 1, [1, 1, 0]),
        conv2d([2, 5, 6, 72], 40, 1, [2, 1, 1]),
        conv2d([1, 9, 11, 8], 40, 3, [1, 1, 1]),
        conv2d([2, 18, 33, 40], 8, 3, [1, 1, 1]),
        conv2d([1, 1, 1, 16], 8, 3, [1, 1, 1]),
        conv2d([1, 16, 17, 72], 72, 3, [1, 1, 1]),
        conv2d([2, 13, 10, 8], 72, 3, [2, 1, 1]),
        conv2d([1, 12, 15, 24], 8, 3, [1, 2, 2]),
        conv2d([1, 4, 3, 8], 8, 3, [1, 1, 5]),
        conv2d([1, 9, 7, 72], 8, 5, [1, 1, 2]),
        conv2d([2, 11, 9, 8], 16, 5, [2, 2, 4]),
    ]
    .iter()
    .enumerate()
    {
        check_convolution(device, spec, 100 * (1 + seed as u32));
    }
}

fn convolutions_beside_few_channels_keep_their_weights<B: Backend>(device: &B) {
    for (seed, spec) in [
        conv2d([2, 9, 11, 3], 24, 3, [1, 1, 1]),
        conv2d([2, 9, 11, 24], 3, 1, [1, 1, 0]),
        conv2d([1, 6, 5, 16], 3, 3, [1, 1, 1]),
        conv2d([1, 6, 5, 12], 8, 3, [1, 1, 1]),
        conv2d([1, 6, 5, 8], 20, 1, [1, 1, 0]),
    ]
    .iter()
    .enumerate()
    {
        check_convolution(device, spec, 3000 + 10 * seed as u32);
    }
}

fn activations_are_applied_before_the_rounding<B: Backend>(device: &B) {
    for (seed, activation) in ACTIVATIONS.into_iter().enumerate() {
        check_convolution(device, &Conv2dSpec { activation, ..conv2d([1, 7, 5, 8], 40, 3, [1, 1, 1]) }, 5000 + 10 * seed as u32);
        check_convolution(device, &Conv2dSpec { activation, ..conv2d([1, 7, 5, 3], 8, 3, [1, 1, 1]) }, 6000 + 10 * seed as u32);
    }
}

fn stacked_dilated_convolutions_equal_those_of_stored_operands<B: Backend>(device: &B) {
    for (x, c_out, dilations) in [
        ([1, 5, 4, 8], 8, &[2][..]),
        ([2, 7, 10, 24], 40, &[1, 4, 2]),
        ([1, 4, 5, 72], 8, &[1, 2, 3, 4, 5, 6, 7, 32]),
        ([1, 20, 16, 32], 8, &[1, 9, 16]),
    ] {
        check_stacked(device, x, c_out, dilations);
    }
}

fn check_stacked<B: Backend>(device: &B, x_dims: [usize; 4], c_out: usize, dilations: &[usize]) {
    let (x_shape, w_shape, branches) = (shape(&x_dims), shape(&[c_out, 3, 3, x_dims[3]]), dilations.len());
    let spec = SdcSpec::new(&x_shape, &vec![w_shape; branches], dilations, Activation::Elu).unwrap();
    let y_shape = spec.output().unwrap();
    let (x, dz) = (draw(1, &x_shape), draw(2, &y_shape));
    let each = |first: u32, len: usize| (0..branches as u32).map(|k| random(first + k, len)).collect::<Vec<_>>();
    let (w, b) = (each(10, w_shape.len()), each(30, c_out));
    // `[y, dx]`, and dw and db of all branches.
    let exact = |spec: &SdcSpec, map: &dyn Fn(f64) -> f64| {
        let oracle = oracle();
        let all = |values: &[Vec<f64>]| -> Vec<Vec<f64>> {
            values.iter().map(|values| values.iter().map(|&v| map(v)).collect()).collect()
        };
        let (x, dz): (Vec<f64>, Vec<f64>) = (x.iter().map(|&v| map(v)).collect(), dz.iter().map(|&v| map(v)).collect());
        let (w, b) = (all(&w.iter().map(|w| rounded(w)).collect::<Vec<_>>()), all(&b));
        let (ws, bs): (Vec<_>, Vec<_>) = (w.iter().collect(), b.iter().collect());
        let [y] = overwritten(&oracle, [dz.len()], |[y]| oracle.run(Sdc::Forward { spec, x: &x, w: &ws, b: &bs, y }));
        let [dx] = accumulated(&oracle, [x.len()], |[dx]| oracle.run(Sdc::InputGrad { spec, dz: &dz, w: &ws, dx, slope: None }));
        let (mut dw, mut db) = (vec![vec![0.0; w_shape.len()]; branches], vec![vec![0.0; c_out]; branches]);
        oracle.run(Sdc::WeightGrad { spec, x: &x, dz: &dz, dw: &mut dw, db: &mut db }).unwrap();
        (y, dx, dw.concat(), db.concat())
    };
    let (value, linear) = (exact(&spec, &|v| v), SdcSpec { activation: Activation::Identity, ..spec });
    let size = exact(&linear, &f64::abs);
    let (xb, dzb) = (image(device, &x_shape, &x), image(device, &y_shape, &dz));
    let buffers = |values: &[Vec<f64>]| values.iter().map(|values| upload(device, values)).collect::<Vec<_>>();
    let (wb, bb) = (buffers(&w), buffers(&b));
    let (ws, bs): (Vec<_>, Vec<_>) = (wb.iter().collect(), bb.iter().collect());
    let found = overwritten_image(device, &y_shape, |y| device.run(Sdc::Forward { spec: &spec, x: &xb, w: &ws, b: &bs, y }));
    Expected { value: value.0, size: size.0 }.check("y", &found, true);
    check_gradient(device, ("dx", &x_shape), &Expected { value: value.1, size: size.1 }, |dx, slope| {
        device.run(Sdc::InputGrad { spec: &spec, dz: &dzb, w: &ws, dx, slope })
    });
    let zeros = |like: &[B::Buffer]| like.iter().map(|like| device.gradient_of(like).unwrap()).collect::<Vec<_>>();
    let (mut dw, mut db) = (zeros(&wb), zeros(&bb));
    device.run(Sdc::WeightGrad { spec: &spec, x: &xb, dz: &dzb, dw: &mut dw, db: &mut db }).unwrap();
    let all = |buffers: &[B::Buffer]| buffers.iter().flat_map(|buffer| download(device, buffer)).collect::<Vec<_>>();
    Expected { value: value.2, size: size.2 }.check("dw", &all(&dw), false);
    Expected { value: value.3, size: size.3 }.check("db", &all(&db), false);
}

fn pools_choose_among_stored_values<B: Backend>(device: &B) {
    for (extents, window) in [([2, 7, 9, 8], 2), ([1, 4, 6, 24], 2), ([1, 7, 8, 16], 3)] {
        let x_shape = shape(&extents);
        let spec = PoolSpec::new(&x_shape, window).unwrap();
        let y_shape = spec.output().unwrap();
        let (x, v, dy) = (draw(1, &x_shape), draw(2, &x_shape), draw(3, &y_shape));
        let oracle = oracle();
        let [y] = overwritten(&oracle, [dy.len()], |[y]| oracle.run(MaxPool::Forward { spec: &spec, x: &x, v: &v, y }));
        let [dv] = accumulated(&oracle, [x.len()], |[dv]| {
            oracle.run(MaxPool::InputGrad { spec: &spec, x: &x, dy: &dy, dv, slope: None })
        });
        let [xb, vb] = [&x, &v].map(|values| image(device, &x_shape, values));
        let dyb = image(device, &y_shape, &dy);
        let found = overwritten_image(device, &y_shape, |y| device.run(MaxPool::Forward { spec: &spec, x: &xb, v: &vb, y }));
        assert_eq!(found, y);
        let size = dv.iter().map(|value| value.abs()).collect();
        check_gradient(device, ("dv", &x_shape), &Expected { value: dv, size }, |dv, slope| {
            device.run(MaxPool::InputGrad { spec: &spec, x: &xb, dy: &dyb, dv, slope })
        });
    }
}

fn upsampling_and_its_adjoint_round_once<B: Backend>(device: &B) {
    let x_shape = shape(&[2, 5, 3, 24]);
    let spec = UpsampleSpec::new(&x_shape).unwrap();
    let y_shape = spec.output().unwrap();
    let (x, dy) = (draw(1, &x_shape), draw(2, &y_shape));
    let exact = |x: Vec<f64>, dy: Vec<f64>| {
        let oracle = oracle();
        let [y] = overwritten(&oracle, [dy.len()], |[y]| oracle.run(Upsample::Forward { spec: &spec, x: &x, y }));
        let [dx] =
            accumulated(&oracle, [x.len()], |[dx]| oracle.run(Upsample::InputGrad { spec: &spec, dy: &dy, dx, slope: None }));
        (y, dx)
    };
    let absolute = |values: &[f64]| values.iter().map(|value| value.abs()).collect::<Vec<_>>();
    let (value, size) = (exact(x.clone(), dy.clone()), exact(absolute(&x), absolute(&dy)));
    let (xb, dyb) = (image(device, &x_shape, &x), image(device, &y_shape, &dy));
    let found = overwritten_image(device, &y_shape, |y| device.run(Upsample::Forward { spec: &spec, x: &xb, y }));
    Expected { value: value.0, size: size.0 }.check("y", &found, true);
    check_gradient(device, ("dx", &x_shape), &Expected { value: value.1, size: size.1 }, |dx, slope| {
        device.run(Upsample::InputGrad { spec: &spec, dy: &dyb, dx, slope })
    });
}

/// Operations without kernels for bf16 convert their operands.
fn elementwise_operations_take_both_formats<B: Backend>(device: &B) {
    let image_shape = shape(&[2, 3, 5, 8]);
    let (a, b) = (draw(1, &image_shape), draw(2, &image_shape));
    let (ab, bb) = (image(device, &image_shape, &a), upload(device, &b));
    let sum = overwritten_image(device, &image_shape, |y| device.run(Pointwise::Add { a: &ab, b: &bb, y }));
    assert_eq!(sum, a.iter().zip(&b).map(|(a, b)| nearest(a + b)).collect::<Vec<_>>());
    let mut dz = image(device, &image_shape, &b);
    device.run(Pointwise::ActivationGrad { activation: Activation::Elu, y: &ab, dz: &mut dz }).unwrap();
    device.settle(&mut dz).unwrap();
    let slope = |y: f64| if y > 0.0 { 1.0 } else { 1.0 + y };
    for (found, (a, b)) in download(device, &dz).iter().zip(a.iter().zip(&b)) {
        assert!((found - b * slope(*a)).abs() <= 1.01 * U * b.abs(), "{found} {a} {b}");
    }
    let mut total = device.zeros(8).unwrap();
    device.run(Pointwise::BiasGrad { dy: &ab, db: &mut total }).unwrap();
    let wanted: Vec<f64> = (0..8).map(|channel| a.iter().skip(channel).step_by(8).sum()).collect();
    assert_close("column sums", &download(device, &total), &wanted, 1e-6);
    let mut copy = device.alloc(a.len()).unwrap();
    device.copy(&ab, &mut copy).unwrap();
    assert_eq!(download(device, &copy), a);
}

fn linear_maps_stay_f32<B: Backend>(device: &B) {
    let spec = LinearSpec::new(&shape(&[9, 64]), &shape(&[32, 64]), None, Activation::Elu).unwrap();
    let (x, w) = (random(1, 9 * 64), random(2, 32 * 64));
    let exact = {
        let oracle = oracle();
        let [y] = overwritten(&oracle, [9 * 32], |[y]| oracle.run(Linear::Forward { spec: &spec, x: &x, w: &w, b: None, y }));
        y
    };
    let [xb, wb] = [&x, &w].map(|values| upload(device, values));
    let [y] = overwritten(device, [9 * 32], |[y]| device.run(Linear::Forward { spec: &spec, x: &xb, w: &wb, b: None, y }));
    assert_close("y", &y, &exact, 1e-5);
}
