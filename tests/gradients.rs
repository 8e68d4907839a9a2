//! Gradients, tangents, and gradients of tangents of every tape operation against central differences in f64.

use ndarray::ArrayD;
use orthoscope::backend::Reference;
use orthoscope::error::Result;
use orthoscope::model::{Architecture, Autoencoder, Parameters};
use orthoscope::ops::{CcmVars, Conv2dOptions, GradCheck, Penalty, gradcheck};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::shape::{Activation, Shape};
use orthoscope::tape::{Tape, Tensor, Var};

type F64 = Reference<f64>;

const TOLERANCE: f64 = 2e-7;

/// Random values at least 0.05 away from 0, so that central differences do not straddle the kinks of ELU and max-pool.
fn random(shape: &[usize], index: u32) -> ArrayD<f64> {
    let mut stream = Stream::new(3, Purpose::Test, 1, index);
    let away = |x: f64| if x.abs() < 0.05 { x + 0.1 } else { x };
    ArrayD::from_shape_simple_fn(shape, || away(stream.normal()))
}

fn check(name: &str, inputs: &[ArrayD<f64>], function: impl Fn(&mut Tape<F64>, &[Var]) -> Result<Var>) {
    let GradCheck { backward, tangent, tangent_gradient } = gradcheck(&F64::default(), inputs, 1e-5, function).unwrap();
    assert!(
        backward < TOLERANCE && tangent < TOLERANCE && tangent_gradient < TOLERANCE,
        "{name}: gradient {backward:.1e}, tangent {tangent:.1e}, gradient of the tangent {tangent_gradient:.1e}"
    );
}

#[test]
fn arithmetic() {
    let two = [random(&[3, 5], 0), random(&[3, 5], 1)];
    check("add", &two, |tape, v| tape.add(v[0], v[1]));
    check("sub", &two, |tape, v| tape.sub(v[0], v[1]));
    check("mul", &two, |tape, v| tape.mul(v[0], v[1]));
    check("affine", &two[..1], |tape, v| tape.affine(v[0], -1.5, 0.3));
    check("add_bias", &[random(&[3, 5], 0), random(&[5], 1)], |tape, v| tape.add_bias(v[0], v[1]));
    check("sum", &two[..1], |tape, v| tape.sum(v[0]));
    check("mean", &two[..1], |tape, v| tape.mean(v[0]));
    check("square_norm", &two[..1], |tape, v| tape.square_norm(v[0]));
}

#[test]
fn gradients_of_an_input_of_two_branches_accumulate() {
    check("x*x + x", &[random(&[4], 0)], |tape, v| {
        let square = tape.mul(v[0], v[0])?;
        tape.add(square, v[0])
    });
    check("concat(x, x)", &[random(&[3, 2], 0)], |tape, v| tape.concat(&[v[0], v[0]]));
    check("conv(x) + sdc(x)", &[random(&[1, 4, 5, 2], 0), random(&[2, 3, 3, 2], 1), random(&[2], 2)], |tape, v| {
        let conv = tape.conv2d(v[0], v[1], Some(v[2]), Conv2dOptions::same(3, 1, Activation::Tanh))?;
        let sdc = tape.sdc(v[0], &[v[1]], &[v[2]], &[2], Activation::Sigmoid)?;
        tape.add(conv, sdc)
    });
}

#[test]
fn activations() {
    for activation in [Activation::Identity, Activation::Elu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus] {
        check(&format!("{activation:?}"), &[random(&[30], 0)], |tape, v| tape.activation(v[0], activation));
    }
}

#[test]
fn convolutions() {
    for (kernel, stride, dilation, padding) in
        [(1, 1, 1, 0), (3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 2, 2), (5, 2, 1, 2), (3, 1, 3, 0)]
    {
        let options = Conv2dOptions { stride, dilation, padding, activation: Activation::Elu };
        let inputs = [random(&[2, 7, 8, 3], 0), random(&[2, kernel, kernel, 3], 1), random(&[2], 2)];
        check(&format!("conv{kernel}/{stride}/{dilation}"), &inputs, |tape, v| tape.conv2d(v[0], v[1], Some(v[2]), options));
    }
}

#[test]
fn linear_maps() {
    let inputs = [random(&[3, 4], 0), random(&[5, 4], 1), random(&[5], 2)];
    check("linear", &inputs, |tape, v| tape.linear(v[0], v[1], Some(v[2]), Activation::Softplus));
    check("linear without bias", &inputs[..2], |tape, v| tape.linear(v[0], v[1], None, Activation::Identity));
}

#[test]
fn resampling_and_channels() {
    check("max_pool", &[random(&[2, 5, 7, 3], 0)], |tape, v| tape.max_pool(v[0], 2));
    check("upsample2", &[random(&[2, 3, 4, 3], 0)], |tape, v| tape.upsample2(v[0]));
    check("box_average", &[random(&[2, 5, 6], 0)], |tape, v| tape.box_average(v[0], 3, 2));
    let two = [random(&[1, 4, 5, 2], 0), random(&[1, 4, 5, 2], 1)];
    check("windowed_mean", &two, |tape, v| tape.windowed_mean(v[0], Some(v[1]), 5, 1.5));
    check("windowed mean of one", &two[..1], |tape, v| tape.windowed_mean(v[0], None, 3, 0.8));
    check("windowed second moment", &two[..1], |tape, v| tape.windowed_mean(v[0], Some(v[0]), 3, 0.8));
    check("concat", &[random(&[2, 3], 0), random(&[2, 4], 1)], |tape, v| tape.concat(&[v[0], v[1]]));
    check("slice", &[random(&[2, 2, 2, 5], 0)], |tape, v| tape.slice(v[0], 1, 3));
}

#[test]
fn sdc_block() {
    let inputs: Vec<_> = std::iter::once(random(&[2, 5, 6, 2], 0))
        .chain((1..4).map(|branch| random(&[2, 3, 3, 2], branch)))
        .chain((4..7).map(|branch| random(&[2], branch)))
        .collect();
    check("sdc", &inputs, |tape, v| tape.sdc(v[0], &v[1..4], &v[4..7], &[1, 2, 8], Activation::Elu));
}

fn ccm_inputs() -> [ArrayD<f64>; 6] {
    let c = 3;
    [&[2, 2, 3, c][..], &[2, 2, 3, c], &[c, 1, 1, 3 * c], &[c], &[c, 1, 1, c], &[c]]
        .map(|shape| random(shape, shape.len() as u32 + shape[0] as u32 * 7))
}

fn ccm_vars(v: &[Var]) -> CcmVars {
    CcmVars { w_mix: v[2], b_mix: v[3], w_gate: v[4], b_gate: v[5] }
}

#[test]
fn convex_combination_module() {
    check("ccm", &ccm_inputs(), |tape, v| tape.ccm(v[0], v[1], ccm_vars(v)));
    check("ccm composed", &ccm_inputs(), |tape, v| tape.ccm_composed(v[0], v[1], ccm_vars(v)));
    check("ccm of one input twice", &ccm_inputs(), |tape, v| tape.ccm(v[0], v[0], ccm_vars(v)));
    let three = [random(&[4, 3], 0), random(&[4, 3], 1), random(&[4, 3], 2)];
    check("convex combination", &three, |tape, v| {
        let beta = tape.activation(v[0], Activation::Sigmoid)?;
        tape.convex_combination(beta, v[1], v[2])
    });
}

#[test]
fn fused_ccm_equals_its_composition() {
    let backend = F64::default();
    let mut tape = Tape::new(backend);
    let inputs = ccm_inputs().map(|input| tape.variable(Tensor::from_array(&backend, &input).unwrap()));
    let fused = tape.ccm(inputs[0], inputs[1], ccm_vars(&inputs)).unwrap();
    let composed = tape.ccm_composed(inputs[0], inputs[1], ccm_vars(&inputs)).unwrap();
    for (a, b) in tape.host(fused).unwrap().iter().zip(tape.host(composed).unwrap()) {
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }
}

#[test]
fn objective() {
    for penalty in [Penalty::Squared, Penalty::Charbonnier] {
        check(&format!("{penalty:?}"), &[random(&[2, 3, 4, 3], 0), random(&[2, 3, 4, 3], 1)], |tape, v| {
            let mask: Vec<f64> = (0..24).map(|i| f64::from(u8::from(i % 5 < 2 && i < 12))).collect();
            let mask = Tensor::from_f64(&F64::default(), Shape::new(&[2, 3, 4, 1])?, &mask)?;
            let mask = tape.constant(mask);
            tape.objective(v[0], v[1], mask, penalty, 0.3, 0.2)
        });
    }
}

#[test]
fn a_tangent_of_a_tangent_is_the_second_directional_derivative() {
    let backend = F64::default();
    let mut tape = Tape::new(backend);
    let shape = Shape::new(&[1]).unwrap();
    let x = tape.variable(Tensor::from_f64(&backend, shape, &[0.7]).unwrap());
    let one = tape.constant(Tensor::from_f64(&backend, shape, &[1.0]).unwrap());
    let y = tape.activation(x, Activation::Tanh).unwrap();
    let first = tape.tangent(y, &[(x, one)]).unwrap();
    let second = tape.tangent(first, &[(x, one)]).unwrap();
    let t = 0.7f64.tanh();
    assert!((tape.host(first).unwrap()[0] - (1.0 - t * t)).abs() < 1e-14);
    assert!((tape.host(second).unwrap()[0] + 2.0 * t * (1.0 - t * t)).abs() < 1e-14);
}

#[test]
fn whole_networks_with_respect_to_their_input() {
    for model in [1, 2] {
        let architecture = Architecture::Autoencoder(Autoencoder { model, width: 1, dilations: vec![1, 2] });
        let parameters = Parameters::initialise(&F64::default(), &architecture, 5).unwrap();
        check(&format!("model {model}"), &[random(&[1, 8, 8, 3], 0)], |tape, v| {
            let bound = parameters.bind(tape, false);
            parameters.forward(tape, &bound, v[0])
        });
    }
    let mlp = Parameters::initialise(&F64::default(), &Architecture::mlp(4, &[6, 5]).unwrap(), 5).unwrap();
    check("mlp", &[random(&[3, 4], 0)], |tape, v| {
        let bound = mlp.bind(tape, false);
        mlp.forward(tape, &bound, v[0])
    });
}

/// RCAE: `‖J v‖²` is an ordinary scalar node, and its gradient with respect to the weights is exact.
#[test]
fn squared_jacobian_vector_product_differentiates_exactly() {
    let (n, hidden) = (3, 4);
    let inputs = [random(&[2, n], 0), random(&[hidden, n], 1), random(&[hidden], 2), random(&[n, hidden], 3)];
    check("‖J v‖²", &inputs, |tape, v| {
        let h = tape.linear(v[0], v[1], Some(v[2]), Activation::Elu)?;
        let y = tape.linear(h, v[3], None, Activation::Identity)?;
        let direction = Tensor::from_array(&F64::default(), &random(&[2, n], 9))?;
        let direction = tape.constant(direction);
        let jv = tape.tangent(y, &[(v[0], direction)])?;
        tape.square_norm(jv)
    });
}

#[test]
fn a_wrong_adjoint_is_caught() {
    // x ⊙ constant(x): the value is x², but the recorded gradient is only x.
    let wrong = gradcheck(&F64::default(), &[random(&[4], 0)], 1e-5, |tape, v| {
        let copy = tape.value(v[0]).clone();
        let copy = tape.constant(copy);
        tape.mul(v[0], copy)
    });
    assert!(wrong.unwrap().backward > 0.1);
}
