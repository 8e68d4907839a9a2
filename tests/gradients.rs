//! Gradients and tangents of whole networks and of the tape itself; those of single operations are in `ops/`.

use orthoscope::backend::Reference;
use orthoscope::model::{Architecture, Autoencoder, Parameters};
use orthoscope::ops::{Conv2dOptions, gradcheck};
use orthoscope::shape::{Activation, Shape};
use orthoscope::tape::{Tape, Tensor};

#[path = "fixture/gradients.rs"]
mod fixture;

use fixture::{check_gradients, random_array};

type F64 = Reference<f64>;

#[test]
fn gradients_of_an_input_of_two_branches_accumulate() {
    check_gradients("x*x + x", &[random_array(&[4], 0)], |tape, v| {
        let square = tape.mul(v[0], v[0])?;
        tape.add(square, v[0])
    });
    check_gradients("concat(x, x)", &[random_array(&[3, 2], 0)], |tape, v| tape.concat(&[v[0], v[0]]));
    check_gradients(
        "conv(x) + sdc(x)",
        &[random_array(&[1, 4, 5, 2], 0), random_array(&[2, 3, 3, 2], 1), random_array(&[2], 2)],
        |tape, v| {
            let conv = tape.conv2d(v[0], v[1], Some(v[2]), Conv2dOptions::same(3, 1, Activation::Tanh))?;
            let sdc = tape.sdc(v[0], &[v[1]], &[v[2]], &[2], Activation::Sigmoid)?;
            tape.add(conv, sdc)
        },
    );
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
        check_gradients(&format!("model {model}"), &[random_array(&[1, 8, 8, 3], 0)], |tape, v| {
            let bound = parameters.bind(tape, false);
            parameters.forward(tape, &bound, v[0])
        });
    }
    let mlp = Parameters::initialise(&F64::default(), &Architecture::mlp(4, &[6, 5]).unwrap(), 5).unwrap();
    check_gradients("mlp", &[random_array(&[3, 4], 0)], |tape, v| {
        let bound = mlp.bind(tape, false);
        mlp.forward(tape, &bound, v[0])
    });
}

/// RCAE: `‖J v‖²` is an ordinary scalar node, and its gradient with respect to the weights is exact.
#[test]
fn squared_jacobian_vector_product_differentiates_exactly() {
    let (n, hidden) = (3, 4);
    let inputs =
        [random_array(&[2, n], 0), random_array(&[hidden, n], 1), random_array(&[hidden], 2), random_array(&[n, hidden], 3)];
    check_gradients("‖J v‖²", &inputs, |tape, v| {
        let h = tape.linear(v[0], v[1], Some(v[2]), Activation::Elu)?;
        let y = tape.linear(h, v[3], None, Activation::Identity)?;
        let direction = Tensor::from_array(&F64::default(), &random_array(&[2, n], 9))?;
        let direction = tape.constant(direction);
        let jv = tape.tangent(y, &[(v[0], direction)])?;
        tape.square_norm(jv)
    });
}

#[test]
fn a_wrong_adjoint_is_detected() {
    // x ⊙ constant(x): the value is x², but the recorded gradient is only x.
    let wrong = gradcheck(&F64::default(), &[random_array(&[4], 0)], 1e-5, |tape, v| {
        let copy = tape.value(v[0]).clone();
        let copy = tape.constant(copy);
        tape.mul(v[0], copy)
    });
    assert!(wrong.unwrap().backward > 0.1);
}
