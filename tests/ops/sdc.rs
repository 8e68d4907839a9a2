use orthoscope::Result;
use orthoscope::backend::Slope;
use orthoscope::ops::{Backend, Pointwise, Sdc, SdcSpec};
use orthoscope::shape::Activation;

use super::common::*;
use super::conv2d::by_definition;

on_every_backend!(agrees_with_concatenated_convolutions, adjoint_and_oracle, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[
    exercise!("sdc, bf16", Bf16, |cuda| every_call(cuda, [1, 9, 11, 40], 72)),
    exercise!("sdc", Tiled, |cuda| every_call(cuda, [1, 9, 11, 5], 4)),
    exercise!("sdc, naive", Naive, |cuda| every_call(cuda, [1, 9, 11, 5], 4)),
];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&SdcSpec::new(&shape(&[2, 9, 11, 5]), &[shape(&[4, 3, 3, 5]); 3], &[1, 2, 8], Activation::Elu).unwrap())
}

const BRANCHES: usize = 6;
/// The dilations of the networks. 16 and 32 are larger than the feature maps here, so that whole taps are outside.
const DILATIONS: [usize; BRANCHES] = [1, 2, 4, 8, 16, 32];

struct Operands {
    spec: SdcSpec,
    x: Vec<f64>,
    w: Vec<Vec<f64>>,
    b: Vec<Vec<f64>>,
    dz: Vec<f64>,
}

impl Operands {
    fn random(x: &[usize; 4], c_out: usize, activation: Activation) -> Self {
        let weight = shape(&[c_out, 3, 3, x[3]]);
        let spec = SdcSpec::new(&shape(x), &[weight; BRANCHES], &DILATIONS, activation).unwrap();
        let each = |first: u32, len: usize| (first..first + BRANCHES as u32).map(|index| random(index, len)).collect();
        Self {
            spec,
            x: random(0, shape(x).len()),
            w: each(10, weight.len()),
            b: each(20, c_out),
            dz: random(1, spec.output().unwrap().len()),
        }
    }

    fn all() -> [Self; 6] {
        [
            Self::random(&[3, 9, 11, 5], 3, Activation::Identity),
            Self::random(&[1, 3, 35, 2], 5, Activation::Identity),
            Self::random(&[2, 8, 8, 8], 8, Activation::Identity),
            // More channels than a tile of 64.
            Self::random(&[1, 7, 6, 70], 67, Activation::Identity),
            // Tiles that cover part of a row, and whole steps of one tap: dilations of 4 and 8 reach only partly into some tiles.
            Self::random(&[1, 9, 13, 16], 16, Activation::Identity),
            Self::random(&[2, 37, 5, 16], 16, Activation::Identity),
        ]
    }
}

fn forward<B: Backend>(backend: &B, operands: &Operands, x: &[f64], b: &[Vec<f64>]) -> Vec<f64> {
    let x = upload(backend, x);
    let [w, b] = [&operands.w[..], b].map(|buffers| buffers.iter().map(|host| upload(backend, host)).collect::<Vec<_>>());
    let (w, b): (Vec<_>, Vec<_>) = (w.iter().collect(), b.iter().collect());
    let [y] = overwritten(backend, [operands.dz.len()], |[y]| {
        backend.run(Sdc::Forward { spec: &operands.spec, x: &x, w: &w, b: &b, y })
    });
    y
}

/// `[dx]`, and dw of each branch followed by db of each branch.
fn gradients<B: Backend>(backend: &B, operands: &Operands) -> ([Vec<f64>; 1], [Vec<f64>; 2 * BRANCHES]) {
    let (x, dz) = (upload(backend, &operands.x), upload(backend, &operands.dz));
    let w: Vec<_> = operands.w.iter().map(|w| upload(backend, w)).collect();
    let w: Vec<_> = w.iter().collect();
    let dx = accumulated(backend, [operands.x.len()], |[dx]| {
        backend.run(Sdc::InputGrad { spec: &operands.spec, dz: &dz, w: &w, dx, slope: None })
    });
    let lengths: [usize; 2 * BRANCHES] =
        std::array::from_fn(|k| if k < BRANCHES { operands.w[k].len() } else { operands.b[k - BRANCHES].len() });
    let weights = accumulated(backend, lengths, |grads| {
        let (dw, db) = grads.split_at_mut(BRANCHES);
        backend.run(Sdc::WeightGrad { spec: &operands.spec, x: &x, dz: &dz, dw, db })
    });
    (dx, weights)
}

fn agrees_with_concatenated_convolutions<B: Backend>(backend: &B) {
    for operands in Operands::all().into_iter().chain([Operands::random(&[1, 5, 4, 3], 2, Activation::Elu)]) {
        let Operands { spec, x, w, b, .. } = &operands;
        let branches: Vec<_> = (0..BRANCHES).map(|k| by_definition(&spec.branch(k), x, &w[k], &b[k])).collect();
        let rows = branches[0].len() / b[0].len();
        let joined: Vec<f64> = (0..rows)
            .flat_map(|row| branches.iter().flat_map(move |branch| branch.chunks(branch.len() / rows).nth(row).unwrap().to_vec()))
            .collect();
        let z = upload(&oracle(), &joined);
        let [expected] = overwritten(&oracle(), [z.len()], |[y]| {
            oracle().run(Pointwise::Activation { activation: spec.activation, x: &z, y })
        });
        assert_close("y", &forward(backend, &operands, x, b), &expected, tolerance::<B>());
    }
}

fn adjoint_and_oracle<B: Backend>(backend: &B) {
    for operands in Operands::all() {
        let Operands { x, w, b, dz, .. } = &operands;
        let tolerance = tolerance::<B>();
        let no_bias = vec![vec![0.0; b[0].len()]; BRANCHES];
        let y = forward(backend, &operands, x, &no_bias);
        let ([dx], weights) = gradients(backend, &operands);
        assert_adjoint("sdc in x", (&y, dz), (x, &dx), tolerance);
        assert_adjoint("sdc in w", (&y, dz), (&w.concat(), &weights[..BRANCHES].concat()), tolerance);
        let bias_only = forward(backend, &operands, &vec![0.0; x.len()], b);
        assert_adjoint("sdc in b", (&bias_only, dz), (&b.concat(), &weights[BRANCHES..].concat()), tolerance);

        let ([expected_dx], expected_weights) = gradients(&oracle(), &operands);
        assert_close("dx", &dx, &expected_dx, tolerance);
        for (k, (found, expected)) in weights.iter().zip(&expected_weights).enumerate() {
            assert_close(&format!("weight gradient {k}"), found, expected, tolerance);
        }
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let (x, weight) = (shape(&[1, 5, 6, 2]), shape(&[4, 3, 3, 2]));
    let spec = SdcSpec::new(&x, &[weight], &[2], Activation::Elu).unwrap();
    check_short_operands_are_rejected(backend, [60, 72, 4, 120], |[x, w, b, y]| {
        backend.run(Sdc::Forward { spec: &spec, x, w: &[w], b: &[b], y })
    });
    check_short_operands_are_rejected(backend, [120, 72, 60], |[dz, w, dx]| {
        backend.run(Sdc::InputGrad { spec: &spec, dz, w: &[w], dx, slope: None })
    });
    check_short_operands_are_rejected(backend, [72, 4, 60, 120], |operands| {
        let (weights, data) = operands.split_at_mut(2);
        let (dw, db) = weights.split_at_mut(1);
        backend.run(Sdc::WeightGrad { spec: &spec, x: &data[0], dz: &data[1], dw, db })
    });
    let [x, mut y] = [60, 120].map(|len| backend.zeros(len).unwrap());
    assert!(backend.run(Sdc::Forward { spec: &spec, x: &x, w: &[], b: &[], y: &mut y }).is_err(), "no branches given");
}

#[test]
fn gradients_agree_with_differences() {
    let inputs: Vec<_> = std::iter::once(random_array(&[2, 5, 6, 2], 0))
        .chain((1..4).map(|branch| random_array(&[2, 3, 3, 2], branch)))
        .chain((4..7).map(|branch| random_array(&[2], branch)))
        .collect();
    check_gradients("sdc", &inputs, |tape, v| tape.sdc(v[0], &v[1..4], &v[4..7], &[1, 2, 8], Activation::Elu));
}

fn every_call<B: Engine>(cuda: &B, extents: [usize; 4], c_out: usize) -> Result<Vec<f32>> {
    let dilations = [1, 2, 8];
    let weight = shape(&[c_out, 3, 3, extents[3]]);
    let spec = SdcSpec::new(&shape(&extents), &[weight; 3], &dilations, Activation::Elu)?;
    let mut bench = Bench::new(cuda);
    let (x, dz) = (bench.draw_image(&extents)?, bench.draw_image(spec.output()?.dims())?);
    let w = [bench.draw(weight.len())?, bench.draw(weight.len())?, bench.draw(weight.len())?];
    let b = [bench.draw(c_out)?, bench.draw(c_out)?, bench.draw(c_out)?];
    let (mut y, mut dx) = (cuda.alloc_activation(&spec.output()?)?, cuda.gradient_of(&x)?);
    let mut dw = [cuda.zeros(weight.len())?, cuda.zeros(weight.len())?, cuda.zeros(weight.len())?];
    let mut db = [cuda.zeros(c_out)?, cuda.zeros(c_out)?, cuda.zeros(c_out)?];
    cuda.run(Sdc::Forward { spec: &spec, x: &x, w: &w.each_ref(), b: &b.each_ref(), y: &mut y })?;
    cuda.run(Sdc::InputGrad { spec: &spec, dz: &dz, w: &w.each_ref(), dx: &mut dx, slope: None })?;
    let slope = Some(Slope { activation: Activation::Elu, y: &x });
    cuda.run(Sdc::InputGrad { spec: &spec, dz: &dz, w: &w.each_ref(), dx: &mut dx, slope })?;
    cuda.run(Sdc::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: &mut db })?;
    bench.keep(&[&y, &dx, &dw[0], &dw[1], &dw[2], &db[0], &db[1], &db[2]])?;
    Ok(bench.found)
}
