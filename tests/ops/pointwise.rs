use orthoscope::Result;
use orthoscope::backend::{Real, Reference};
use orthoscope::ops::{Backend, Pointwise};
use orthoscope::shape::Activation;

use super::common::*;

on_every_backend!(golden_numbers, far_arguments, agrees_with_oracle, elu_at_zero, arithmetic, bias, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] =
    &[exercise!("pointwise", Tiled, every_call), exercise!("pointwise, bf16", Bf16, activation_of_an_image)];

const LEN: usize = 3 * 17 * 23 * 5;

fn activation<B: Backend>(backend: &B, activation: Activation, x: &[f64]) -> Vec<f64> {
    let (x, len) = (upload(backend, x), x.len());
    let [y] = overwritten(backend, [len], |[y]| backend.run(Pointwise::Activation { activation, x: &x, y }));
    y
}

fn slope<B: Backend>(backend: &B, activation: Activation, order: u32, y: &[f64]) -> Vec<f64> {
    let (y, len) = (upload(backend, y), y.len());
    let [s] = overwritten(backend, [len], |[s]| backend.run(Pointwise::ActivationSlope { activation, order, y: &y, s }));
    s
}

fn activation_grad<B: Backend>(backend: &B, activation: Activation, y: &[f64], dy: &[f64]) -> Vec<f64> {
    let (y, mut dz) = (upload(backend, y), upload(backend, dy));
    backend.run(Pointwise::ActivationGrad { activation, y: &y, dz: &mut dz }).unwrap();
    download(backend, &dz)
}

fn golden_numbers<B: Backend>(backend: &B) {
    let (x, e) = ([-1.0, 0.0, 2.0], std::f64::consts::E);
    let expected = [
        (Activation::Identity, x),
        (Activation::Elu, [1.0 / e - 1.0, 0.0, 2.0]),
        (Activation::Tanh, [-0.761_594_155_955_764_9, 0.0, 0.964_027_580_075_816_9]),
        (Activation::Sigmoid, [1.0 / (1.0 + e), 0.5, 1.0 / (1.0 + (-2.0_f64).exp())]),
        (Activation::Softplus, [(1.0 + 1.0 / e).ln(), 2.0_f64.ln(), (1.0 + e * e).ln()]),
    ];
    for (kind, expected) in expected {
        assert_close(&format!("{kind:?}"), &activation(backend, kind, &x), &expected, tolerance::<B>());
    }
    // S, S' and S'' at two outputs that the activation can have.
    let (signed, positive) = ([-0.75, 0.25], [0.75, 0.25]);
    let [fast, slow] = [-0.75, -0.25].map(f64::exp);
    let expected = [
        (Activation::Identity, signed, [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]),
        (Activation::Elu, signed, [[0.25, 1.0], [1.0, 0.0], [0.0, 0.0]]),
        (Activation::Tanh, signed, [[0.4375, 0.9375], [1.5, -0.5], [-2.0, -2.0]]),
        (Activation::Sigmoid, positive, [[0.1875, 0.1875], [-0.5, 0.5], [-2.0, -2.0]]),
        (Activation::Softplus, positive, [[1.0 - fast, 1.0 - slow], [fast, slow], [-fast, -slow]]),
    ];
    for (kind, y, orders) in expected {
        for (order, expected) in (0..).zip(orders) {
            let found = slope(backend, kind, order, &y);
            assert_close(&format!("{kind:?} slope of order {order}"), &found, &expected, tolerance::<B>());
        }
    }
}

/// Far from zero, values and slopes saturate without overflow and NaN.
fn far_arguments<B: Backend>(backend: &B) {
    let far = [
        (Activation::Elu, [-1.0, 1000.0], [0.0, 1.0]),
        (Activation::Tanh, [-1.0, 1.0], [0.0, 0.0]),
        (Activation::Sigmoid, [0.0, 1.0], [0.0, 0.0]),
        (Activation::Softplus, [0.0, 1000.0], [0.0, 1.0]),
    ];
    for (kind, values, slopes) in far {
        let y = activation(backend, kind, &[-1000.0, 1000.0]);
        for (found, expected) in y.iter().chain(&slope(backend, kind, 0, &y)).zip(values.iter().chain(&slopes)) {
            let error = (found - expected).abs();
            assert!(error <= tolerance::<B>() * expected.abs().max(1.0), "{kind:?}: {found} instead of {expected}");
        }
    }
}

/// A'(0) = 1: zero belongs to the branch `1 + y`.
fn elu_at_zero<B: Backend>(backend: &B) {
    assert_eq!(activation(backend, Activation::Elu, &[0.0, -0.0]), [0.0, 0.0]);
    assert_eq!(slope(backend, Activation::Elu, 0, &[0.0, -0.0]), [1.0, 1.0]);
    assert_eq!(slope(backend, Activation::Elu, 1, &[0.0, -0.0]), [1.0, 1.0]);
}

fn agrees_with_oracle<B: Backend>(backend: &B) {
    let (x, dy) = (random_between(0, LEN, -8.0, 8.0), random(1, LEN));
    for kind in ACTIVATIONS {
        let close = |what: &str, found: &[f64], expected: &[f64]| {
            assert_close(&format!("{kind:?} {what}"), found, expected, tolerance::<B>());
        };
        close("value", &activation(backend, kind, &x), &activation(&oracle(), kind, &x));
        // Both get the same outputs, so that only the slope is compared.
        let y: Vec<f64> = activation(&oracle(), kind, &x).into_iter().map(|y| f64::from(y as f32)).collect();
        close("gradient", &activation_grad(backend, kind, &y, &dy), &activation_grad(&oracle(), kind, &y, &dy));
        for order in 0..=4 {
            close("slope", &slope(backend, kind, order, &y), &slope(&oracle(), kind, order, &y));
        }
        let product: Vec<f64> = slope(backend, kind, 0, &y).iter().zip(&dy).map(|(slope, dy)| slope * dy).collect();
        close("gradient through the slope", &activation_grad(backend, kind, &y, &dy), &product);
    }
}

fn arithmetic<B: Backend>(backend: &B) {
    let (a, b) = (random(0, LEN), random(1, LEN));
    let (left, right) = (upload(backend, &a), upload(backend, &b));
    let zip = |f: fn(f64, f64) -> f64| a.iter().zip(&b).map(|(&a, &b)| f(a, b)).collect::<Vec<_>>();
    let close = |what: &str, [found]: [Vec<f64>; 1], expected: Vec<f64>| {
        assert_close(what, &found, &expected, tolerance::<B>());
    };
    close("add", overwritten(backend, [LEN], |[y]| backend.run(Pointwise::Add { a: &left, b: &right, y })), zip(|a, b| a + b));
    close("sub", overwritten(backend, [LEN], |[y]| backend.run(Pointwise::Sub { a: &left, b: &right, y })), zip(|a, b| a - b));
    close("mul", overwritten(backend, [LEN], |[y]| backend.run(Pointwise::Mul { a: &left, b: &right, y })), zip(|a, b| a * b));
    let away: Vec<f64> = b.iter().map(|b| b.abs() + 0.5).collect();
    let divisor = upload(backend, &away);
    let quotients = a.iter().zip(&away).map(|(a, b)| a / b).collect();
    close("div", overwritten(backend, [LEN], |[y]| backend.run(Pointwise::Div { a: &left, b: &divisor, y })), quotients);
    let roots = away.iter().map(|x| x.sqrt()).collect();
    close("sqrt", overwritten(backend, [LEN], |[y]| backend.run(Pointwise::Sqrt { x: &divisor, y })), roots);
    close(
        "mul_add",
        accumulated(backend, [LEN], |[y]| backend.run(Pointwise::MulAdd { a: &left, b: &right, y })),
        zip(|a, b| a * b),
    );
    close(
        "affine",
        overwritten(backend, [LEN], |[y]| backend.run(Pointwise::Affine { alpha: -3.0, beta: 0.25, x: &left, y })),
        zip(|a, _| -3.0 * a + 0.25),
    );
    close(
        "axpy",
        accumulated(backend, [LEN], |[y]| backend.run(Pointwise::Axpy { alpha: -3.0, x: &left, y })),
        zip(|a, _| -3.0 * a),
    );
}

fn bias<B: Backend>(backend: &B) {
    let buffer = |host: &[f64]| upload(backend, host);
    let (x, b) = (buffer(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), buffer(&[10.0, 20.0, 30.0]));
    let [y] = overwritten(backend, [6], |[y]| backend.run(Pointwise::AddBias { x: &x, b: &b, y }));
    assert_eq!(y, [11.0, 22.0, 33.0, 14.0, 25.0, 36.0]);
    let [db] = accumulated(backend, [3], |[db]| backend.run(Pointwise::BiasGrad { dy: &x, db }));
    assert_eq!(db, [5.0, 7.0, 9.0]);

    for (rows, channels) in [(3 * 17 * 23, 5), (1, 7), (64, 32)] {
        let (b, dy) = (random(0, channels), random(1, rows * channels));
        let (zeros, bias, gradient) = (buffer(&vec![0.0; dy.len()]), buffer(&b), buffer(&dy));
        let [y] = overwritten(backend, [dy.len()], |[y]| backend.run(Pointwise::AddBias { x: &zeros, b: &bias, y }));
        let [db] = accumulated(backend, [channels], |[db]| backend.run(Pointwise::BiasGrad { dy: &gradient, db }));
        assert_adjoint("add_bias in b", (&y, &dy), (&b, &db), tolerance::<B>());
    }
}

/// `S(A(x)) = A'(x)`, and each order of the slope is the derivative of the previous order.
#[test]
fn slopes_are_derivatives() {
    // Sizes 0.02 to 3.98 on both sides of the kink of ELU, so that the step of 1e-5 does not cross the kink.
    let x: Vec<f64> = (-100..100).map(|i| 0.04 * f64::from(i) + 0.02).collect();
    let sum = |values: Vec<f64>| values.iter().sum::<f64>();
    for kind in ACTIVATIONS {
        let y = activation(&oracle(), kind, &x);
        let dy = random(0, x.len());
        let differences = central_differences(&x, |x| dot(&activation(&oracle(), kind, x), &dy));
        assert_close(&format!("{kind:?}"), &activation_grad(&oracle(), kind, &y, &dy), &differences, 1e-7);
        for order in 0..3 {
            let differences = central_differences(&y, |y| sum(slope(&oracle(), kind, order, y)));
            let found = slope(&oracle(), kind, order + 1, &y);
            let error = found.iter().zip(&differences).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 1e-7, "{kind:?}: slope of order {} is off by {error:e}", order + 1);
        }
    }
}

/// Arguments at which a naive formula loses all digits: just below zero for ELU, far below zero for softplus and sigmoid.
#[test]
fn reference_keeps_relative_accuracy() {
    fn check<T: Real>() {
        let backend = Reference::<T>::default();
        let tolerance = 100.0 * T::epsilon().f64();
        for (kind, x, expected) in [
            (Activation::Elu, -2.0_f64.powi(-20), -9.536_738_616_590_437e-7),
            (Activation::Softplus, -30.0, 9.357_622_968_839_737e-14),
            (Activation::Sigmoid, -30.0, 9.357_622_968_839_3e-14),
        ] {
            assert_close(&format!("{kind:?}"), &activation(&backend, kind, &[x]), &[expected], tolerance);
        }
    }
    check::<f32>();
    check::<f64>();
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    check_short_operands_are_rejected(backend, [7, 7], |[x, y]| {
        backend.run(Pointwise::Activation { activation: Activation::Elu, x, y })
    });
    check_short_operands_are_rejected(backend, [7, 7], |[y, dz]| {
        backend.run(Pointwise::ActivationGrad { activation: Activation::Elu, y, dz })
    });
    check_short_operands_are_rejected(backend, [7, 7], |[y, s]| {
        backend.run(Pointwise::ActivationSlope { activation: Activation::Elu, order: 1, y, s })
    });
    check_short_operands_are_rejected(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::Add { a, b, y }));
    check_short_operands_are_rejected(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::Sub { a, b, y }));
    check_short_operands_are_rejected(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::Mul { a, b, y }));
    check_short_operands_are_rejected(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::Div { a, b, y }));
    check_short_operands_are_rejected(backend, [7, 7], |[x, y]| backend.run(Pointwise::Sqrt { x, y }));
    check_short_operands_are_rejected(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::MulAdd { a, b, y }));
    check_short_operands_are_rejected(backend, [7, 7], |[x, y]| backend.run(Pointwise::Affine { alpha: 2.0, beta: 1.0, x, y }));
    check_short_operands_are_rejected(backend, [7, 7], |[x, y]| backend.run(Pointwise::Axpy { alpha: 2.0, x, y }));
    check_short_operands_are_rejected(backend, [15, 5, 15], |[x, b, y]| backend.run(Pointwise::AddBias { x, b, y }));
    check_short_operands_are_rejected(backend, [15, 5], |[dy, db]| backend.run(Pointwise::BiasGrad { dy, db }));
    let [dy, mut none] = [15, 0].map(|len| backend.zeros(len).unwrap());
    assert!(backend.run(Pointwise::BiasGrad { dy: &dy, db: &mut none }).is_err(), "no channels");
}

#[test]
fn gradients_agree_with_differences() {
    let two = [random_array(&[3, 5], 0), random_array(&[3, 5], 1)];
    check_gradients("add", &two, |tape, v| tape.add(v[0], v[1]));
    check_gradients("sub", &two, |tape, v| tape.sub(v[0], v[1]));
    check_gradients("mul", &two, |tape, v| tape.mul(v[0], v[1]));
    let positive = two.clone().map(|array| array.mapv(|value| value.abs() + 0.3));
    check_gradients("div", &[two[0].clone(), positive[1].clone()], |tape, v| tape.div(v[0], v[1]));
    check_gradients("a ratio with itself", &positive[..1], |tape, v| {
        let square = tape.mul(v[0], v[0])?;
        let more = tape.affine(square, 1.0, 1.0)?;
        tape.div(v[0], more)
    });
    check_gradients("sqrt", &positive[..1], |tape, v| tape.sqrt(v[0]));
    check_gradients("affine", &two[..1], |tape, v| tape.affine(v[0], -1.5, 0.3));
    check_gradients("add_bias", &[random_array(&[3, 5], 0), random_array(&[5], 1)], |tape, v| tape.add_bias(v[0], v[1]));
}

#[test]
fn gradients_of_activations_agree_with_differences() {
    for activation in [Activation::Identity, Activation::Elu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus] {
        check_gradients(&format!("{activation:?}"), &[random_array(&[30], 0)], |tape, v| tape.activation(v[0], activation));
    }
}

#[test]
fn values_and_gradients_agree_with_torch() {
    for (name, activation) in [
        ("elu", Activation::Elu),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
        ("softplus", Activation::Softplus),
    ] {
        agrees_with_torch(name, TORCH_TOLERANCE, |tape, v| tape.activation(v["x"], activation).unwrap());
    }
}

/// With operands stored as bf16.
fn activation_of_an_image<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let mut bench = Bench::new(cuda);
    let (y, mut dz) = (bench.draw_image(&[2, 7, 9, 24])?, bench.draw_image(&[2, 7, 9, 24])?);
    cuda.run(Pointwise::ActivationGrad { activation: Activation::Elu, y: &y, dz: &mut dz })?;
    cuda.run(Pointwise::ActivationGrad { activation: Activation::Sigmoid, y: &y, dz: &mut dz })?;
    let mut sum = cuda.alloc(cuda.len(&dz))?;
    cuda.run(Pointwise::Add { a: &y, b: &dz, y: &mut sum })?;
    bench.keep(&[&dz, &sum])?;
    Ok(bench.found)
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let len = 1173;
    let mut bench = Bench::new(cuda);
    let (a, b, bias) = (bench.draw(len)?, bench.draw(len)?, bench.draw(17)?);
    for activation in [Activation::Elu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus] {
        let (mut y, mut dz, mut s) = (cuda.alloc(len)?, cuda.alloc(len)?, cuda.alloc(len)?);
        cuda.copy(&b, &mut dz)?;
        cuda.run(Pointwise::Activation { activation, x: &a, y: &mut y })?;
        cuda.run(Pointwise::ActivationGrad { activation, y: &y, dz: &mut dz })?;
        cuda.run(Pointwise::ActivationSlope { activation, order: 1, y: &y, s: &mut s })?;
        bench.keep(&[&y, &dz, &s])?;
    }
    let mut y = cuda.alloc(len)?;
    cuda.run(Pointwise::Add { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    cuda.run(Pointwise::Sub { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    cuda.run(Pointwise::Mul { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    cuda.run(Pointwise::MulAdd { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    let (mut squares, mut roots) = (cuda.alloc(len)?, cuda.alloc(len)?);
    cuda.run(Pointwise::Mul { a: &b, b: &b, y: &mut squares })?;
    cuda.run(Pointwise::Sqrt { x: &squares, y: &mut roots })?;
    cuda.run(Pointwise::Affine { alpha: 1.0, beta: 0.5, x: &roots, y: &mut squares })?;
    cuda.run(Pointwise::Div { a: &a, b: &squares, y: &mut y })?;
    bench.keep(&[&roots, &y])?;
    cuda.run(Pointwise::Affine { alpha: 0.5, beta: 2.0, x: &a, y: &mut y })?;
    cuda.run(Pointwise::Axpy { alpha: 3.0, x: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    let mut biased = cuda.alloc(len)?;
    cuda.run(Pointwise::AddBias { x: &a, b: &bias, y: &mut biased })?;
    bench.keep(&[&biased])?;
    Ok(bench.found)
}
