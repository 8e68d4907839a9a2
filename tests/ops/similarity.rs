//! Similarity of two images: SSIM and gradient magnitude similarity, and the losses made of them.

use ndarray::ArrayD;
use orthoscope::Result;
use orthoscope::backend::Real;
use orthoscope::ops::Backend;
use orthoscope::tape::{Tape, Tensor, Var};

use super::common::*;

on_every_backend!(equal_images_have_no_loss, an_edge_and_a_flat_image, losses_agree_with_the_oracle);

type Loss<B> = fn(&mut Tape<B>, Var, Var) -> Result<Var>;

fn losses<B: Backend>() -> [(&'static str, Loss<B>); 2] {
    [("ssim", |tape, a, b| tape.ssim_loss(a, b, 11)), ("gradient", |tape, a, b| tape.gradient_loss(a, b, 3))]
}

fn variable<B: Backend>(tape: &mut Tape<B>, extents: &[usize], values: &[f64]) -> Var {
    let tensor = Tensor::from_f64(tape.backend(), shape(extents), values).unwrap();
    tape.variable(tensor)
}

/// The loss of two images, and its gradients.
fn evaluate<B: Backend>(backend: &B, loss: Loss<B>, extents: &[usize], [a, b]: [&[f64]; 2]) -> (f64, [Vec<f64>; 2]) {
    let mut tape = Tape::new(backend.clone());
    let vars = [a, b].map(|values| variable(&mut tape, extents, values));
    let value = loss(&mut tape, vars[0], vars[1]).unwrap();
    let gradients = tape.backward(value).unwrap();
    let wide = |values: Vec<B::Elem>| values.into_iter().map(Real::f64).collect::<Vec<_>>();
    (tape.host(value).unwrap()[0].f64(), vars.map(|var| wide(gradients.host(var).unwrap())))
}

fn equal_images_have_no_loss<B: Backend>(backend: &B) {
    let a = random_between(0, 2 * 9 * 13 * 3, 0.0, 1.0);
    for (name, loss) in losses::<B>() {
        let (value, gradients) = evaluate(backend, loss, &[2, 9, 13, 3], [&a, &a]);
        assert!(value.abs() < 1e-5, "{name}: {value}");
        // A minimum in each argument.
        assert!(gradients.iter().flatten().all(|slope| slope.abs() < 1e-5), "{name}: {gradients:?}");
    }
}

/// By hand: at the edge g = 0.5, elsewhere and in the flat image g = 0, up to the 10⁻⁶ inside the root.
fn an_edge_and_a_flat_image<B: Backend>(backend: &B) {
    let edge: Vec<f64> = (0..64).map(|index| if index % 8 < 4 { 0.0 } else { 0.5 }).collect();
    let mut tape = Tape::new(backend.clone());
    let [a, b] = [&edge[..], &[0.25; 64]].map(|values| variable(&mut tape, &[1, 8, 8, 1], values));
    let map = tape.gradient_similarity(a, b).unwrap();
    let found: Vec<f64> = tape.host(map).unwrap().into_iter().map(Real::f64).collect();
    let at_edge = (2.0 * (0.250_001f64 * 1e-6).sqrt() + 0.0026) / (0.250_002 + 0.0026);
    let expected: Vec<f64> = (0..64).map(|index| if [3, 4].contains(&(index % 8)) { at_edge } else { 1.0 }).collect();
    assert_close("similarity", &found, &expected, tolerance::<B>().max(1e-7));
    let loss = tape.gradient_loss(a, b, 1).unwrap();
    let loss = tape.host(loss).unwrap()[0].f64();
    assert!((loss - 0.25 * (1.0 - at_edge)).abs() < tolerance::<B>().max(1e-7), "two of eight columns: {loss}");
}

fn losses_agree_with_the_oracle<B: Backend>(backend: &B) {
    for (extents, scale) in [([2, 17, 23, 3], 1.0), ([1, 4, 9, 1], 0.1), ([3, 1, 5, 2], 1.0)] {
        let len = shape(&extents).len();
        let [a, b] = [0, 1].map(|index| random_between(index, len, 0.0, scale));
        for ((name, loss), (_, exact)) in losses::<B>().into_iter().zip(losses()) {
            let (value, gradients) = evaluate(backend, loss, &extents, [&a, &b]);
            let (wanted, wanted_gradients) = evaluate(&oracle(), exact, &extents, [&a, &b]);
            // Variances are differences of moments near 1, which costs f32 some digits where the images are dark.
            let tolerance = 50.0 * tolerance::<B>();
            assert!((value - wanted).abs() <= tolerance * wanted, "{name} of {extents:?}: {value}, oracle {wanted}");
            for (found, wanted) in gradients.iter().zip(&wanted_gradients) {
                assert_close(&format!("{name} of {extents:?}"), found, wanted, tolerance);
            }
        }
    }
}

fn images(extents: &[usize]) -> [ArrayD<f64>; 2] {
    [0, 1].map(|index| random_array(extents, index).mapv(|value| 0.5 + 0.2 * value))
}

#[test]
fn gradients_agree_with_differences() {
    check_gradients("ssim", &images(&[1, 5, 4, 2]), |tape, v| tape.ssim(v[0], v[1], 5));
    check_gradients("ssim_loss", &images(&[2, 4, 5, 1]), |tape, v| tape.ssim_loss(v[0], v[1], 3));
    check_gradients("gradient_similarity", &images(&[2, 4, 5, 1]), |tape, v| tape.gradient_similarity(v[0], v[1]));
    check_gradients("gradient_loss", &images(&[1, 5, 6, 3]), |tape, v| tape.gradient_loss(v[0], v[1], 2));
}

/// As [`agrees_with_torch`] for stencils and windows: their taps are f32.
#[test]
fn values_and_gradients_agree_with_torch() {
    agrees_with_torch("ssim", 1e-6, |tape, v| tape.ssim(v["a"], v["b"], 7).unwrap());
    agrees_with_torch("ssim_loss", 1e-6, |tape, v| tape.ssim_loss(v["a"], v["b"], 11).unwrap());
    agrees_with_torch("gradient_loss", 1e-6, |tape, v| tape.gradient_loss(v["a"], v["b"], 3).unwrap());
}

#[test]
fn small_images_are_not_halved_and_bad_arguments_are_refused() {
    let [a, b] = [0, 1].map(|index| random_between(index, 27, 0.0, 1.0));
    let one = evaluate(&oracle(), |tape, a, b| tape.gradient_loss(a, b, 1), &[1, 3, 9, 1], [&a, &b]);
    assert_eq!(one, evaluate(&oracle(), |tape, a, b| tape.gradient_loss(a, b, 8), &[1, 3, 9, 1], [&a, &b]));
    let mut tape = Tape::new(oracle());
    let [x, y] = [variable(&mut tape, &[1, 3, 9, 1], &a), variable(&mut tape, &[1, 9, 3, 1], &b)];
    assert!(tape.ssim(x, y, 3).is_err() && tape.gradient_loss(x, y, 1).is_err());
    for window in [1, 4, 33] {
        assert!(tape.ssim(x, x, window).unwrap_err().to_string().contains(&window.to_string()));
    }
    assert!(tape.gradient_loss(x, x, 0).unwrap_err().to_string().contains("at least one scale"));
}
