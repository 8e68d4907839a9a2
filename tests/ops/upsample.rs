use orthoscope::Result;
use orthoscope::backend::Slope;
use orthoscope::ops::{Backend, Upsample, UpsampleSpec};
use orthoscope::shape::Activation;

use super::common::*;

on_every_backend!(golden_numbers, agrees_with_definition, adjoint_and_oracle, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[
    exercise!("upsample2", Tiled, |cuda| every_call(cuda, [2, 7, 9, 5])),
    exercise!("upsample2, bf16", Bf16, |cuda| every_call(cuda, [2, 7, 9, 24])),
    exercise!("upsample2, naive", Naive, |cuda| every_call(cuda, [2, 7, 9, 5])),
];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&UpsampleSpec::new(&shape(&[2, 7, 9, 5])).unwrap())
}

const CASES: [[usize; 4]; 6] = [[3, 17, 23, 5], [1, 1, 1, 2], [2, 1, 7, 1], [1, 6, 1, 3], [2, 16, 16, 8], [2, 5, 3, 37]];

fn forward<B: Backend>(backend: &B, spec: &UpsampleSpec, x: &[f64]) -> Vec<f64> {
    let x = upload(backend, x);
    let [y] = overwritten(backend, [spec.output().unwrap().len()], |[y]| backend.run(Upsample::Forward { spec, x: &x, y }));
    y
}

fn backward<B: Backend>(backend: &B, spec: &UpsampleSpec, dy: &[f64]) -> Vec<f64> {
    let (dy, len) = (upload(backend, dy), dy.len() / 4);
    let [dx] = accumulated(backend, [len], |[dx]| backend.run(Upsample::InputGrad { spec, dy: &dy, dx, slope: None }));
    dx
}

/// Bilinear interpolation as in image resizing: pixel centres at half-integers, sample positions clamped to the image.
fn by_definition([n, h, w, c]: [usize; 4], x: &[f64]) -> Vec<f64> {
    let position = |output: usize, extent: usize| {
        let source = ((output as f64 + 0.5) / 2.0 - 0.5).clamp(0.0, extent as f64 - 1.0);
        (source.floor() as usize, source.ceil() as usize, source.fract())
    };
    let at = |image: usize, row: usize, column: usize, channel: usize| x[((image * h + row) * w + column) * c + channel];
    let mut y = Vec::new();
    for index in 0..n * 4 * h * w * c {
        let (channel, q, p, image) = (index % c, index / c % (2 * w), index / c / (2 * w) % (2 * h), index / c / (4 * h * w));
        let ((top, bottom, down), (left, right, across)) = (position(p, h), position(q, w));
        let row = |row| (1.0 - across) * at(image, row, left, channel) + across * at(image, row, right, channel);
        y.push((1.0 - down) * row(top) + down * row(bottom));
    }
    y
}

fn golden_numbers<B: Backend>(backend: &B) {
    let row = UpsampleSpec::new(&shape(&[1, 1, 2, 1])).unwrap();
    assert_eq!(forward(backend, &row, &[1.0, 2.0]), [1.0, 1.25, 1.75, 2.0, 1.0, 1.25, 1.75, 2.0]);
    let square = UpsampleSpec::new(&shape(&[1, 2, 2, 1])).unwrap();
    let y = forward(backend, &square, &[0.0, 0.0, 0.0, 16.0]);
    assert_eq!(y, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 4.0, 0.0, 3.0, 9.0, 12.0, 0.0, 4.0, 12.0, 16.0]);
    // The weights of each input pixel sum to 4.
    assert_eq!(backward(backend, &square, &[1.0; 16]), [4.0; 4]);
}

fn agrees_with_definition<B: Backend>(backend: &B) {
    for extents in CASES {
        let spec = UpsampleSpec::new(&shape(&extents)).unwrap();
        let x = random(0, shape(&extents).len());
        assert_close("y", &forward(backend, &spec, &x), &by_definition(extents, &x), tolerance::<B>());
    }
}

fn adjoint_and_oracle<B: Backend>(backend: &B) {
    for extents in CASES {
        let spec = UpsampleSpec::new(&shape(&extents)).unwrap();
        let (x, dy) = (random(0, shape(&extents).len()), random(1, 4 * shape(&extents).len()));
        let (y, dx) = (forward(backend, &spec, &x), backward(backend, &spec, &dy));
        assert_adjoint("upsample2", (&y, &dy), (&x, &dx), tolerance::<B>());
        assert_close("dx", &dx, &backward(&oracle(), &spec, &dy), tolerance::<B>());
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = UpsampleSpec::new(&shape(&[1, 5, 6, 2])).unwrap();
    check_short_operands_are_rejected(backend, [60, 240], |[x, y]| backend.run(Upsample::Forward { spec: &spec, x, y }));
    check_short_operands_are_rejected(backend, [240, 60], |[dy, dx]| {
        backend.run(Upsample::InputGrad { spec: &spec, dy, dx, slope: None })
    });
}

#[test]
fn gradients_agree_with_differences() {
    check_gradients("upsample2", &[random_array(&[2, 3, 4, 3], 0)], |tape, v| tape.upsample2(v[0]));
}

#[test]
fn values_and_gradients_agree_with_torch() {
    agrees_with_torch("upsample2", TORCH_TOLERANCE, |tape, v| tape.upsample2(v["x"]).unwrap());
}

fn every_call<B: Engine>(cuda: &B, extents: [usize; 4]) -> Result<Vec<f32>> {
    let spec = UpsampleSpec::new(&shape(&extents))?;
    let mut bench = Bench::new(cuda);
    let (x, dy) = (bench.draw_image(&extents)?, bench.draw_image(spec.output()?.dims())?);
    let (mut y, mut dx) = (cuda.alloc_activation(&spec.output()?)?, cuda.gradient_of(&x)?);
    cuda.run(Upsample::Forward { spec: &spec, x: &x, y: &mut y })?;
    cuda.run(Upsample::InputGrad { spec: &spec, dy: &dy, dx: &mut dx, slope: None })?;
    let slope = Some(Slope { activation: Activation::Elu, y: &x });
    cuda.run(Upsample::InputGrad { spec: &spec, dy: &dy, dx: &mut dx, slope })?;
    bench.keep(&[&y, &dx])?;
    Ok(bench.found)
}
