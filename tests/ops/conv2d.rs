use orthoscope::Result;
use orthoscope::backend::Slope;
use orthoscope::ops::{Backend, Conv2d, Conv2dOptions, Conv2dSpec, Pointwise, PoolSpec};
use orthoscope::shape::Activation;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::common::*;

on_every_backend!(
    golden_numbers,
    ragged_cases,
    power_of_two_case,
    wide_cases,
    narrow_ends,
    random_specs,
    fused_activations,
    short_operands_are_rejected
);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[
    exercise!("conv2d", Tiled, |cuda| every_call(cuda, [1, 9, 11, 20], 70, 3, 1)),
    exercise!("conv2d, stride 2", Tiled, |cuda| every_call(cuda, [2, 9, 7, 5], 6, 5, 2)),
    exercise!("conv2d, 3 channels in", Tiled, |cuda| every_call(cuda, [2, 13, 11, 3], 9, 3, 1)),
    exercise!("conv2d, 3 channels out", Tiled, |cuda| every_call(cuda, [2, 13, 11, 9], 3, 1, 1)),
    exercise!("conv2d, bf16", Bf16, |cuda| every_call(cuda, [1, 9, 11, 72], 72, 3, 1)),
    exercise!("conv2d, bf16, kernel 5", Bf16, |cuda| every_call(cuda, [1, 9, 11, 24], 40, 5, 2)),
    exercise!("conv2d, bf16, 3 channels in", Bf16, |cuda| every_call(cuda, [1, 9, 11, 3], 8, 3, 1)),
    exercise!("conv2d, bf16, 3 channels out", Bf16, |cuda| every_call(cuda, [1, 9, 11, 8], 3, 1, 1)),
    exercise!("conv2d, naive", Naive, |cuda| every_call(cuda, [1, 5, 4, 3], 6, 3, 1)),
];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    let options = Conv2dOptions { stride: 2, dilation: 4, padding: 6, activation: Activation::Elu };
    SpecValue::of(&Conv2dSpec::new(&shape(&[9, 17, 40, 5]), &shape(&[13, 3, 3, 5]), None, options).unwrap())
}

/// Random operands of one convolution.
struct Operands {
    x: Vec<f64>,
    w: Vec<f64>,
    b: Vec<f64>,
    dz: Vec<f64>,
}

impl Operands {
    fn random(spec: &Conv2dSpec) -> Self {
        let product = |extents: &[u32]| extents.iter().map(|&extent| extent as usize).product();
        Self {
            x: random(0, product(&[spec.n, spec.h, spec.w, spec.c_in])),
            w: random(1, product(&[spec.c_out, spec.kernel, spec.kernel, spec.c_in])),
            b: random(2, spec.c_out as usize),
            dz: random(3, spec.output().unwrap().len()),
        }
    }
}

fn forward<B: Backend>(backend: &B, spec: &Conv2dSpec, x: &[f64], w: &[f64], b: Option<&[f64]>) -> Vec<f64> {
    let (x, w, b) = (upload(backend, x), upload(backend, w), b.map(|b| upload(backend, b)));
    let [y] = overwritten(backend, [spec.output().unwrap().len()], |[y]| {
        backend.run(Conv2d::Forward { spec, x: &x, w: &w, b: b.as_ref(), y })
    });
    y
}

/// `[dx, dw, db]`.
fn gradients<B: Backend>(backend: &B, spec: &Conv2dSpec, operands: &Operands) -> [Vec<f64>; 3] {
    let (x, w, dz) = (upload(backend, &operands.x), upload(backend, &operands.w), upload(backend, &operands.dz));
    let lengths = [operands.w.len(), operands.b.len()];
    let [dx] =
        accumulated(backend, [operands.x.len()], |[dx]| backend.run(Conv2d::InputGrad { spec, dz: &dz, w: &w, dx, slope: None }));
    let [dw, db] =
        accumulated(backend, lengths, |[dw, db]| backend.run(Conv2d::WeightGrad { spec, x: &x, dz: &dz, dw, db: Some(db) }));
    let [alone] =
        accumulated(backend, [operands.w.len()], |[dw]| backend.run(Conv2d::WeightGrad { spec, x: &x, dz: &dz, dw, db: None }));
    assert_eq!(alone, dw, "dw depends on whether db is computed");
    [dx, dw, db]
}

/// The definition, on a zero-padded copy of the image. It is independent of the index arithmetic of the reference.
pub fn by_definition(spec: &Conv2dSpec, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let [n, h, width, c_in, c_out] = [spec.n, spec.h, spec.w, spec.c_in, spec.c_out].map(|extent| extent as usize);
    let [kernel, stride, dilation, padding] =
        [spec.kernel, spec.stride, spec.dilation, spec.padding].map(|extent| extent as usize);
    let mut padded = vec![vec![vec![vec![0.0; c_in]; width + 2 * padding]; h + 2 * padding]; n];
    for (index, &x) in x.iter().enumerate() {
        let (pixel, channel) = (index / c_in, index % c_in);
        padded[pixel / width / h][pixel / width % h + padding][pixel % width + padding][channel] = x;
    }
    let mut y = Vec::new();
    for image in &padded {
        for top in (0..=h + 2 * padding - dilation * (kernel - 1) - 1).step_by(stride) {
            for left in (0..=width + 2 * padding - dilation * (kernel - 1) - 1).step_by(stride) {
                for o in 0..c_out {
                    let mut sum = b[o];
                    let mut weights = w[o * kernel * kernel * c_in..].iter();
                    for row in 0..kernel {
                        for column in 0..kernel {
                            let pixel = &image[top + row * dilation][left + column * dilation];
                            sum += pixel.iter().zip(&mut weights).map(|(x, w)| x * w).sum::<f64>();
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

/// All checks for one spec without activation.
fn case<B: Backend>(backend: &B, spec: &Conv2dSpec) {
    let (operands, tolerance) = (Operands::random(spec), tolerance::<B>());
    let Operands { x, w, b, dz } = &operands;
    let (zero_x, zero_b) = (vec![0.0; x.len()], vec![0.0; b.len()]);

    let y = forward(backend, spec, x, w, Some(b));
    assert_close("y", &y, &by_definition(spec, x, w, b), tolerance);
    let y = forward(backend, spec, x, w, None);
    assert_close("y without bias", &y, &by_definition(spec, x, w, &zero_b), tolerance);

    let [dx, dw, db] = gradients(backend, spec, &operands);
    if y.iter().any(|&y| y != 0.0) {
        assert_adjoint("conv2d in x", (&y, dz), (x, &dx), tolerance);
        assert_adjoint("conv2d in w", (&y, dz), (w, &dw), tolerance);
    }
    let bias_only = forward(backend, spec, &zero_x, w, Some(b));
    assert_adjoint("conv2d in b", (&bias_only, dz), (b, &db), tolerance);

    let expected = gradients(&oracle(), spec, &operands);
    for (what, (found, expected)) in ["dx", "dw", "db"].iter().zip([dx, dw, db].iter().zip(&expected)) {
        assert_close(what, found, expected, tolerance);
    }
}

fn spec(x: &[usize; 4], c_out: usize, kernel: usize, options: Conv2dOptions) -> Conv2dSpec {
    Conv2dSpec::new(&shape(x), &shape(&[c_out, kernel, kernel, x[3]]), None, options).unwrap()
}

fn options(stride: usize, dilation: usize, padding: usize) -> Conv2dOptions {
    Conv2dOptions { stride, dilation, padding, activation: Activation::Identity }
}

fn ragged_cases<B: Backend>(backend: &B) {
    let cases = [
        (1, options(1, 1, 0)),
        (1, options(2, 1, 0)),
        (1, options(2, 3, 2)),
        (3, options(1, 1, 0)),
        (3, options(1, 1, 1)),
        (3, options(2, 1, 1)),
        (3, options(1, 2, 2)),
        (3, options(2, 3, 3)),
        (3, options(1, 1, 5)),
        (5, options(1, 1, 2)),
        (5, options(2, 2, 1)),
        (5, options(1, 3, 6)),
    ];
    for (kernel, options) in cases {
        case(backend, &spec(&[3, 17, 23, 5], 4, kernel, options));
    }
}

fn power_of_two_case<B: Backend>(backend: &B) {
    case(backend, &spec(&[2, 16, 16, 8], 16, 3, options(1, 1, 1)));
}

/// More channels than the narrow kernels and a tile of 64 have, multiples of four channels and others, with every stride,
/// dilation and padding.
fn wide_cases<B: Backend>(backend: &B) {
    case(backend, &spec(&[1, 13, 11, 70], 67, 3, options(1, 1, 1)));
    case(backend, &spec(&[1, 13, 11, 68], 72, 1, options(1, 1, 0)));
    for (kernel, options) in [(1, options(2, 1, 1)), (3, options(2, 1, 1)), (3, options(2, 2, 2)), (3, options(1, 3, 2))] {
        case(backend, &spec(&[2, 9, 7, 6], 9, kernel, options));
        case(backend, &spec(&[2, 7, 10, 8], 12, kernel, options));
    }
}

/// The first and the last layer of a network, and both at once.
fn narrow_ends<B: Backend>(backend: &B) {
    for (c_in, c_out) in [(3, 33), (33, 3), (4, 36), (36, 4), (1, 70), (70, 1), (3, 3)] {
        for (kernel, options) in [(1, options(1, 1, 0)), (3, options(1, 1, 1)), (3, options(2, 2, 1))] {
            case(backend, &spec(&[2, 9, 8, c_in], c_out, kernel, options));
        }
    }
}

fn random_specs<B: Backend>(backend: &B) {
    let extents = (1..=2usize, 1..=9usize, 1..=9usize, 1..=4usize, 1..=5usize);
    let settings = (prop::sample::select(vec![1, 3, 5]), 1..=2usize, 1..=3usize, 0..=7usize);
    let specs = (extents, settings).prop_filter_map("the kernel does not fit", |((n, h, w, c_in, c_out), settings)| {
        let (kernel, stride, dilation, padding) = settings;
        let weight = shape(&[c_out, kernel, kernel, c_in]);
        Conv2dSpec::new(&shape(&[n, h, w, c_in]), &weight, None, options(stride, dilation, padding)).ok()
    });
    let checked = TestRunner::deterministic().run(&specs, |spec| {
        case(backend, &spec);
        Ok(())
    });
    checked.unwrap();
}

fn fused_activations<B: Backend>(backend: &B) {
    // Few input channels, few output channels, neither, a 1x1 kernel, and more than a vector of channels.
    let shapes = [(5, 4, 3), (3, 6, 3), (5, 6, 3), (5, 6, 1), (16, 33, 3), (16, 33, 1)];
    for (activation, (c_in, c_out, kernel)) in
        ACTIVATIONS.into_iter().flat_map(|activation| shapes.map(|shape| (activation, shape)))
    {
        let spec = spec(&[3, 7, 5, c_in], c_out, kernel, Conv2dOptions { activation, ..options(1, 2, kernel - 1) });
        let Operands { x, w, b, .. } = Operands::random(&spec);
        let z = upload(&oracle(), &by_definition(&spec, &x, &w, &b));
        let [expected] = overwritten(&oracle(), [z.len()], |[y]| oracle().run(Pointwise::Activation { activation, x: &z, y }));
        assert_close(&format!("{activation:?}"), &forward(backend, &spec, &x, &w, Some(&b)), &expected, tolerance::<B>());
    }
}

fn golden_numbers<B: Backend>(backend: &B) {
    let golden = |x: &[usize; 4], kernel: usize, options, values: (&[f64], &[f64], f64), expected: &[f64]| {
        let y = forward(backend, &spec(x, 1, kernel, options), values.0, values.1, Some(&[values.2]));
        assert_eq!(y, expected);
    };
    let [ramp, ones] = [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], [1.0; 9]];
    // A delta image gives the kernel rotated by 180 degrees, because this is a cross-correlation.
    let delta = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    golden(&[1, 3, 3, 1], 3, options(1, 1, 1), (&delta, &ramp, 0.5), &[9.5, 8.5, 7.5, 6.5, 5.5, 4.5, 3.5, 2.5, 1.5]);
    // Sums over 3x3 neighbourhoods.
    golden(&[1, 3, 3, 1], 3, options(1, 1, 1), (&ramp, &ones, 0.0), &[12.0, 21.0, 16.0, 27.0, 45.0, 33.0, 24.0, 39.0, 28.0]);
    // Stride 2 keeps the corners of the above.
    golden(&[1, 3, 3, 1], 3, options(2, 1, 1), (&ramp, &ones, 0.0), &[12.0, 16.0, 24.0, 28.0]);
    // With dilation 2, each corner output is the sum of the four corners, each middle of a side is the sum of two opposite
    // middles, and the centre reads only itself.
    golden(&[1, 3, 3, 1], 3, options(1, 2, 2), (&ramp, &ones, 0.0), &[20.0, 10.0, 20.0, 10.0, 5.0, 10.0, 20.0, 10.0, 20.0]);
    // Two channels and a 1x1 kernel: y = 10 x₀ + x₁.
    golden(&[1, 1, 2, 2], 1, options(1, 1, 0), (&[1.0, 2.0, 3.0, 4.0], &[10.0, 1.0], 0.0), &[12.0, 34.0]);
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let (x, weight) = (shape(&[1, 5, 6, 2]), shape(&[4, 3, 3, 2]));
    let spec = Conv2dSpec::new(&x, &weight, None, Conv2dOptions::same(3, 1, Activation::Elu)).unwrap();
    check_short_operands_are_rejected(backend, [60, 72, 4, 120], |[x, w, b, y]| {
        backend.run(Conv2d::Forward { spec: &spec, x, w, b: Some(b), y })
    });
    check_short_operands_are_rejected(backend, [120, 72, 60], |[dz, w, dx]| {
        backend.run(Conv2d::InputGrad { spec: &spec, dz, w, dx, slope: None })
    });
    check_short_operands_are_rejected(backend, [60, 120, 72, 4], |[x, dz, dw, db]| {
        backend.run(Conv2d::WeightGrad { spec: &spec, x, dz, dw, db: Some(db) })
    });
}

#[test]
fn gradients_agree_with_differences() {
    for (kernel, stride, dilation, padding) in
        [(1, 1, 1, 0), (3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 2, 2), (5, 2, 1, 2), (3, 1, 3, 0)]
    {
        let options = Conv2dOptions { stride, dilation, padding, activation: Activation::Elu };
        let inputs = [random_array(&[2, 7, 8, 3], 0), random_array(&[2, kernel, kernel, 3], 1), random_array(&[2], 2)];
        check_gradients(&format!("conv{kernel}/{stride}/{dilation}"), &inputs, |tape, v| {
            tape.conv2d(v[0], v[1], Some(v[2]), options)
        });
    }
}

#[test]
fn values_and_gradients_agree_with_torch() {
    for (name, stride, dilation, padding) in
        [("conv3", 1, 1, 1), ("conv5s2", 2, 1, 2), ("conv3d4", 1, 4, 4), ("conv3s2d2p0", 2, 2, 0), ("conv1", 1, 1, 0)]
    {
        let options = Conv2dOptions { stride, dilation, padding, activation: Activation::Elu };
        agrees_with_torch(name, TORCH_TOLERANCE, |tape, v| tape.conv2d(v["x"], v["w"], Some(v["b"]), options).unwrap());
    }
}

fn every_call<B: Engine>(cuda: &B, x: [usize; 4], c_out: usize, kernel: usize, stride: usize) -> Result<Vec<f32>> {
    let options = Conv2dOptions { stride, dilation: 1, padding: kernel / 2, activation: Activation::Elu };
    let spec = Conv2dSpec::new(&shape(&x), &shape(&[c_out, kernel, kernel, x[3]]), None, options)?;
    let (y_shape, w_len) = (spec.output()?, c_out * kernel * kernel * x[3]);
    let mut bench = Bench::new(cuda);
    let (x, dz) = (bench.draw_image(&x)?, bench.draw_image(y_shape.dims())?);
    let (w, b) = (bench.draw(w_len)?, bench.draw(c_out)?);
    let (mut y, mut dx) = (cuda.alloc_activation(&y_shape)?, cuda.gradient_of(&x)?);
    let (mut dw, mut db) = (cuda.zeros(w_len)?, cuda.zeros(c_out)?);
    cuda.run(Conv2d::Forward { spec: &spec, x: &x, w: &w, b: Some(&b), y: &mut y })?;
    let pool = PoolSpec::new(&y_shape, 2)?;
    let mut pooled = cuda.alloc_activation(&pool.output()?)?;
    cuda.run(Conv2d::ForwardPooled { spec: &spec, pool: &pool, x: &x, w: &w, b: Some(&b), y: &mut y, pooled: &mut pooled })?;
    cuda.run(Conv2d::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx, slope: None })?;
    let slope = Some(Slope { activation: Activation::Elu, y: &x });
    cuda.run(Conv2d::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx, slope })?;
    cuda.run(Conv2d::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: Some(&mut db) })?;
    bench.keep(&[&y, &pooled, &dx, &dw, &db])?;
    Ok(bench.found)
}
