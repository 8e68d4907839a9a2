use orthoscope::Result;
use orthoscope::backend::Storage;
use orthoscope::ops::{AdamSpec, AdamStep, Backend, Optimise};

use super::common::*;

on_every_backend!(
    first_adam_step,
    several_adam_steps,
    moving_average,
    a_loss_that_is_not_finite_changes_nothing,
    short_operands_are_rejected
);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[exercise!("optimise", Tiled, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&SPEC)
}

const SPEC: AdamSpec = AdamSpec { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const RATE: f64 = 0.01;

/// `[step, loss]` of step t with a loss of 1.
fn control<B: Backend>(backend: &B, t: i32, decay: f64) -> [B::Buffer; 2] {
    let (correction1, correction2) = (1.0 - SPEC.beta1.powi(t), 1.0 - SPEC.beta2.powi(t));
    let step = AdamStep { rate: RATE, correction1, correction2, decay };
    [upload(backend, &step.elements::<f64>()), upload(backend, &[1.0])]
}

/// After one step from zero moments the bias corrections leave `p -= rate · g / (|g| + ε)`: the rate with the sign of g.
fn first_adam_step<B: Backend>(backend: &B) {
    let g = [0.5, -3.0, 0.0, 1e-3];
    let expected = g.map(|g: f64| 1.0 - 0.01 * g / (g.abs() + 1e-8));
    let g = upload(backend, &g);
    let [step, loss] = control(backend, 1, 0.0);
    let start = [vec![1.0; 4], vec![0.0; 4], vec![0.0; 4]];
    let [p, m, v] =
        run_on(backend, start, |[p, m, v]| backend.run(Optimise::Adam { spec: &SPEC, step: &step, loss: &loss, g: &g, p, m, v }));
    assert_close("p", &p, &expected, tolerance::<B>());
    assert_close("m", &m, &[0.05, -0.3, 0.0, 1e-4], tolerance::<B>());
    assert_close("v", &v, &[0.25e-3, 9e-3, 0.0, 1e-9], tolerance::<B>());
}

fn several_adam_steps<B: Backend>(backend: &B) {
    let len = 1173;
    let mut found = [random(0, len), vec![0.0; len], vec![0.0; len]];
    let mut expected = found.clone();
    for step in 1..=5 {
        let g = random(step as u32, len);
        let (buffer, [constants, loss]) = (upload(backend, &g), control(backend, step, 0.0));
        found = run_on(backend, found, |[p, m, v]| {
            backend.run(Optimise::Adam { spec: &SPEC, step: &constants, loss: &loss, g: &buffer, p, m, v })
        });
        let [p, m, v] = &mut expected;
        for i in 0..len {
            m[i] += (1.0 - SPEC.beta1) * (g[i] - m[i]);
            v[i] += (1.0 - SPEC.beta2) * (g[i].powi(2) - v[i]);
            let (mean, square) = (m[i] / (1.0 - SPEC.beta1.powi(step)), v[i] / (1.0 - SPEC.beta2.powi(step)));
            p[i] -= RATE * mean / (square.sqrt() + SPEC.epsilon);
        }
    }
    for (what, (found, expected)) in ["p", "m", "v"].iter().zip(found.iter().zip(&expected)) {
        assert_close(what, found, expected, tolerance::<B>());
    }
}

fn moving_average<B: Backend>(backend: &B) {
    let p = upload(backend, &[1.0, -2.0, 0.5]);
    let [step, loss] = control(backend, 1, 0.75);
    let start = [vec![0.0, 2.0, 0.5]];
    let [average] =
        run_on(backend, start, |[average]| backend.run(Optimise::MovingAverage { step: &step, loss: &loss, p: &p, average }));
    assert_eq!(average, [0.25, 1.0, 0.5]);
    let [step, loss] = control(backend, 1, 0.999);
    let [average] = run_on(backend, [vec![0.0; 3]], |[average]| {
        backend.run(Optimise::MovingAverage { step: &step, loss: &loss, p: &p, average })
    });
    assert_close("average", &average, &[1e-3, -2e-3, 5e-4], tolerance::<B>());
}

fn a_loss_that_is_not_finite_changes_nothing<B: Backend>(backend: &B) {
    let [step, _] = control(backend, 1, 0.5);
    let g = upload(backend, &[1.0; 3]);
    let start = || [vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0], vec![7.0, 8.0, 9.0]];
    for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let loss = upload(backend, &[broken]);
        let left = run_on(backend, start(), |[p, m, v]| {
            backend.run(Optimise::Adam { spec: &SPEC, step: &step, loss: &loss, g: &g, p, m, v })
        });
        assert_eq!(left, start(), "Adam at a loss of {broken}");
        let [average] = run_on(backend, [vec![2.0; 3]], |[average]| {
            backend.run(Optimise::MovingAverage { step: &step, loss: &loss, p: &g, average })
        });
        assert_eq!(average, [2.0; 3], "average at a loss of {broken}");
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = AdamSpec { beta1: 0.9, beta2: 0.9, epsilon: 1e-8 };
    check_short_operands_are_rejected(backend, [AdamStep::LEN, 1, 7, 7, 7, 7], |[step, loss, g, p, m, v]| {
        backend.run(Optimise::Adam { spec: &spec, step, loss, g, p, m, v })
    });
    check_short_operands_are_rejected(backend, [AdamStep::LEN, 1, 7, 7], |[step, loss, p, average]| {
        backend.run(Optimise::MovingAverage { step, loss, p, average })
    });
}

#[test]
fn three_adam_steps_agree_with_torch() {
    let golden = Golden::read("torch_ops");
    let backend = oracle();
    let mut p = golden.values("adam.p").to_vec();
    let (mut m, mut v) = (backend.zeros(p.len()).unwrap(), backend.zeros(p.len()).unwrap());
    for (step, g) in (1..).zip(golden.values("adam.g").chunks(p.len())) {
        let (beta1, beta2) = (0.9f64, 0.99f64);
        let (correction1, correction2) = (1.0 - beta1.powi(step), 1.0 - beta2.powi(step));
        let step = AdamStep { rate: 0.02, correction1, correction2, decay: 0.0 }.elements::<f64>().to_vec();
        let spec = AdamSpec { beta1, beta2, epsilon: 1e-6 };
        backend
            .run(Optimise::Adam { spec: &spec, step: &step, loss: &vec![1.0], g: &g.to_vec(), p: &mut p, m: &mut m, v: &mut v })
            .unwrap();
    }
    close("adam", &p, golden.values("adam.after"), 1e-12);
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let len = 1173;
    let step = AdamStep { rate: 0.01, correction1: 0.1, correction2: 0.001, decay: 0.9 }.elements::<f32>();
    let (step, loss) = (cuda.upload(&step)?, cuda.upload(&[1.0])?);
    let mut bench = Bench::new(cuda);
    let (g, mut p) = (bench.draw(len)?, bench.draw(len)?);
    let (mut m, mut v, mut average) = (cuda.zeros(len)?, cuda.zeros(len)?, cuda.zeros(len)?);
    let spec = AdamSpec { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    cuda.run(Optimise::Adam { spec: &spec, step: &step, loss: &loss, g: &g, p: &mut p, m: &mut m, v: &mut v })?;
    cuda.run(Optimise::MovingAverage { step: &step, loss: &loss, p: &p, average: &mut average })?;
    bench.keep(&[&p, &m, &v, &average])?;
    Ok(bench.found)
}
