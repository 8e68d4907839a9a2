use orthoscope::Result;
use orthoscope::ops::{Backend, Channels, ChannelsSpec};

use super::common::*;

on_every_backend!(golden_numbers, adjoint, concat_and_slice_are_inverse, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[exercise!("channels", Tiled, every_call), exercise!("channels, naive", Naive, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&ChannelsSpec::new("test", &shape(&[301, 5]), 1, &shape(&[301, 7]), 4, 3).unwrap())
}

fn spec(rows: usize, from: (usize, usize), to: (usize, usize), count: usize) -> ChannelsSpec {
    ChannelsSpec::new("test", &shape(&[rows, from.0]), from.1, &shape(&[rows, to.0]), to.1, count).unwrap()
}

fn copy<B: Backend>(backend: &B, spec: &ChannelsSpec, source: &[f64], target: Vec<f64>) -> Vec<f64> {
    let source = upload(backend, source);
    let [target] = run_on(backend, [target], |[target]| backend.run(Channels::Copy { spec, source: &source, target }));
    target
}

fn add<B: Backend>(backend: &B, spec: &ChannelsSpec, source: &[f64]) -> Vec<f64> {
    let source = upload(backend, source);
    let [target] = accumulated(backend, [(spec.rows * spec.target) as usize], |[target]| {
        backend.run(Channels::Add { spec, source: &source, target })
    });
    target
}

fn golden_numbers<B: Backend>(backend: &B) {
    // Channels 1 and 2 of 3 are copied to channels 2 and 3 of 4. They replace NaN; the rest of the target is unchanged.
    let spec = spec(2, (3, 1), (4, 2), 2);
    let source = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let target = vec![-1.0, -2.0, f64::NAN, f64::NAN, -5.0, -6.0, f64::NAN, f64::NAN];
    assert_eq!(copy(backend, &spec, &source, target), [-1.0, -2.0, 2.0, 3.0, -5.0, -6.0, 5.0, 6.0]);
    assert_eq!(add(backend, &spec, &source), [0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 5.0, 6.0]);
}

fn adjoint<B: Backend>(backend: &B) {
    let specs = [spec(3 * 17 * 23, (5, 1), (7, 4), 3), spec(1, (1, 0), (1, 0), 1), spec(64, (16, 8), (32, 0), 8)];
    for spec in specs {
        let (x, dy) = (random(0, (spec.rows * spec.source) as usize), random(1, (spec.rows * spec.target) as usize));
        let y = copy(backend, &spec, &x, vec![0.0; dy.len()]);
        assert_eq!(y, add(backend, &spec, &x));
        let dx = add(backend, &spec.reversed(), &dy);
        assert_adjoint("channels", (&y, &dy), (&x, &dx), tolerance::<B>());
    }
}

fn concat_and_slice_are_inverse<B: Backend>(backend: &B) {
    let (rows, a, b) = (17, random(0, 17 * 5), random(1, 17 * 3));
    let joined = copy(backend, &spec(rows, (5, 0), (8, 0), 5), &a, vec![f64::NAN; rows * 8]);
    let joined = copy(backend, &spec(rows, (3, 0), (8, 5), 3), &b, joined);
    assert_eq!(copy(backend, &spec(rows, (8, 0), (5, 0), 5), &joined, vec![f64::NAN; rows * 5]), a);
    assert_eq!(copy(backend, &spec(rows, (8, 5), (3, 0), 3), &joined, vec![f64::NAN; rows * 3]), b);
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = ChannelsSpec::new("test", &shape(&[7, 3]), 1, &shape(&[7, 5]), 3, 2).unwrap();
    check_short_operands_are_rejected(backend, [21, 35], |[source, target]| {
        backend.run(Channels::Copy { spec: &spec, source, target })
    });
    check_short_operands_are_rejected(backend, [21, 35], |[source, target]| {
        backend.run(Channels::Add { spec: &spec, source, target })
    });
}

#[test]
fn gradients_agree_with_differences() {
    check_gradients("concat", &[random_array(&[2, 3], 0), random_array(&[2, 4], 1)], |tape, v| tape.concat(&[v[0], v[1]]));
    check_gradients("slice", &[random_array(&[2, 2, 2, 5], 0)], |tape, v| tape.slice(v[0], 1, 3));
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = ChannelsSpec::new("exercise", &shape(&[301, 5]), 1, &shape(&[301, 7]), 3, 3)?;
    let mut bench = Bench::new(cuda);
    let (source, mut target) = (bench.draw(1505)?, bench.draw(2107)?);
    cuda.run(Channels::Copy { spec: &spec, source: &source, target: &mut target })?;
    cuda.run(Channels::Add { spec: &spec, source: &source, target: &mut target })?;
    bench.keep(&[&target])?;
    Ok(bench.found)
}
