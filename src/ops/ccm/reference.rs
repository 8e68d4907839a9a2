//! Convex combination module (Method §4): `h = ELU(w_mix [s, u, (s-u)²] + b_mix)`, `β = σ(w_gate h + b_gate)`,
//! `y = β ⊙ s + (1-β) ⊙ u`. The 1x1 convolutions are linear maps applied to each row.

use super::{Ccm, CcmSpec, CcmWeights};
use crate::backend::Real;
use crate::ops::linear::{self, Linear, LinearSpec};
use crate::ops::pointwise::reference::{finish, slope};
use crate::shape::Activation;

pub(in crate::ops) fn run<T: Real>(call: Ccm<'_, Vec<T>>) {
    match call {
        Ccm::Combination { beta, s, u, y } => combination(beta, s, u, y),
        Ccm::CombinationGrad { beta, s, u, dy, d_beta, ds, du } => combination_grad([beta, s, u], dy, [d_beta, ds, du]),
        Ccm::Forward { spec, s, u, weights, saved: Some([h, beta]), y } => forward(spec, [s, u], &weights, [h, beta], y),
        Ccm::Forward { spec, s, u, weights, saved: None, y } => {
            let [mut h, mut beta] = [(); 2].map(|()| vec![T::zero(); y.len()]);
            forward(spec, [s, u], &weights, [&mut h, &mut beta], y);
        }
        Ccm::Grad { spec, s, u, weights, saved, dy, ds, du, slopes, weight_grads } => {
            grad(spec, [s, u], &weights, saved, dy, [&mut *ds, &mut *du], weight_grads);
            slopes.into_iter().zip([ds, du]).for_each(|(slope, grad)| finish(slope, grad));
        }
    }
}

fn combination<T: Real>(beta: &[T], s: &[T], u: &[T], y: &mut [T]) {
    for (i, y) in y.iter_mut().enumerate() {
        *y = combine(beta[i], s[i], u[i]);
    }
}

fn combination_grad<T: Real>([beta, s, u]: [&[T]; 3], dy: &[T], [d_beta, ds, du]: [&mut [T]; 3]) {
    for (i, &dy) in dy.iter().enumerate() {
        d_beta[i] += dy * (s[i] - u[i]);
        ds[i] += dy * beta[i];
        du[i] += dy * (T::one() - beta[i]);
    }
}

fn forward<T: Real>(
    spec: &CcmSpec,
    [s, u]: [&Vec<T>; 2],
    weights: &CcmWeights<&Vec<T>>,
    [h, beta]: [&mut Vec<T>; 2],
    y: &mut [T],
) {
    let features = features(spec, s, u);
    linear::reference::run(Linear::Forward {
        spec: &mix_spec(spec),
        x: &features,
        w: weights.w_mix,
        b: Some(weights.b_mix),
        y: h,
    });
    linear::reference::run(Linear::Forward { spec: &gate_spec(spec), x: h, w: weights.w_gate, b: Some(weights.b_gate), y: beta });
    combination(beta, s, u, y);
}

/// The adjoints of the lines of [`forward`], in reverse order.
fn grad<T: Real>(
    spec: &CcmSpec,
    [s, u]: [&Vec<T>; 2],
    weights: &CcmWeights<&Vec<T>>,
    [h, beta]: [&Vec<T>; 2],
    dy: &[T],
    [ds, du]: [&mut Vec<T>; 2],
    weight_grads: CcmWeights<&mut Vec<T>>,
) {
    let CcmWeights { w_mix: dw_mix, b_mix: db_mix, w_gate: dw_gate, b_gate: db_gate } = weight_grads;
    let (mix, gate) = (mix_spec(spec), gate_spec(spec));
    let features = features(spec, s, u);
    let zeros = |len| vec![T::zero(); len];

    let mut dz_gate = zeros(s.len());
    combination_grad([beta, s, u], dy, [&mut dz_gate, ds, du]);
    through(Activation::Sigmoid, beta, &mut dz_gate);
    let mut dz_mix = zeros(s.len());
    linear::reference::run(Linear::WeightGrad { spec: &gate, x: h, dz: &dz_gate, dw: dw_gate, db: Some(db_gate) });
    linear::reference::run(Linear::InputGrad { spec: &gate, dz: &dz_gate, w: weights.w_gate, dx: &mut dz_mix });

    through(Activation::Elu, h, &mut dz_mix);
    let mut d_features = zeros(features.len());
    linear::reference::run(Linear::WeightGrad { spec: &mix, x: &features, dz: &dz_mix, dw: dw_mix, db: Some(db_mix) });
    linear::reference::run(Linear::InputGrad { spec: &mix, dz: &dz_mix, w: weights.w_mix, dx: &mut d_features });
    features_grad(spec, [s, u], &d_features, [ds, du]);
}

/// `dz = dy ⊙ S(y)` in place.
fn through<T: Real>(activation: Activation, y: &[T], dz: &mut [T]) {
    dz.iter_mut().zip(y).for_each(|(dz, &y)| *dz *= slope(activation, 0, y));
}

/// `β s + (1-β) u`, clamped between s and u for β in [0, 1].
fn combine<T: Real>(beta: T, s: T, u: T) -> T {
    let y = beta * s + (T::one() - beta) * u;
    let (low, high) = (s.min(u), s.max(u));
    let convex = beta >= T::zero() && beta <= T::one();
    // Comparisons instead of min and max, so that NaN stays NaN.
    match convex {
        true if y < low => low,
        true if y > high => high,
        _ => y,
    }
}

fn mix_spec(spec: &CcmSpec) -> LinearSpec {
    LinearSpec { rows: spec.rows, c_in: 3 * spec.c, c_out: spec.c, activation: Activation::Elu }
}

fn gate_spec(spec: &CcmSpec) -> LinearSpec {
    LinearSpec { rows: spec.rows, c_in: spec.c, c_out: spec.c, activation: Activation::Sigmoid }
}

/// `[s, u, (s-u)²]`, `[rows, 3c]`.
fn features<T: Real>(spec: &CcmSpec, s: &[T], u: &[T]) -> Vec<T> {
    let (rows, c) = (spec.rows as usize, spec.c as usize);
    let mut features = vec![T::zero(); rows * 3 * c];
    for i in 0..rows * c {
        let at = i / c * 3 * c + i % c;
        features[at] = s[i];
        features[at + c] = u[i];
        features[at + 2 * c] = (s[i] - u[i]) * (s[i] - u[i]);
    }
    features
}

/// Adjoint of the derivative of [`features`]: `ds += d[0] + 2(s-u) d[2]`, `du += d[1] - 2(s-u) d[2]`.
fn features_grad<T: Real>(spec: &CcmSpec, [s, u]: [&[T]; 2], d: &[T], [ds, du]: [&mut Vec<T>; 2]) {
    let c = spec.c as usize;
    for i in 0..s.len() {
        let at = i / c * 3 * c + i % c;
        let square = T::of(2.0) * (s[i] - u[i]) * d[at + 2 * c];
        ds[i] += d[at] + square;
        du[i] += d[at + c] - square;
    }
}
