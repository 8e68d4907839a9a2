use orthoscope::backend::{AdamSpec, Backend};

use super::common::*;

on_every_backend!(first_adam_step, several_adam_steps, moving_average);

fn spec(step: i32) -> AdamSpec {
    let (beta1, beta2): (f64, f64) = (0.9, 0.999);
    let (correction1, correction2) = (1.0 - beta1.powi(step), 1.0 - beta2.powi(step));
    AdamSpec { rate: 0.01, beta1, beta2, epsilon: 1e-8, correction1, correction2 }
}

/// After one step from zero moments the bias corrections leave `p -= rate · g / (|g| + ε)`: the rate with the sign of g.
fn first_adam_step<B: Backend>(backend: &B) {
    let g = [0.5, -3.0, 0.0, 1e-3];
    let expected = g.map(|g: f64| 1.0 - 0.01 * g / (g.abs() + 1e-8));
    let g = upload(backend, &g);
    let start = [vec![1.0; 4], vec![0.0; 4], vec![0.0; 4]];
    let [p, m, v] = run_on(backend, start, |[p, m, v]| backend.adam(&spec(1), &g, p, m, v));
    assert_close("p", &p, &expected, tolerance::<B>());
    assert_close("m", &m, &[0.05, -0.3, 0.0, 1e-4], tolerance::<B>());
    assert_close("v", &v, &[0.25e-3, 9e-3, 0.0, 1e-9], tolerance::<B>());
}

fn several_adam_steps<B: Backend>(backend: &B) {
    let len = 1173;
    let mut found = [random(0, len), vec![0.0; len], vec![0.0; len]];
    let mut expected = found.clone();
    for step in 1..=5 {
        let (spec, g) = (spec(step), random(step as u32, len));
        let buffer = upload(backend, &g);
        found = run_on(backend, found, |[p, m, v]| backend.adam(&spec, &buffer, p, m, v));
        let [p, m, v] = &mut expected;
        for i in 0..len {
            m[i] += (1.0 - spec.beta1) * (g[i] - m[i]);
            v[i] += (1.0 - spec.beta2) * (g[i].powi(2) - v[i]);
            let (mean, square) = (m[i] / (1.0 - spec.beta1.powi(step)), v[i] / (1.0 - spec.beta2.powi(step)));
            p[i] -= spec.rate * mean / (square.sqrt() + spec.epsilon);
        }
    }
    for (what, (found, expected)) in ["p", "m", "v"].iter().zip(found.iter().zip(&expected)) {
        assert_close(what, found, expected, tolerance::<B>());
    }
}

fn moving_average<B: Backend>(backend: &B) {
    let p = upload(backend, &[1.0, -2.0, 0.5]);
    let [average] = run_on(backend, [vec![0.0, 2.0, 0.5]], |[average]| backend.moving_average(0.75, &p, average));
    assert_eq!(average, [0.25, 1.0, 0.5]);
    let [average] = run_on(backend, [vec![0.0; 3]], |[average]| backend.moving_average(0.999, &p, average));
    assert_close("average", &average, &[1e-3, -2e-3, 5e-4], tolerance::<B>());
}
