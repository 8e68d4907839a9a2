use orthoscope::Result;
use orthoscope::backend::Storage;
use orthoscope::ops::{AdamSpec, AdamStep, Backend, Optimise, Update};

use super::common::*;

on_every_backend!(
    first_adam_step,
    several_adam_steps,
    moving_average,
    the_average_follows_the_update,
    a_loss_that_is_not_finite_changes_nothing,
    nothing_to_update,
    short_operands_are_rejected
);

on_backend!(cpu_bits, |_| Some(orthoscope::backend::Cpu::default()), every_tensor_has_the_bits_of_the_formula);
#[cfg(feature = "emulator")]
on_backend!(emulator_bits, |_| Some(orthoscope::backend::Cuda::emulator(1)), every_tensor_has_the_bits_of_the_formula);
on_backend!(cuda_bits, crate::gpu::gpu, every_tensor_has_the_bits_of_the_formula);

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

/// Updates one tensor, with an average if there are four buffers: p, m, v, average.
fn adam<B: Backend>(backend: &B, [step, loss]: [&B::Buffer; 2], g: &B::Buffer, state: &mut [B::Buffer]) -> Result<()> {
    let ([p, m, v], averages) = state.split_first_chunk_mut().unwrap();
    let tensors = vec![Update { g, p, m, v, average: averages.first_mut() }];
    backend.run(Optimise::Adam { spec: &SPEC, step, loss, tensors })
}

/// After one step from zero moments the bias corrections leave `p -= rate · g / (|g| + ε)`: the rate with the sign of g.
fn first_adam_step<B: Backend>(backend: &B) {
    let g = [0.5, -3.0, 0.0, 1e-3];
    let expected = g.map(|g: f64| 1.0 - 0.01 * g / (g.abs() + 1e-8));
    let g = upload(backend, &g);
    let [step, loss] = control(backend, 1, 0.0);
    let start = [vec![1.0; 4], vec![0.0; 4], vec![0.0; 4]];
    let [p, m, v] = run_on(backend, start, |state| adam(backend, [&step, &loss], &g, state));
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
        found = run_on(backend, found, |state| adam(backend, [&constants, &loss], &buffer, state));
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

/// Without a gradient and moments the parameters stay as they are.
fn moving_average<B: Backend>(backend: &B) {
    let g = upload(backend, &[0.0; 3]);
    let average_of = |decay, start: [f64; 3]| {
        let [step, loss] = control(backend, 1, decay);
        let state = [vec![1.0, -2.0, 0.5], vec![0.0; 3], vec![0.0; 3], start.to_vec()];
        let [p, _, _, average] = run_on(backend, state, |state| adam(backend, [&step, &loss], &g, state));
        assert_eq!(p, [1.0, -2.0, 0.5]);
        average
    };
    assert_eq!(average_of(0.75, [0.0, 2.0, 0.5]), [0.25, 1.0, 0.5]);
    assert_close("average", &average_of(0.999, [0.0; 3]), &[1e-3, -2e-3, 5e-4], tolerance::<B>());
}

/// The average is that of the new parameters.
fn the_average_follows_the_update<B: Backend>(backend: &B) {
    let ([step, loss], g) = (control(backend, 1, 0.5), upload(backend, &[3.0]));
    let start = [vec![1.0], vec![0.0], vec![0.0], vec![0.0]];
    let [p, _, _, average] = run_on(backend, start, |state| adam(backend, [&step, &loss], &g, state));
    assert_close("p", &p, &[0.99], 1e-6);
    assert_eq!(average, [0.5 * p[0]]);
}

/// The lengths of more tensors than a launch takes: around those of a quad and of a block, none, and more than a piece of work on
/// a CPU.
fn lengths() -> impl Iterator<Item = usize> {
    (1..=130).map(|i: usize| match i {
        40 => 0,
        77 => (1 << 14) + 5,
        _ if i.is_multiple_of(13) => 1011 + i,
        _ => i * 7 % 23 + 1,
    })
}

/// Each of many tensors, every third without an average, has the bits of the formula, as if it were alone.
fn every_tensor_has_the_bits_of_the_formula<B: Backend<Elem = f32>>(backend: &B) {
    let values = AdamStep { rate: RATE, correction1: 0.1, correction2: 0.001, decay: 0.9 }.elements::<f32>();
    let (step, loss) = (backend.upload(&values).unwrap(), backend.upload(&[1.0]).unwrap());
    let draw = |index: usize, len: usize| random(index as u32, len).into_iter().map(|x| x as f32).collect::<Vec<_>>();
    let start = |(index, len): (usize, usize)| {
        let [g, p, m, v, average] = [0, 1, 2, 3, 4].map(|part| draw(5 * index + part, len));
        // Second moments are not negative.
        [g, p, m, v.into_iter().map(f32::abs).collect(), average]
    };
    let starts: Vec<[Vec<f32>; 5]> = lengths().enumerate().map(start).collect();
    let mut buffers: Vec<_> = starts.iter().map(|start| start.each_ref().map(|part| backend.upload(part).unwrap())).collect();
    let averaged = |index: usize| !index.is_multiple_of(3);
    let mut tensors = Vec::new();
    for (index, [g, p, m, v, average]) in buffers.iter_mut().enumerate() {
        tensors.push(Update { g, p, m, v, average: averaged(index).then_some(average) });
    }
    backend.run(Optimise::Adam { spec: &SPEC, step: &step, loss: &loss, tensors }).unwrap();
    for (index, (start, found)) in starts.into_iter().zip(&buffers).enumerate() {
        for (expected, found) in updated(values, start, averaged(index)).iter().zip(found) {
            let found = backend.download(found).unwrap();
            let same = expected.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "tensor {index} of {} elements: {found:?} instead of {expected:?}", found.len());
        }
    }
}

/// g, p, m, v and the average after a step, by the formula in f32, operation by operation.
fn updated([rate, scale, keep, take]: [f32; AdamStep::LEN], mut tensor: [Vec<f32>; 5], averaged: bool) -> [Vec<f32>; 5] {
    let [beta1, beta2, rest1, rest2] = [SPEC.beta1, SPEC.beta2, 1.0 - SPEC.beta1, 1.0 - SPEC.beta2].map(|value| value as f32);
    let [g, p, m, v, average] = &mut tensor;
    for i in 0..g.len() {
        m[i] = beta1 * m[i] + rest1 * g[i];
        v[i] = beta2 * v[i] + rest2 * (g[i] * g[i]);
        p[i] -= rate * m[i] / ((v[i] * scale).sqrt() + SPEC.epsilon as f32);
        if averaged {
            average[i] = keep * average[i] + take * p[i];
        }
    }
    tensor
}

fn a_loss_that_is_not_finite_changes_nothing<B: Backend>(backend: &B) {
    let [step, _] = control(backend, 1, 0.5);
    let g = upload(backend, &[1.0; 3]);
    let start = || [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [2.0; 3]].map(Vec::from);
    for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let loss = upload(backend, &[broken]);
        let left = run_on(backend, start(), |state| adam(backend, [&step, &loss], &g, state));
        assert_eq!(left, start(), "a loss of {broken}");
    }
}

fn nothing_to_update<B: Backend>(backend: &B) {
    let [step, loss] = control(backend, 1, 0.5);
    backend.run(Optimise::Adam { spec: &SPEC, step: &step, loss: &loss, tensors: Vec::new() }).unwrap();
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    check_short_operands_are_rejected(backend, [AdamStep::LEN, 1, 7, 7, 7, 7, 7], |[step, loss, g, state @ ..]| {
        adam(backend, [step, loss], g, state)
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
        let g = g.to_vec();
        let tensors = vec![Update { g: &g, p: &mut p, m: &mut m, v: &mut v, average: None }];
        backend.run(Optimise::Adam { spec: &spec, step: &step, loss: &vec![1.0], tensors }).unwrap();
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
    let (h, mut q, mut n, mut w) = (bench.draw(5)?, bench.draw(5)?, cuda.zeros(5)?, cuda.zeros(5)?);
    let tensors = vec![
        Update { g: &g, p: &mut p, m: &mut m, v: &mut v, average: Some(&mut average) },
        Update { g: &h, p: &mut q, m: &mut n, v: &mut w, average: None },
    ];
    cuda.run(Optimise::Adam { spec: &SPEC, step: &step, loss: &loss, tensors })?;
    bench.keep(&[&p, &m, &v, &average, &q, &n, &w])?;
    Ok(bench.found)
}
