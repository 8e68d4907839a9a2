//! Buffers of a wrong length are refused with a sentence; nothing panics and nothing is written out of bounds.

use orthoscope::ops::{
    AdamSpec, AdamStep, Backend, BoxAverage, BoxAverageSpec, Ccm, CcmSpec, CcmWeights, Channels, ChannelsSpec, Conv2d,
    Conv2dOptions, Conv2dSpec, Linear, LinearSpec, MaxPool, Objective, ObjectiveSpec, Optimise, Penalty, Pointwise, PoolSpec,
    Reduce, Sdc, SdcSpec, Upsample, UpsampleSpec,
};
use orthoscope::shape::Activation;

use super::common::*;

on_every_backend!(convolutions, linear, resampling, pointwise, ccm, objective, optimise);

fn convolutions<B: Backend>(backend: &B) {
    let (x, weight) = (shape(&[1, 5, 6, 2]), shape(&[4, 3, 3, 2]));
    let spec = Conv2dSpec::new(&x, &weight, None, Conv2dOptions::same(3, 1, Activation::Elu)).unwrap();
    refuses_short_operands(backend, [60, 72, 4, 120], |[x, w, b, y]| {
        backend.run(Conv2d::Forward { spec: &spec, x, w, b: Some(b), y })
    });
    refuses_short_operands(backend, [120, 72, 60], |[dz, w, dx]| backend.run(Conv2d::InputGrad { spec: &spec, dz, w, dx }));
    refuses_short_operands(backend, [60, 120, 72, 4], |[x, dz, dw, db]| {
        backend.run(Conv2d::WeightGrad { spec: &spec, x, dz, dw, db: Some(db) })
    });

    let spec = SdcSpec::new(&x, &[weight], &[2], Activation::Elu).unwrap();
    refuses_short_operands(backend, [60, 72, 4, 120], |[x, w, b, y]| {
        backend.run(Sdc::Forward { spec: &spec, x, w: &[w], b: &[b], y })
    });
    refuses_short_operands(backend, [120, 72, 60], |[dz, w, dx]| backend.run(Sdc::InputGrad { spec: &spec, dz, w: &[w], dx }));
    refuses_short_operands(backend, [72, 4, 60, 120], |operands| {
        let (weights, data) = operands.split_at_mut(2);
        let (dw, db) = weights.split_at_mut(1);
        backend.run(Sdc::WeightGrad { spec: &spec, x: &data[0], dz: &data[1], dw, db })
    });
    let [x, mut y] = [60, 120].map(|len| backend.zeros(len).unwrap());
    assert!(backend.run(Sdc::Forward { spec: &spec, x: &x, w: &[], b: &[], y: &mut y }).is_err(), "no branches given");
}

fn linear<B: Backend>(backend: &B) {
    let spec = LinearSpec { rows: 3, c_in: 5, c_out: 4, activation: Activation::Identity };
    refuses_short_operands(backend, [15, 20, 4, 12], |[x, w, b, y]| {
        backend.run(Linear::Forward { spec: &spec, x, w, b: Some(b), y })
    });
    refuses_short_operands(backend, [12, 20, 15], |[dz, w, dx]| backend.run(Linear::InputGrad { spec: &spec, dz, w, dx }));
    refuses_short_operands(backend, [15, 12, 20, 4], |[x, dz, dw, db]| {
        backend.run(Linear::WeightGrad { spec: &spec, x, dz, dw, db: Some(db) })
    });
}

fn resampling<B: Backend>(backend: &B) {
    let pool = PoolSpec::new(&shape(&[1, 5, 6, 2]), 2).unwrap();
    refuses_short_operands(backend, [60, 60, 12], |[x, v, y]| backend.run(MaxPool::Forward { spec: &pool, x, v, y }));
    refuses_short_operands(backend, [60, 12, 60], |[x, dy, dv]| backend.run(MaxPool::InputGrad { spec: &pool, x, dy, dv }));

    let upsample = UpsampleSpec::new(&shape(&[1, 5, 6, 2])).unwrap();
    refuses_short_operands(backend, [60, 240], |[x, y]| backend.run(Upsample::Forward { spec: &upsample, x, y }));
    refuses_short_operands(backend, [240, 60], |[dy, dx]| backend.run(Upsample::InputGrad { spec: &upsample, dy, dx }));

    let average = BoxAverageSpec::new(&shape(&[2, 5, 6]), 3, 2).unwrap();
    refuses_short_operands(backend, [60, 60], |[x, y]| backend.run(BoxAverage::Forward { spec: &average, x, y }));
    refuses_short_operands(backend, [60, 60], |[dy, dx]| backend.run(BoxAverage::InputGrad { spec: &average, dy, dx }));

    let channels = ChannelsSpec::new("test", &shape(&[7, 3]), 1, &shape(&[7, 5]), 3, 2).unwrap();
    refuses_short_operands(backend, [21, 35], |[source, target]| backend.run(Channels::Copy { spec: &channels, source, target }));
    refuses_short_operands(backend, [21, 35], |[source, target]| backend.run(Channels::Add { spec: &channels, source, target }));
}

fn pointwise<B: Backend>(backend: &B) {
    refuses_short_operands(backend, [7, 7], |[x, y]| backend.run(Pointwise::Activation { activation: Activation::Elu, x, y }));
    refuses_short_operands(backend, [7, 7], |[y, dz]| {
        backend.run(Pointwise::ActivationGrad { activation: Activation::Elu, y, dz })
    });
    refuses_short_operands(backend, [7, 7], |[y, s]| {
        backend.run(Pointwise::ActivationSlope { activation: Activation::Elu, order: 1, y, s })
    });
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::Add { a, b, y }));
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::Sub { a, b, y }));
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::Mul { a, b, y }));
    refuses_short_operands(backend, [7, 7, 7], |[a, b, y]| backend.run(Pointwise::MulAdd { a, b, y }));
    refuses_short_operands(backend, [7, 7], |[x, y]| backend.run(Pointwise::Affine { alpha: 2.0, beta: 1.0, x, y }));
    refuses_short_operands(backend, [7, 7], |[x, y]| backend.run(Pointwise::Axpy { alpha: 2.0, x, y }));
    refuses_short_operands(backend, [15, 5, 15], |[x, b, y]| backend.run(Pointwise::AddBias { x, b, y }));
    refuses_short_operands(backend, [15, 5], |[dy, db]| backend.run(Pointwise::BiasGrad { dy, db }));
    let [dy, mut none] = [15, 0].map(|len| backend.zeros(len).unwrap());
    assert!(backend.run(Pointwise::BiasGrad { dy: &dy, db: &mut none }).is_err(), "no channels");
    refuses_short_operands(backend, [7, 7], |[source, target]| backend.copy(source, target));
    let x = backend.zeros(7).unwrap();
    refuses_short_operands(backend, [1], |[y]| backend.run(Reduce::Sum { x: &x, y }));
    refuses_short_operands(backend, [1], |[dy]| {
        backend.run(Reduce::SumGrad { alpha: 1.0, dy, dx: &mut backend.zeros(7).unwrap() })
    });
}

fn ccm<B: Backend>(backend: &B) {
    refuses_short_operands(backend, [7, 7, 7, 7], |[beta, s, u, y]| backend.run(Ccm::Combination { beta, s, u, y }));
    refuses_short_operands(backend, [7; 7], |[beta, s, u, dy, dbeta, ds, du]| {
        backend.run(Ccm::CombinationGrad { beta, s, u, dy, d_beta: dbeta, ds, du })
    });
    let spec = CcmSpec { rows: 3, c: 2 };
    refuses_short_operands(backend, [6, 6, 12, 2, 4, 2, 6, 6, 6], |operands| {
        let [s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y] = operands;
        let weights = CcmWeights { w_mix: &*w_mix, b_mix: &*b_mix, w_gate: &*w_gate, b_gate: &*b_gate };
        backend.run(Ccm::Forward { spec: &spec, s, u, weights, saved: Some([h, beta]), y })
    });
    // The backward pass has no use for the biases' values.
    let [b_mix, b_gate] = [2, 2].map(|len| backend.zeros(len).unwrap());
    refuses_short_operands(backend, [6, 6, 12, 4, 6, 6, 6, 6, 6, 12, 2, 4, 2], |operands| {
        let [s, u, w_mix, w_gate, h, beta, dy, ds, du, dw_mix, db_mix, dw_gate, db_gate] = operands;
        let weights = CcmWeights { w_mix: &*w_mix, b_mix: &b_mix, w_gate: &*w_gate, b_gate: &b_gate };
        let grads = CcmWeights { w_mix: dw_mix, b_mix: db_mix, w_gate: dw_gate, b_gate: db_gate };
        backend.run(Ccm::Grad { spec: &spec, s, u, weights, saved: [h, beta], dy, ds, du, weight_grads: grads })
    });
}

fn objective<B: Backend>(backend: &B) {
    let (x, m) = (shape(&[2, 3, 1, 2]), shape(&[2, 3, 1, 1]));
    let spec = ObjectiveSpec::new(&x, &x, &m, Penalty::Squared, 0.5, 1.0).unwrap();
    refuses_short_operands(backend, [12, 12, 6, 1], |[output, target, mask, loss]| {
        backend.run(Objective::Loss { spec: &spec, output, target, mask, loss })
    });
    refuses_short_operands(backend, [12, 12, 6, 12], |[output, target, mask, d]| {
        backend.run(Objective::Derivative { spec: &spec, order: 1, output, target, mask, d })
    });
}

fn optimise<B: Backend>(backend: &B) {
    let spec = AdamSpec { beta1: 0.9, beta2: 0.9, epsilon: 1e-8 };
    refuses_short_operands(backend, [AdamStep::LEN, 1, 7, 7, 7, 7], |[step, loss, g, p, m, v]| {
        backend.run(Optimise::Adam { spec: &spec, step, loss, g, p, m, v })
    });
    refuses_short_operands(backend, [AdamStep::LEN, 1, 7, 7], |[step, loss, p, average]| {
        backend.run(Optimise::MovingAverage { step, loss, p, average })
    });
}
