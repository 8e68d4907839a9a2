use orthoscope::ops::{Backend, Reduce};

use super::common::*;

on_every_backend!(golden_numbers, adjoint);

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
    // A running f32 sum of a million tenths is off by 1 %; what is asked here is the sum of the operands as stored.
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
