use ndarray::ArrayD;
use num_traits::Float;
use orthoscope::Result;
use orthoscope::backend::Real;
use orthoscope::backend::Slope;
use orthoscope::ops::{Backend, Ccm, CcmSpec, CcmVars, CcmWeights};
use orthoscope::shape::Activation;
use orthoscope::tape::{Tape, Tensor, Var};

use super::common::*;

on_every_backend!(
    golden_numbers,
    stays_between_s_and_u,
    module_agrees_with_definition,
    gradients_agree_with_oracle,
    short_operands_are_rejected
);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[
    exercise!("ccm", Tiled, |cuda| every_call(cuda, 150, 21)),
    exercise!("ccm, naive", Naive, |cuda| every_call(cuda, 150, 21)),
    exercise!("ccm, bf16, 24 channels", Bf16, |cuda| every_call(cuda, 150, 24)),
    exercise!("ccm, bf16, 72 channels", Bf16, |cuda| every_call(cuda, 150, 72)),
    exercise!("ccm, bf16, 136 channels", Bf16, |cuda| every_call(cuda, 70, 136)),
    exercise!("ccm, bf16, 264 channels", Bf16, |cuda| every_call(cuda, 70, 264)),
];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&CcmSpec { rows: 150, c: 21 })
}

/// Rows and channels: irregular sizes, one of each, powers of two, more than one tile of both.
const CASES: [[usize; 2]; 4] = [[3 * 7 * 11, 5], [1, 1], [64, 8], [150, 70]];
const SEVEN: [&str; 7] = ["s", "u", "w_mix", "b_mix", "w_gate", "b_gate", "dy"];

/// `[s, u, w_mix, b_mix, w_gate, b_gate, dy]`.
type Operands = [Vec<f64>; 7];

fn operands([rows, c]: [usize; 2]) -> (CcmSpec, Operands) {
    let (s, w_mix, w_gate) = (shape(&[rows, c]), shape(&[c, 1, 1, 3 * c]), shape(&[c, 1, 1, c]));
    let lengths = [rows * c, rows * c, 3 * c * c, c, c * c, c, rows * c];
    let mut index = 0;
    let operands = lengths.map(|len| {
        index += 1;
        random(index, len)
    });
    (CcmSpec::new(&s, &s, &w_mix, &w_gate).unwrap(), operands)
}

fn convex_combination<B: Backend>(backend: &B, [beta, s, u]: [&[f64]; 3]) -> Vec<f64> {
    let [beta, s, u] = [beta, s, u].map(|host| upload(backend, host));
    let [y] = overwritten(backend, [backend.len(&s)], |[y]| backend.run(Ccm::Combination { beta: &beta, s: &s, u: &u, y }));
    y
}

/// `[dβ, ds, du]`.
fn convex_combination_grad<B: Backend>(backend: &B, operands: [&[f64]; 3], dy: &[f64]) -> [Vec<f64>; 3] {
    let ([beta, s, u], dy) = (operands.map(|host| upload(backend, host)), upload(backend, dy));
    accumulated(backend, [backend.len(&s); 3], |[dbeta, ds, du]| {
        backend.run(Ccm::CombinationGrad { beta: &beta, s: &s, u: &u, dy: &dy, d_beta: dbeta, ds, du })
    })
}

/// `[h, β, y]`.
fn forward<B: Backend>(backend: &B, spec: &CcmSpec, operands: &Operands) -> [Vec<f64>; 3] {
    let [s, u, w_mix, b_mix, w_gate, b_gate, _] = operands.each_ref().map(|host| upload(backend, host));
    let weights = CcmWeights::from([&w_mix, &b_mix, &w_gate, &b_gate]);
    overwritten(backend, [backend.len(&s); 3], |[h, beta, y]| {
        backend.run(Ccm::Forward { spec, s: &s, u: &u, weights, saved: Some([h, beta]), y })
    })
}

/// y alone.
fn forward_without_saving<B: Backend>(backend: &B, spec: &CcmSpec, operands: &Operands) -> Vec<f64> {
    let [s, u, w_mix, b_mix, w_gate, b_gate, _] = operands.each_ref().map(|host| upload(backend, host));
    let weights = CcmWeights::from([&w_mix, &b_mix, &w_gate, &b_gate]);
    let [y] =
        overwritten(backend, [backend.len(&s)], |[y]| backend.run(Ccm::Forward { spec, s: &s, u: &u, weights, saved: None, y }));
    y
}

/// `[ds, du, dw_mix, db_mix, dw_gate, db_gate]`.
fn backward<B: Backend>(backend: &B, spec: &CcmSpec, operands: &Operands) -> [Vec<f64>; 6] {
    let [h, beta, _] = forward(backend, spec, operands).map(|host| upload(backend, &host));
    let [s, u, w_mix, b_mix, w_gate, b_gate, dy] = operands.each_ref().map(|host| upload(backend, host));
    let lengths = std::array::from_fn(|index| operands[index].len());
    accumulated(backend, lengths, |[ds, du, dw_mix, db_mix, dw_gate, db_gate]| {
        let weights = CcmWeights::from([&w_mix, &b_mix, &w_gate, &b_gate]);
        let weight_grads = CcmWeights::from([dw_mix, db_mix, dw_gate, db_gate]);
        backend.run(Ccm::Grad {
            spec,
            s: &s,
            u: &u,
            weights,
            saved: [&h, &beta],
            dy: &dy,
            ds,
            du,
            slopes: [None, None],
            weight_grads,
        })
    })
}

fn golden_numbers<B: Backend>(backend: &B) {
    let (beta, s, u) = ([0.0, 1.0, 0.25, 0.5], [1.0, 2.0, 4.0, -2.0], [5.0, 6.0, 8.0, 2.0]);
    assert_eq!(convex_combination(backend, [&beta, &s, &u]), [5.0, 2.0, 7.0, 0.0]);
    let grads = convex_combination_grad(backend, [&beta, &s, &u], &[1.0, 2.0, 4.0, 8.0]);
    assert_eq!(grads, [vec![-4.0, -8.0, -16.0, -32.0], vec![0.0, 2.0, 1.0, 4.0], vec![1.0, 0.0, 3.0, 4.0]]);

    // One channel. The features are (3, 1, 4), so h = 3 - 2 + 4 - 1 = 4. The input of σ is 0, so β = ½ and y = 2.
    let spec = CcmSpec { rows: 1, c: 1 };
    let weights = [vec![1.0, -2.0, 1.0], vec![-1.0], vec![0.5], vec![-2.0]];
    let [w_mix, b_mix, w_gate, b_gate] = weights;
    let operands = [vec![3.0], vec![1.0], w_mix, b_mix, w_gate, b_gate, vec![1.0]];
    let close = |found: &[Vec<f64>], expected: &[&[f64]]| {
        found.iter().zip(expected).for_each(|(found, expected)| assert_close("golden", found, expected, tolerance::<B>()));
    };
    close(&forward(backend, &spec, &operands), &[&[4.0], &[0.5], &[2.0]]);
    // dβ = s - u = 2. Before the sigmoid it is ¼ · 2 = ½, so dh = ¼. The ELU has slope 1. The gradient of the features is ¼ (1,
    // -2, 1), and (s-u)² adds ± 2·2·¼.
    let expected: [&[f64]; 6] = [&[1.75], &[-1.0], &[0.75, 0.25, 1.0], &[0.25], &[2.0], &[0.5]];
    close(&backward(backend, &spec, &operands), &expected);
}

/// y is between s and u exactly, in the arithmetic of the backend, also for s = u, neighbouring floats and mixed magnitudes.
fn stays_between_s_and_u<B: Backend>(backend: &B) {
    let len = 10_000;
    let round = |values: Vec<f64>| values.into_iter().map(|value| B::Elem::of(value).f64()).collect::<Vec<_>>();
    // Values that use all bits of an f64, so that products are rounded in f64 too.
    let fine = |index: u32, low: f32, high: f32| {
        let coarse = random_between(index, len, low, high).into_iter();
        round(coarse.zip(random(index + 1, len)).map(|(coarse, fine)| coarse * (1.0 - 1e-9 * fine.abs())).collect())
    };
    let mut beta = fine(0, 0.0, 1.0);
    beta.iter_mut().step_by(7).for_each(|beta| *beta = 1.0);
    beta.iter_mut().step_by(11).for_each(|beta| *beta = 0.0);
    let s = fine(2, -100.0, 100.0);
    let step = B::Elem::epsilon().f64();
    let near = |i: usize, s: f64| match i % 4 {
        0 => s,
        1 => s * (1.0 + step),
        2 => s * 1e-6,
        _ => -s,
    };
    let u = round(s.iter().enumerate().map(|(i, &s)| near(i, s)).collect());
    for (i, y) in convex_combination(backend, [&beta, &s, &u]).into_iter().enumerate() {
        let (low, high) = (s[i].min(u[i]), s[i].max(u[i]));
        assert!((low..=high).contains(&y), "{y:e} is outside [{low:e}, {high:e}] for beta {}", beta[i]);
    }
}

fn module_agrees_with_definition<B: Backend>(backend: &B) {
    for case in CASES {
        let (spec, operands) = operands(case);
        let [s, u, w_mix, b_mix, w_gate, b_gate, _] = &operands;
        let mut expected = [vec![], vec![], vec![]];
        for (s, u) in s.chunks(case[1]).zip(u.chunks(case[1])) {
            let squares: Vec<f64> = s.iter().zip(u).map(|(s, u)| (s - u).powi(2)).collect();
            let mixture = [s, u, &squares].concat();
            let z = w_mix.chunks(mixture.len()).zip(b_mix).map(|(w, b)| dot(w, &mixture) + b);
            let h: Vec<f64> = z.map(|z| if z > 0.0 { z } else { z.exp() - 1.0 }).collect();
            let z = w_gate.chunks(h.len()).zip(b_gate).map(|(w, b)| dot(w, &h) + b);
            let beta: Vec<f64> = z.map(|z| 1.0 / (1.0 + (-z).exp())).collect();
            expected[2].extend(beta.iter().zip(s.iter().zip(u)).map(|(beta, (s, u))| u + beta * (s - u)));
            expected[0].extend(h);
            expected[1].extend(beta);
        }
        let [_, _, y] = forward(backend, &spec, &operands);
        assert_eq!(forward_without_saving(backend, &spec, &operands), y, "y differs if h and β are not saved");
        for (what, (found, expected)) in ["h", "beta", "y"].iter().zip(forward(backend, &spec, &operands).iter().zip(&expected)) {
            assert_close(what, found, expected, tolerance::<B>());
        }
    }
}

fn gradients_agree_with_oracle<B: Backend>(backend: &B) {
    for case in CASES {
        let (spec, operands) = operands(case);
        let (found, expected) = (backward(backend, &spec, &operands), backward(&oracle(), &spec, &operands));
        for (what, (found, expected)) in SEVEN.iter().zip(found.iter().zip(&expected)) {
            assert_close(&format!("d{what}"), found, expected, tolerance::<B>());
        }
        let beta = random_between(9, operands[0].len(), 0.0, 1.0);
        let ends = [&beta[..], &operands[0], &operands[1]];
        let found = convex_combination_grad(backend, ends, &operands[6]);
        for (found, expected) in found.iter().zip(&convex_combination_grad(&oracle(), ends, &operands[6])) {
            assert_close("convex combination gradient", found, expected, tolerance::<B>());
        }
    }
}

#[test]
fn convex_combination_grad_is_the_derivative() {
    let len = 3 * 17;
    let (beta, s, u, dy) = (random_between(0, len, 0.1, 0.9), random(1, len), random(2, len), random(3, len));
    let found = convex_combination_grad(&oracle(), [&beta, &s, &u], &dy);
    for (which, found) in found.iter().enumerate() {
        let differences = central_differences([&beta, &s, &u][which], |changed| {
            let mut operands = [&beta[..], &s, &u];
            operands[which] = changed;
            dot(&convex_combination(&oracle(), operands), &dy)
        });
        assert_close("convex combination", found, &differences, 1e-8);
    }
}

#[test]
fn ccm_grad_is_the_derivative_in_all_six_operands() {
    let (spec, operands) = operands([7, 3]);
    for (which, found) in backward(&oracle(), &spec, &operands).iter().enumerate() {
        let differences = central_differences(&operands[which], |changed| {
            let mut operands = operands.clone();
            operands[which] = changed.to_vec();
            let [_, _, y] = forward(&oracle(), &spec, &operands);
            dot(&y, &operands[6])
        });
        assert_close(SEVEN[which], found, &differences, 1e-8);
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    check_short_operands_are_rejected(backend, [7, 7, 7, 7], |[beta, s, u, y]| backend.run(Ccm::Combination { beta, s, u, y }));
    check_short_operands_are_rejected(backend, [7; 7], |[beta, s, u, dy, dbeta, ds, du]| {
        backend.run(Ccm::CombinationGrad { beta, s, u, dy, d_beta: dbeta, ds, du })
    });
    let spec = CcmSpec { rows: 3, c: 2 };
    check_short_operands_are_rejected(backend, [6, 6, 12, 2, 4, 2, 6, 6, 6], |operands| {
        let [s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y] = operands;
        let weights = CcmWeights::from([&*w_mix, &*b_mix, &*w_gate, &*b_gate]);
        backend.run(Ccm::Forward { spec: &spec, s, u, weights, saved: Some([h, beta]), y })
    });
    // The backward pass does not read the biases.
    let [b_mix, b_gate] = [2, 2].map(|len| backend.zeros(len).unwrap());
    check_short_operands_are_rejected(backend, [6, 6, 12, 4, 6, 6, 6, 6, 6, 12, 2, 4, 2], |operands| {
        let [s, u, w_mix, w_gate, h, beta, dy, ds, du, dw_mix, db_mix, dw_gate, db_gate] = operands;
        let weights = CcmWeights::from([&*w_mix, &b_mix, &*w_gate, &b_gate]);
        let weight_grads = CcmWeights::from([dw_mix, db_mix, dw_gate, db_gate]);
        backend.run(Ccm::Grad { spec: &spec, s, u, weights, saved: [h, beta], dy, ds, du, slopes: [None, None], weight_grads })
    });
}

fn ccm_inputs() -> [ArrayD<f64>; 6] {
    let c = 3;
    [&[2, 2, 3, c][..], &[2, 2, 3, c], &[c, 1, 1, 3 * c], &[c], &[c, 1, 1, c], &[c]]
        .map(|shape| random_array(shape, shape.len() as u32 + shape[0] as u32 * 7))
}

fn ccm_vars(v: &[Var]) -> CcmVars {
    CcmVars { w_mix: v[2], b_mix: v[3], w_gate: v[4], b_gate: v[5] }
}

#[test]
fn gradients_agree_with_differences() {
    check_gradients("ccm", &ccm_inputs(), |tape, v| tape.ccm(v[0], v[1], ccm_vars(v)));
    check_gradients("ccm composed", &ccm_inputs(), |tape, v| tape.ccm_composed(v[0], v[1], ccm_vars(v)));
    check_gradients("ccm of one input twice", &ccm_inputs(), |tape, v| tape.ccm(v[0], v[0], ccm_vars(v)));
    let three = [random_array(&[4, 3], 0), random_array(&[4, 3], 1), random_array(&[4, 3], 2)];
    check_gradients("convex combination", &three, |tape, v| {
        let beta = tape.activation(v[0], Activation::Sigmoid)?;
        tape.convex_combination(beta, v[1], v[2])
    });
}

#[test]
fn fused_ccm_equals_its_composition() {
    let backend = oracle();
    let mut tape = Tape::new(backend);
    let inputs = ccm_inputs().map(|input| tape.variable(Tensor::from_array(&backend, &input).unwrap()));
    let fused = tape.ccm(inputs[0], inputs[1], ccm_vars(&inputs)).unwrap();
    let composed = tape.ccm_composed(inputs[0], inputs[1], ccm_vars(&inputs)).unwrap();
    for (a, b) in tape.host(fused).unwrap().iter().zip(tape.host(composed).unwrap()) {
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }
}

fn every_call<B: Engine>(cuda: &B, rows: usize, c: usize) -> Result<Vec<f32>> {
    let spec = CcmSpec { rows: rows as u32, c: c as u32 };
    let mut bench = Bench::new(cuda);
    let extents = [1, 1, rows, c];
    let [s, u, dy] = [bench.draw_image(&extents)?, bench.draw_image(&extents)?, bench.draw_image(&extents)?];
    let [w_mix, b_mix] = [bench.draw(3 * c * c)?, bench.draw(c)?];
    let [w_gate, b_gate] = [bench.draw(c * c)?, bench.draw(c)?];
    let weights = CcmWeights::from([&w_mix, &b_mix, &w_gate, &b_gate]);
    let empty = || cuda.alloc_activation(&shape(&extents));
    let [mut h, mut beta, mut y] = [empty()?, empty()?, empty()?];
    cuda.run(Ccm::Forward { spec: &spec, s: &s, u: &u, weights, saved: Some([&mut h, &mut beta]), y: &mut y })?;
    let [mut ds, mut du] = [cuda.gradient_of(&s)?, cuda.gradient_of(&u)?];
    let [mut dw_mix, mut db_mix] = [cuda.zeros(3 * c * c)?, cuda.zeros(c)?];
    let [mut dw_gate, mut db_gate] = [cuda.zeros(c * c)?, cuda.zeros(c)?];
    let weight_grads = CcmWeights::from([&mut dw_mix, &mut db_mix, &mut dw_gate, &mut db_gate]);
    let saved = [&h, &beta];
    cuda.run(Ccm::Grad {
        spec: &spec,
        s: &s,
        u: &u,
        weights,
        saved,
        dy: &dy,
        ds: &mut ds,
        du: &mut du,
        slopes: [None, Some(Slope { activation: Activation::Elu, y: &u })],
        weight_grads,
    })?;
    let mut combined = cuda.alloc(rows * c)?;
    cuda.run(Ccm::Combination { beta: &beta, s: &s, u: &u, y: &mut combined })?;
    let mut dbeta = cuda.zeros(rows * c)?;
    cuda.run(Ccm::CombinationGrad { beta: &beta, s: &s, u: &u, dy: &dy, d_beta: &mut dbeta, ds: &mut ds, du: &mut du })?;
    bench.keep(&[&h, &beta, &y, &ds, &du, &dw_mix, &db_mix, &dw_gate, &db_gate, &combined, &dbeta])?;
    Ok(bench.found)
}
