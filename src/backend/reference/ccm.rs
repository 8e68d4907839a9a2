//! Convex combination module (Method §4): `h = ELU(w_mix [s, u, (s-u)²] + b_mix)`, `β = σ(w_gate h + b_gate)`,
//! `y = β ⊙ s + (1-β) ⊙ u`. A 1x1 convolution is a linear map over the rows, so the module is the composition that the
//! equation says.

use super::{Reference, check_lengths};
use crate::backend::{Ccm, CcmWeights, Linear, Pointwise, Real};
use crate::error::Result;
use crate::shape::{Activation, CcmSpec, LinearSpec};

impl<T: Real> Ccm for Reference<T> {
    fn convex_combination(&self, beta: &Vec<T>, s: &Vec<T>, u: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        let len = y.len();
        check_lengths("convex_combination", &[("beta", beta.len(), len), ("s", s.len(), len), ("u", u.len(), len)])?;
        for (i, y) in y.iter_mut().enumerate() {
            *y = combine(beta[i], s[i], u[i]);
        }
        Ok(())
    }

    fn convex_combination_grad(&self, operands: [&Vec<T>; 3], dy: &Vec<T>, grads: [&mut Vec<T>; 3]) -> Result<()> {
        let ([beta, s, u], [dbeta, ds, du]) = (operands, grads);
        let lengths = [("beta", beta.len()), ("s", s.len()), ("u", u.len()), ("dbeta", dbeta.len()), ("ds", ds.len())];
        let all = lengths.into_iter().chain([("du", du.len())]).map(|(name, len)| (name, len, dy.len()));
        check_lengths("convex_combination_grad", &all.collect::<Vec<_>>())?;
        for (i, &dy) in dy.iter().enumerate() {
            dbeta[i] += dy * (s[i] - u[i]);
            ds[i] += dy * beta[i];
            du[i] += dy * (T::one() - beta[i]);
        }
        Ok(())
    }

    fn ccm(
        &self,
        spec: &CcmSpec,
        operands: [&Vec<T>; 2],
        weights: &CcmWeights<&Vec<T>>,
        saved: [&mut Vec<T>; 2],
        y: &mut Vec<T>,
    ) -> Result<()> {
        let ([s, u], [h, beta]) = (operands, saved);
        let mixture = mixture(spec, s, u)?;
        self.linear(&mix_spec(spec), &mixture, weights.w_mix, Some(weights.b_mix), h)?;
        self.linear(&gate_spec(spec), h, weights.w_gate, Some(weights.b_gate), beta)?;
        self.convex_combination(beta, s, u, y)
    }

    fn ccm_grad(
        &self,
        spec: &CcmSpec,
        operands: [&Vec<T>; 2],
        weights: &CcmWeights<&Vec<T>>,
        saved: [&Vec<T>; 2],
        dy: &Vec<T>,
        grads: [&mut Vec<T>; 2],
        weight_grads: CcmWeights<&mut Vec<T>>,
    ) -> Result<()> {
        let ([s, u], [h, beta], [ds, du]) = (operands, saved, grads);
        let mixture = mixture(spec, s, u)?;
        let zeros = || vec![T::zero(); s.len()];

        let mut dbeta = zeros();
        self.convex_combination_grad([beta, s, u], dy, [&mut dbeta, &mut *ds, &mut *du])?;

        let (mut dz_gate, mut dh) = (dbeta, zeros());
        self.activation_grad(Activation::Sigmoid, beta, &mut dz_gate)?;
        self.linear_weight_grad(&gate_spec(spec), h, &dz_gate, weight_grads.w_gate, Some(weight_grads.b_gate))?;
        self.linear_input_grad(&gate_spec(spec), &dz_gate, weights.w_gate, &mut dh)?;

        let (mut dz_mix, mut dmixture) = (dh, vec![T::zero(); mixture.len()]);
        self.activation_grad(Activation::Elu, h, &mut dz_mix)?;
        self.linear_weight_grad(&mix_spec(spec), &mixture, &dz_mix, weight_grads.w_mix, Some(weight_grads.b_mix))?;
        self.linear_input_grad(&mix_spec(spec), &dz_mix, weights.w_mix, &mut dmixture)?;
        mixture_grad(spec, [s, u], &dmixture, [ds, du]);
        Ok(())
    }
}

/// `β s + (1-β) u`, for β in [0, 1] rounded into the interval between s and u.
fn combine<T: Real>(beta: T, s: T, u: T) -> T {
    let y = beta * s + (T::one() - beta) * u;
    let (low, high) = (s.min(u), s.max(u));
    let convex = beta >= T::zero() && beta <= T::one();
    // Comparisons instead of min and max: a NaN stays a NaN.
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
fn mixture<T: Real>(spec: &CcmSpec, s: &[T], u: &[T]) -> Result<Vec<T>> {
    let (rows, c) = (spec.rows as usize, spec.c as usize);
    check_lengths("ccm", &[("s", s.len(), rows * c), ("u", u.len(), rows * c)])?;
    let mut mixture = vec![T::zero(); rows * 3 * c];
    for i in 0..rows * c {
        let at = i / c * 3 * c + i % c;
        mixture[at] = s[i];
        mixture[at + c] = u[i];
        mixture[at + 2 * c] = (s[i] - u[i]) * (s[i] - u[i]);
    }
    Ok(mixture)
}

/// Adjoint of the derivative of [`mixture`]: `ds += d[0] + 2(s-u) d[2]`, `du += d[1] - 2(s-u) d[2]`.
fn mixture_grad<T: Real>(spec: &CcmSpec, [s, u]: [&[T]; 2], d: &[T], [ds, du]: [&mut Vec<T>; 2]) {
    let c = spec.c as usize;
    for i in 0..s.len() {
        let at = i / c * 3 * c + i % c;
        let square = T::of(2.0) * (s[i] - u[i]) * d[at + 2 * c];
        ds[i] += d[at] + square;
        du[i] += d[at + c] - square;
    }
}
