use orthoscope::Result;
use orthoscope::ops::{Backend, Linear, LinearSpec, Pointwise};
use orthoscope::shape::Activation;

use super::common::*;

on_every_backend!(golden_numbers, agrees_with_definition, adjoint_and_oracle, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[exercise!("linear", Tiled, every_call), exercise!("linear, naive", Naive, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&LinearSpec { rows: 150, c_in: 37, c_out: 67, activation: Activation::Elu })
}

/// Rows, input and output features: irregular sizes, a single one of each, powers of two.
const CASES: [[usize; 3]; 5] = [[23, 5, 17], [1, 37, 3], [19, 1, 1], [1, 1, 29], [16, 32, 64]];

struct Operands {
    spec: LinearSpec,
    x: Vec<f64>,
    w: Vec<f64>,
    b: Vec<f64>,
    dz: Vec<f64>,
}

impl Operands {
    fn random([rows, c_in, c_out]: [usize; 3], activation: Activation) -> Self {
        let (x, w) = (shape(&[rows, c_in]), shape(&[c_out, c_in]));
        let spec = LinearSpec::new(&x, &w, Some(&shape(&[c_out])), activation).unwrap();
        Self { spec, x: random(0, x.len()), w: random(1, w.len()), b: random(2, c_out), dz: random(3, rows * c_out) }
    }
}

fn forward<B: Backend>(backend: &B, spec: &LinearSpec, x: &[f64], w: &[f64], b: Option<&[f64]>) -> Vec<f64> {
    let (x, w, b) = (upload(backend, x), upload(backend, w), b.map(|b| upload(backend, b)));
    let len = (spec.rows * spec.c_out) as usize;
    let [y] = overwritten(backend, [len], |[y]| backend.run(Linear::Forward { spec, x: &x, w: &w, b: b.as_ref(), y }));
    y
}

/// `[dx, dw, db]`.
fn gradients<B: Backend>(backend: &B, operands: &Operands) -> [Vec<f64>; 3] {
    let spec = &operands.spec;
    let (x, w, dz) = (upload(backend, &operands.x), upload(backend, &operands.w), upload(backend, &operands.dz));
    let lengths = [operands.w.len(), operands.b.len()];
    let [dx] = accumulated(backend, [operands.x.len()], |[dx]| backend.run(Linear::InputGrad { spec, dz: &dz, w: &w, dx }));
    let [dw, db] =
        accumulated(backend, lengths, |[dw, db]| backend.run(Linear::WeightGrad { spec, x: &x, dz: &dz, dw, db: Some(db) }));
    let [alone] =
        accumulated(backend, [operands.w.len()], |[dw]| backend.run(Linear::WeightGrad { spec, x: &x, dz: &dz, dw, db: None }));
    assert_eq!(alone, dw, "dw depends on whether db is computed");
    [dx, dw, db]
}

fn golden_numbers<B: Backend>(backend: &B) {
    let spec = LinearSpec { rows: 2, c_in: 2, c_out: 3, activation: Activation::Identity };
    let (x, w, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0, 10.0, 100.0], [0.5, 0.25, -1.0]);
    assert_eq!(forward(backend, &spec, &x, &w, Some(&b)), [1.5, 2.25, 209.0, 3.5, 4.25, 429.0]);
    assert_eq!(forward(backend, &spec, &x, &w, None), [1.0, 2.0, 210.0, 3.0, 4.0, 430.0]);
}

fn agrees_with_definition<B: Backend>(backend: &B) {
    for (case, activation) in CASES.into_iter().zip(ACTIVATIONS) {
        let Operands { spec, x, w, b, .. } = Operands::random(case, activation);
        let row = |x: &[f64]| w.chunks(case[1]).zip(&b).map(|(w, b)| dot(x, w) + b).collect::<Vec<_>>();
        let z: Vec<f64> = x.chunks(case[1]).flat_map(row).collect();
        let [expected] = overwritten(&oracle(), [z.len()], |[y]| oracle().run(Pointwise::Activation { activation, x: &z, y }));
        assert_close("y", &forward(backend, &spec, &x, &w, Some(&b)), &expected, tolerance::<B>());
    }
}

fn adjoint_and_oracle<B: Backend>(backend: &B) {
    for case in CASES {
        let operands = Operands::random(case, Activation::Identity);
        let Operands { spec, x, w, b, dz } = &operands;
        let tolerance = tolerance::<B>();
        let y = forward(backend, spec, x, w, None);
        let [dx, dw, db] = gradients(backend, &operands);
        assert_adjoint("linear in x", (&y, dz), (x, &dx), tolerance);
        assert_adjoint("linear in w", (&y, dz), (w, &dw), tolerance);
        let bias_only = forward(backend, spec, &vec![0.0; x.len()], w, Some(b));
        assert_adjoint("linear in b", (&bias_only, dz), (b, &db), tolerance);
        for (found, expected) in [dx, dw, db].iter().zip(&gradients(&oracle(), &operands)) {
            assert_close("gradient", found, expected, tolerance);
        }
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = LinearSpec { rows: 3, c_in: 5, c_out: 4, activation: Activation::Identity };
    check_short_operands_are_rejected(backend, [15, 20, 4, 12], |[x, w, b, y]| {
        backend.run(Linear::Forward { spec: &spec, x, w, b: Some(b), y })
    });
    check_short_operands_are_rejected(backend, [12, 20, 15], |[dz, w, dx]| {
        backend.run(Linear::InputGrad { spec: &spec, dz, w, dx })
    });
    check_short_operands_are_rejected(backend, [15, 12, 20, 4], |[x, dz, dw, db]| {
        backend.run(Linear::WeightGrad { spec: &spec, x, dz, dw, db: Some(db) })
    });
}

#[test]
fn gradients_agree_with_differences() {
    let inputs = [random_array(&[3, 4], 0), random_array(&[5, 4], 1), random_array(&[5], 2)];
    check_gradients("linear", &inputs, |tape, v| tape.linear(v[0], v[1], Some(v[2]), Activation::Softplus));
    check_gradients("linear without bias", &inputs[..2], |tape, v| tape.linear(v[0], v[1], None, Activation::Identity));
}

#[test]
fn values_and_gradients_agree_with_torch() {
    agrees_with_torch("linear", TORCH_TOLERANCE, |tape, v| tape.linear(v["x"], v["w"], Some(v["b"]), Activation::Tanh).unwrap());
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = LinearSpec { rows: 150, c_in: 37, c_out: 67, activation: Activation::Tanh };
    let [rows, c_in, c_out] = [150, 37, 67];
    let mut bench = Bench::new(cuda);
    let [x, w, b] = [bench.draw(rows * c_in)?, bench.draw(c_out * c_in)?, bench.draw(c_out)?];
    let dz = bench.draw(rows * c_out)?;
    let (mut y, mut dx) = (cuda.alloc(rows * c_out)?, cuda.zeros(rows * c_in)?);
    let (mut dw, mut db) = (cuda.zeros(c_out * c_in)?, cuda.zeros(c_out)?);
    cuda.run(Linear::Forward { spec: &spec, x: &x, w: &w, b: Some(&b), y: &mut y })?;
    cuda.run(Linear::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx })?;
    cuda.run(Linear::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: Some(&mut db) })?;
    bench.keep(&[&y, &dx, &dw, &db])?;
    Ok(bench.found)
}
