use orthoscope::Result;
use orthoscope::backend::Slope;
use orthoscope::ops::{Backend, MaxPool, PoolSpec};
use orthoscope::shape::Activation;

use super::common::*;

on_every_backend!(golden_numbers, agrees_with_definition, adjoint_with_fixed_selection, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[
    exercise!("max_pool", Tiled, |cuda| every_call(cuda, [2, 17, 13, 5])),
    exercise!("max_pool, bf16", Bf16, |cuda| every_call(cuda, [2, 17, 13, 24])),
    exercise!("max_pool, naive", Naive, |cuda| every_call(cuda, [2, 17, 13, 5])),
];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&PoolSpec::new(&shape(&[2, 17, 13, 5]), 3).unwrap())
}

const CASES: [([usize; 4], usize); 5] =
    [([3, 17, 23, 5], 2), ([3, 17, 23, 5], 3), ([1, 5, 4, 1], 1), ([2, 16, 16, 8], 2), ([2, 7, 9, 37], 2)];

/// Values 0, 1, 2 and 3, so that most windows have equal maxima.
fn quantised(index: u32, len: usize) -> Vec<f64> {
    random_between(index, len, 0.0, 4.0).into_iter().map(f64::floor).collect()
}

fn forward<B: Backend>(backend: &B, spec: &PoolSpec, x: &[f64], v: &[f64]) -> Vec<f64> {
    let (x, v) = (upload(backend, x), upload(backend, v));
    let [y] = overwritten(backend, [spec.output().unwrap().len()], |[y]| backend.run(MaxPool::Forward { spec, x: &x, v: &v, y }));
    y
}

fn backward<B: Backend>(backend: &B, spec: &PoolSpec, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let (x, dy, len) = (upload(backend, x), upload(backend, dy), x.len());
    let [dv] = accumulated(backend, [len], |[dv]| backend.run(MaxPool::InputGrad { spec, x: &x, dy: &dy, dv, slope: None }));
    dv
}

fn golden_numbers<B: Backend>(backend: &B) {
    // 3x5, one channel: two windows of 2x2. The last row and column are in no window. The second window has equal maxima.
    let spec = PoolSpec::new(&shape(&[1, 3, 5, 1]), 2).unwrap();
    let x = [1.0, 4.0, 7.0, 7.0, 9.0, 3.0, 2.0, 7.0, 0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0];
    let v: Vec<f64> = (0..15).map(f64::from).collect();
    assert_eq!(forward(backend, &spec, &x, &x), [4.0, 7.0]);
    assert_eq!(forward(backend, &spec, &x, &v), [1.0, 2.0]);
    let dv = backward(backend, &spec, &x, &[10.0, 20.0]);
    assert_eq!(dv, [0.0, 10.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // Negative values would reveal zero padding or a maximum that starts at zero.
    assert_eq!(forward(backend, &spec, &[-2.0; 15], &x), [1.0, 7.0]);
}

fn agrees_with_definition<B: Backend>(backend: &B) {
    for (extents, window) in CASES {
        let spec = PoolSpec::new(&shape(&extents), window).unwrap();
        let (x, v) = (quantised(0, shape(&extents).len()), random(1, shape(&extents).len()));
        let [n, h_out, w_out, c] = spec.output().unwrap().nhwc("test").unwrap();
        let expected: Vec<f64> = (0..n * h_out * w_out * c)
            .map(|index| {
                let (channel, q, p, image) = (index % c, index / c % w_out, index / c / w_out % h_out, index / c / w_out / h_out);
                let rows = p * window..(p + 1) * window;
                let taps = rows.flat_map(|row| (q * window..(q + 1) * window).map(move |column| (row, column)));
                let flat = |(row, column)| ((image * extents[1] + row) * extents[2] + column) * c + channel;
                // `max_by` returns the last of equal maxima, so the order is reversed to get the first.
                let all: Vec<usize> = taps.map(flat).collect();
                v[*all.iter().rev().max_by(|&&a, &&b| x[a].total_cmp(&x[b])).unwrap()]
            })
            .collect();
        assert_eq!(forward(backend, &spec, &x, &v), expected);
    }
}

fn adjoint_with_fixed_selection<B: Backend>(backend: &B) {
    for (extents, window) in CASES {
        let spec = PoolSpec::new(&shape(&extents), window).unwrap();
        let len = shape(&extents).len();
        let (x, v, dy) = (quantised(0, len), random(1, len), random(2, spec.output().unwrap().len()));
        let (y, dv) = (forward(backend, &spec, &x, &v), backward(backend, &spec, &x, &dy));
        assert_adjoint("max_pool in v", (&y, &dy), (&v, &dv), tolerance::<B>());
        assert_eq!(dv, backward(&oracle(), &spec, &x, &dy));
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = PoolSpec::new(&shape(&[1, 5, 6, 2]), 2).unwrap();
    check_short_operands_are_rejected(backend, [60, 60, 12], |[x, v, y]| backend.run(MaxPool::Forward { spec: &spec, x, v, y }));
    check_short_operands_are_rejected(backend, [60, 12, 60], |[x, dy, dv]| {
        backend.run(MaxPool::InputGrad { spec: &spec, x, dy, dv, slope: None })
    });
}

#[test]
fn gradients_agree_with_differences() {
    check_gradients("max_pool", &[random_array(&[2, 5, 7, 3], 0)], |tape, v| tape.max_pool(v[0], 2));
}

#[test]
fn values_and_gradients_agree_with_torch() {
    agrees_with_torch("max_pool", TORCH_TOLERANCE, |tape, v| tape.max_pool(v["x"], 2).unwrap());
}

fn every_call<B: Engine>(cuda: &B, extents: [usize; 4]) -> Result<Vec<f32>> {
    let spec = PoolSpec::new(&shape(&extents), 2)?;
    let mut bench = Bench::new(cuda);
    let (x, dy) = (bench.draw_image(&extents)?, bench.draw_image(spec.output()?.dims())?);
    let (mut y, mut dx) = (cuda.alloc_activation(&spec.output()?)?, cuda.gradient_of(&x)?);
    cuda.run(MaxPool::Forward { spec: &spec, x: &x, v: &x, y: &mut y })?;
    cuda.run(MaxPool::InputGrad { spec: &spec, x: &x, dy: &dy, dv: &mut dx, slope: None })?;
    let slope = Some(Slope { activation: Activation::Elu, y: &x });
    cuda.run(MaxPool::InputGrad { spec: &spec, x: &x, dy: &dy, dv: &mut dx, slope })?;
    bench.keep(&[&y, &dx])?;
    Ok(bench.found)
}
