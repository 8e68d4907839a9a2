//! Buffers of a wrong length are refused with a sentence; nothing panics and nothing is written out of bounds.

use orthoscope::Result;
use orthoscope::backend::{AdamSpec, AdamStep, Backend, CcmWeights};
use orthoscope::shape::{
    Activation, BoxAverageSpec, CcmSpec, ChannelsSpec, Conv2dOptions, Conv2dSpec, LinearSpec, ObjectiveSpec, Penalty, PoolSpec,
    SdcSpec, UpsampleSpec,
};

use super::common::*;

on_every_backend!(convolutions, linear, resampling, pointwise, ccm, objective, optimise);

/// Calls `op` with the right lengths, which must work, and with each operand one element short, which must not.
fn refuses_short_operands<B: Backend, const N: usize>(
    backend: &B,
    lengths: [usize; N],
    op: impl Fn(&mut [B::Buffer; N]) -> Result<()>,
) {
    let call = |lengths: [usize; N]| op(&mut lengths.map(|len| backend.zeros(len).unwrap()));
    call(lengths).unwrap();
    for short in 0..N {
        let mut lengths = lengths;
        lengths[short] -= 1;
        let refused = call(lengths).expect_err(&format!("operand {short} of {lengths:?} is short"));
        assert!(refused.to_string().contains(char::is_numeric), "no numbers in: {refused}");
    }
}

fn convolutions<B: Backend>(backend: &B) {
    let (x, weight) = (shape(&[1, 5, 6, 2]), shape(&[4, 3, 3, 2]));
    let spec = Conv2dSpec::new(&x, &weight, None, Conv2dOptions::same(3, 1, Activation::Elu)).unwrap();
    refuses_short_operands(backend, [60, 72, 4, 120], |[x, w, b, y]| backend.conv2d(&spec, x, w, Some(b), y));
    refuses_short_operands(backend, [120, 72, 60], |[dz, w, dx]| backend.conv2d_input_grad(&spec, dz, w, dx));
    refuses_short_operands(backend, [60, 120, 72, 4], |[x, dz, dw, db]| backend.conv2d_weight_grad(&spec, x, dz, dw, Some(db)));

    let spec = SdcSpec::new(&x, &[weight], &[2], Activation::Elu).unwrap();
    refuses_short_operands(backend, [60, 72, 4, 120], |[x, w, b, y]| backend.sdc(&spec, x, &[w], &[b], y));
    refuses_short_operands(backend, [120, 72, 60], |[dz, w, dx]| backend.sdc_input_grad(&spec, dz, &[w], dx));
    refuses_short_operands(backend, [72, 4, 60, 120], |operands| {
        let (weights, data) = operands.split_at_mut(2);
        let (dw, db) = weights.split_at_mut(1);
        backend.sdc_weight_grad(&spec, &data[0], &data[1], dw, db)
    });
    let [x, mut y] = [60, 120].map(|len| backend.zeros(len).unwrap());
    assert!(backend.sdc(&spec, &x, &[], &[], &mut y).is_err(), "no branches given");
}

fn linear<B: Backend>(backend: &B) {
    let spec = LinearSpec { rows: 3, c_in: 5, c_out: 4, activation: Activation::Identity };
    refuses_short_operands(backend, [15, 20, 4, 12], |[x, w, b, y]| backend.linear(&spec, x, w, Some(b), y));
    refuses_short_operands(backend, [12, 20, 15], |[dz, w, dx]| backend.linear_input_grad(&spec, dz, w, dx));
    refuses_short_operands(backend, [15, 12, 20, 4], |[x, dz, dw, db]| backend.linear_weight_grad(&spec, x, dz, dw, Some(db)));
}

fn resampling<B: Backend>(backend: &B) {
    let pool = PoolSpec::new(&shape(&[1, 5, 6, 2]), 2).unwrap();
    refuses_short_operands(backend, [60, 60, 12], |[x, v, y]| backend.max_pool(&pool, x, v, y));
    refuses_short_operands(backend, [60, 12, 60], |[x, dy, dv]| backend.max_pool_grad(&pool, x, dy, dv));

    let upsample = UpsampleSpec::new(&shape(&[1, 5, 6, 2])).unwrap();
    refuses_short_operands(backend, [60, 240], |[x, y]| backend.upsample2(&upsample, x, y));
    refuses_short_operands(backend, [240, 60], |[dy, dx]| backend.upsample2_grad(&upsample, dy, dx));

    let average = BoxAverageSpec::new(&shape(&[2, 5, 6]), 3, 2).unwrap();
    refuses_short_operands(backend, [60, 60], |[x, y]| backend.box_average(&average, x, y));
    refuses_short_operands(backend, [60, 60], |[dy, dx]| backend.box_average_grad(&average, dy, dx));

    let channels = ChannelsSpec::new("test", &shape(&[7, 3]), 1, &shape(&[7, 5]), 3, 2).unwrap();
    refuses_short_operands(backend, [21, 35], |[source, target]| backend.channels_copy(&channels, source, target));
    refuses_short_operands(backend, [21, 35], |[source, target]| backend.channels_add(&channels, source, target));
}

fn pointwise<B: Backend>(backend: &B) {
    refuses_short_operands(backend, [7, 7], |[x, y]| backend.activation(Activation::Elu, x, y));
    refuses_short_operands(backend, [7, 7], |[y, dz]| backend.activation_grad(Activation::Elu, y, dz));
    refuses_short_operands(backend, [7, 7], |[y, s]| backend.activation_slope(Activation::Elu, 1, y, s));
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.add(a, b, y));
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.sub(a, b, y));
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.mul(a, b, y));
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.mul_add(a, b, y));
    refuses_short_operands(backend, [7, 7], |[x, y]| backend.affine(2.0, 1.0, x, y));
    refuses_short_operands(backend, [7, 7], |[x, y]| backend.axpy(2.0, x, y));
    refuses_short_operands(backend, [15, 5, 15], |[x, b, y]| backend.add_bias(x, b, y));
    refuses_short_operands(backend, [15, 5], |[dy, db]| backend.bias_grad(dy, db));
    let [dy, mut none] = [15, 0].map(|len| backend.zeros(len).unwrap());
    assert!(backend.bias_grad(&dy, &mut none).is_err(), "no channels");
    refuses_short_operands(backend, [7, 7], |[source, target]| backend.copy(source, target));
    let x = backend.zeros(7).unwrap();
    refuses_short_operands(backend, [1], |[y]| backend.sum(&x, y));
    refuses_short_operands(backend, [1], |[dy]| backend.sum_grad(1.0, dy, &mut backend.zeros(7).unwrap()));
}

fn ccm<B: Backend>(backend: &B) {
    refuses_short_operands(backend, [7, 7, 7, 7], |[beta, s, u, y]| backend.convex_combination(beta, s, u, y));
    refuses_short_operands(backend, [7; 7], |[beta, s, u, dy, dbeta, ds, du]| {
        backend.convex_combination_grad([beta, s, u], dy, [dbeta, ds, du])
    });
    let spec = CcmSpec { rows: 3, c: 2 };
    refuses_short_operands(backend, [6, 6, 12, 2, 4, 2, 6, 6, 6], |operands| {
        let [s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y] = operands;
        let weights = CcmWeights { w_mix: &*w_mix, b_mix: &*b_mix, w_gate: &*w_gate, b_gate: &*b_gate };
        backend.ccm(&spec, [s, u], &weights, [h, beta], y)
    });
    // The backward pass has no use for the biases' values.
    let [b_mix, b_gate] = [2, 2].map(|len| backend.zeros(len).unwrap());
    refuses_short_operands(backend, [6, 6, 12, 4, 6, 6, 6, 6, 6, 12, 2, 4, 2], |operands| {
        let [s, u, w_mix, w_gate, h, beta, dy, ds, du, dw_mix, db_mix, dw_gate, db_gate] = operands;
        let weights = CcmWeights { w_mix: &*w_mix, b_mix: &b_mix, w_gate: &*w_gate, b_gate: &b_gate };
        let grads = CcmWeights { w_mix: dw_mix, b_mix: db_mix, w_gate: dw_gate, b_gate: db_gate };
        backend.ccm_grad(&spec, [s, u], &weights, [h, beta], dy, [ds, du], grads)
    });
}

fn objective<B: Backend>(backend: &B) {
    let (x, m) = (shape(&[2, 3, 1, 2]), shape(&[2, 3, 1, 1]));
    let spec = ObjectiveSpec::new(&x, &x, &m, Penalty::Squared, 0.5, 1.0).unwrap();
    refuses_short_operands(backend, [12, 12, 6, 1], |[output, target, mask, loss]| {
        backend.objective(&spec, [output, target, mask], loss)
    });
    refuses_short_operands(backend, [12, 12, 6, 12], |[output, target, mask, d]| {
        backend.objective_derivative(&spec, 1, [output, target, mask], d)
    });
}

fn optimise<B: Backend>(backend: &B) {
    let spec = AdamSpec { beta1: 0.9, beta2: 0.9, epsilon: 1e-8 };
    refuses_short_operands(backend, [AdamStep::LEN, 1, 7, 7, 7, 7], |[step, loss, g, p, m, v]| {
        backend.adam(&spec, [step, loss], g, p, m, v)
    });
    refuses_short_operands(backend, [AdamStep::LEN, 1, 7, 7], |[step, loss, p, average]| {
        backend.moving_average([step, loss], p, average)
    });
}
