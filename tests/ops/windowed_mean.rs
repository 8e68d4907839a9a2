use orthoscope::Result;
use orthoscope::ops::{Backend, WindowedMean, WindowedMeanSpec};

use super::common::*;

on_every_backend!(golden_numbers, agrees_with_definition, adjoint_and_oracle, without_a_factor, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] =
    &[exercise!("windowed_mean", Tiled, every_call), exercise!("windowed_mean, naive", Naive, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&spec([2, 19, 23, 3], 11, 1.5))
}

/// Extents, window, sigma; some windows are larger than the image.
const CASES: [([usize; 4], usize, f64); 6] = [
    ([3, 17, 23, 5], 5, 1.5),
    ([1, 1, 1, 2], 3, 0.8),
    ([2, 1, 7, 3], 11, 1.5),
    ([2, 9, 4, 1], 31, 6.0),
    ([1, 16, 16, 8], 1, 1.0),
    ([2, 6, 9, 37], 7, 2.0),
];

fn spec(extents: [usize; 4], size: usize, sigma: f64) -> WindowedMeanSpec {
    WindowedMeanSpec::new(&shape(&extents), size, sigma).unwrap()
}

fn forward<B: Backend>(backend: &B, spec: &WindowedMeanSpec, a: &[f64], b: Option<&[f64]>) -> Vec<f64> {
    let (a, b, len) = (upload(backend, a), b.map(|b| upload(backend, b)), a.len());
    let [y] = overwritten(backend, [len], |[y]| backend.run(WindowedMean::Forward { spec, a: &a, b: b.as_ref(), y }));
    y
}

fn backward<B: Backend>(backend: &B, spec: &WindowedMeanSpec, dy: &[f64], b: Option<&[f64]>) -> Vec<f64> {
    let (dy, b, len) = (upload(backend, dy), b.map(|b| upload(backend, b)), dy.len());
    let [da] = accumulated(backend, [len], |[da]| backend.run(WindowedMean::InputGrad { spec, dy: &dy, b: b.as_ref(), da }));
    da
}

/// Sums over the window in f64 with the exact Gaussian.
fn by_definition([n, h, w, c]: [usize; 4], size: usize, sigma: f64, a: &[f64], b: Option<&[f64]>) -> Vec<f64> {
    let gaussian = |distance: usize| (-0.5 * (distance as f64 / sigma).powi(2)).exp();
    let mut y = Vec::new();
    for index in 0..n * h * w * c {
        let (channel, q, p, image) = (index % c, index / c % w, index / c / w % h, index / c / w / h);
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, column) in (0..h * w).map(|pixel| (pixel / w, pixel % w)) {
            let (down, across) = (row.abs_diff(p), column.abs_diff(q));
            if down > size / 2 || across > size / 2 {
                continue;
            }
            let at = ((image * h + row) * w + column) * c + channel;
            let weight = gaussian(down) * gaussian(across);
            sum += weight * a[at] * b.map_or(1.0, |b| b[at]);
            total += weight;
        }
        y.push(sum / total);
    }
    y
}

fn golden_numbers<B: Backend>(backend: &B) {
    // With such a large sigma the window is flat: unweighted means of neighbours and of their products.
    let flat = spec([1, 1, 3, 1], 3, 1e6);
    assert_close("mean", &forward(backend, &flat, &[1.0, 2.0, 6.0], None), &[1.5, 3.0, 4.0], tolerance::<B>());
    let (a, b) = ([1.0, 2.0, 3.0], [2.0, 4.0, 1.0]);
    assert_close("product", &forward(backend, &flat, &a, Some(&b)), &[5.0, 13.0 / 3.0, 5.5], tolerance::<B>());
    // A constant image does not change, even at the border.
    let constant = spec([1, 5, 4, 2], 11, 1.5);
    assert_close("constant", &forward(backend, &constant, &[3.0; 40], None), &[3.0; 40], tolerance::<B>());
}

fn agrees_with_definition<B: Backend>(backend: &B) {
    for (extents, size, sigma) in CASES {
        let [a, b] = [0, 1].map(|index| random(index, shape(&extents).len()));
        let found = forward(backend, &spec(extents, size, sigma), &a, Some(&b));
        // The weights of the spec are f32 on every backend.
        assert_close("y", &found, &by_definition(extents, size, sigma, &a, Some(&b)), tolerance::<B>().max(1e-6));
    }
}

fn adjoint_and_oracle<B: Backend>(backend: &B) {
    for (extents, size, sigma) in CASES {
        let spec = spec(extents, size, sigma);
        let [a, b, dy] = [0, 1, 2].map(|index| random(index, shape(&extents).len()));
        let (y, da) = (forward(backend, &spec, &a, Some(&b)), backward(backend, &spec, &dy, Some(&b)));
        assert_adjoint("windowed_mean", (&y, &dy), (&a, &da), tolerance::<B>());
        assert_close("y", &y, &forward(&oracle(), &spec, &a, Some(&b)), tolerance::<B>());
        assert_close("da", &da, &backward(&oracle(), &spec, &dy, Some(&b)), tolerance::<B>());
    }
}

fn without_a_factor<B: Backend>(backend: &B) {
    let (extents, size, sigma) = CASES[0];
    let spec = spec(extents, size, sigma);
    let [a, dy] = [0, 1].map(|index| random(index, shape(&extents).len()));
    let ones = vec![1.0; a.len()];
    assert_close("y", &forward(backend, &spec, &a, None), &forward(backend, &spec, &a, Some(&ones)), tolerance::<B>());
    assert_close("da", &backward(backend, &spec, &dy, None), &backward(backend, &spec, &dy, Some(&ones)), tolerance::<B>());
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = spec([1, 3, 4, 2], 3, 1.0);
    check_short_operands_are_rejected(backend, [24, 24, 24], |[a, b, y]| {
        backend.run(WindowedMean::Forward { spec: &spec, a, b: Some(b), y })
    });
    check_short_operands_are_rejected(backend, [24, 24, 24], |[dy, b, da]| {
        backend.run(WindowedMean::InputGrad { spec: &spec, dy, b: Some(b), da })
    });
}

#[test]
fn invalid_windows_are_rejected() {
    let images = shape(&[1, 4, 4, 3]);
    for (size, sigma) in [(4, 1.0), (33, 1.0), (0, 1.0), (3, 0.0), (3, -1.0), (3, f64::NAN), (3, f64::INFINITY)] {
        let refused = WindowedMeanSpec::new(&images, size, sigma).expect_err("an odd window up to 31, sigma above 0").to_string();
        assert!(refused.starts_with("windowed_mean: "), "{refused}");
    }
    assert!(WindowedMeanSpec::new(&shape(&[4, 4]), 3, 1.0).is_err());
}

#[test]
fn gradients_agree_with_differences() {
    let two = [random_array(&[1, 4, 5, 2], 0), random_array(&[1, 4, 5, 2], 1)];
    check_gradients("windowed_mean", &two, |tape, v| tape.windowed_mean(v[0], Some(v[1]), 5, 1.5));
    check_gradients("windowed mean of one", &two[..1], |tape, v| tape.windowed_mean(v[0], None, 3, 0.8));
    check_gradients("windowed second moment", &two[..1], |tape, v| tape.windowed_mean(v[0], Some(v[0]), 3, 0.8));
}

/// The weights of the spec are f32, those of PyTorch f64. The relative difference is up to 2⁻²⁵ = 3e-8.
#[test]
fn values_and_gradients_agree_with_torch() {
    agrees_with_torch("windowed_mean", 1e-6, |tape, v| tape.windowed_mean(v["a"], Some(v["b"]), 5, 1.5).unwrap());
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = WindowedMeanSpec::new(&shape(&[2, 19, 23, 3]), 11, 1.5)?;
    let mut bench = Bench::new(cuda);
    let [a, b, dy] = [bench.draw(2622)?, bench.draw(2622)?, bench.draw(2622)?];
    let (mut y, mut mean, mut da) = (cuda.alloc(2622)?, cuda.alloc(2622)?, cuda.zeros(2622)?);
    cuda.run(WindowedMean::Forward { spec: &spec, a: &a, b: Some(&b), y: &mut y })?;
    cuda.run(WindowedMean::Forward { spec: &spec, a: &a, b: None, y: &mut mean })?;
    cuda.run(WindowedMean::InputGrad { spec: &spec, dy: &dy, b: Some(&b), da: &mut da })?;
    cuda.run(WindowedMean::InputGrad { spec: &spec, dy: &dy, b: None, da: &mut da })?;
    bench.keep(&[&y, &mean, &da])?;
    Ok(bench.found)
}
