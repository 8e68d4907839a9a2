use orthoscope::Result;
use orthoscope::ops::{Backend, Pointwise, Reduce};

use super::common::*;

on_every_backend!(golden_numbers, adjoint, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[exercise!("reduce", Tiled, every_call), exercise!("reductions, naive", Naive, every_call)];

fn sum<B: Backend>(backend: &B, x: &[f64]) -> f64 {
    let x = upload(backend, x);
    let [y] = overwritten(backend, [1], |[y]| backend.run(Reduce::Sum { x: &x, y }));
    y[0]
}

fn golden_numbers<B: Backend>(backend: &B) {
    assert_eq!(sum(backend, &[1.5, -0.25, 4.0]), 5.25);
    // The numbers 1 to 5865 = 3 · 17 · 23 · 5.
    let ramp: Vec<f64> = (1..=5865).map(f64::from).collect();
    assert_close("sum", &[sum(backend, &ramp)], &[5865.0 * 5866.0 / 2.0], tolerance::<B>());
    // A running f32 sum of a million tenths is off by 1 %. The expected value is the sum of the tenths as stored in f32.
    let tenth = f64::from(0.1_f32);
    assert_close("sum", &[sum(backend, &vec![tenth; 1 << 20])], &[tenth * f64::from(1 << 20)], tolerance::<B>());
}

fn adjoint<B: Backend>(backend: &B) {
    for len in [1, 5, 4096, 5865] {
        let (x, dy) = (random(0, len), [0.75]);
        let buffer = upload(backend, &dy);
        for alpha in [1.0, -0.5] {
            let [dx] = accumulated(backend, [len], |[dx]| backend.run(Reduce::SumGrad { alpha, dy: &buffer, dx }));
            assert_eq!(dx, vec![alpha * dy[0]; len]);
            let spread = vec![dy[0]; len];
            assert_adjoint("sum", (&x, &spread), (&[sum(backend, &x)], &dy), tolerance::<B>());
        }
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let x = backend.zeros(7).unwrap();
    check_short_operands_are_rejected(backend, [1], |[y]| backend.run(Reduce::Sum { x: &x, y }));
    check_short_operands_are_rejected(backend, [1], |[dy]| {
        backend.run(Reduce::SumGrad { alpha: 1.0, dy, dx: &mut backend.zeros(7).unwrap() })
    });
}

#[test]
fn gradients_agree_with_differences() {
    let x = [random_array(&[3, 5], 0)];
    check_gradients("sum", &x, |tape, v| tape.sum(v[0]));
    check_gradients("mean", &x, |tape, v| tape.mean(v[0]));
    check_gradients("square_norm", &x, |tape, v| tape.square_norm(v[0]));
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let mut bench = Bench::new(cuda);
    let (x, mut sum, mut dx) = (bench.draw(5003)?, cuda.alloc(1)?, cuda.zeros(300)?);
    cuda.run(Reduce::Sum { x: &x, y: &mut sum })?;
    cuda.run(Reduce::SumGrad { alpha: 2.0, dy: &sum, dx: &mut dx })?;
    let (wide, mut db) = (bench.draw(701 * 70)?, cuda.zeros(70)?);
    cuda.run(Pointwise::BiasGrad { dy: &wide, db: &mut db })?;
    bench.keep(&[&sum, &dx, &db])?;
    Ok(bench.found)
}
