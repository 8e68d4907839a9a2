//! Penalties on the Jacobian J of `y = f(x)`, where x and y `[N, …]` have the same shape. Each is a mean over the batch.
//!
//! They are composed of tangents (Jv, JJv), which are nodes of the tape, so [`Tape::backward`] differentiates them exactly.
//! With v ~ N(0, I) one probe gives an unbiased estimate of the squared Frobenius norm (Hutchinson 1989).

use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::tape::{Tape, Tensor, Var};

use super::jacobian::along_axis;

/// `mean ‖J v‖²`, the penalty of contractive autoencoders.
///
/// # Errors
/// y does not depend on x; v does not have the shape of x; the device failed.
pub fn contraction<B: Backend>(tape: &mut Tape<B>, x: Var, y: Var, v: Var) -> Result<Var> {
    let jv = tape.tangent(y, &[(x, v)])?;
    mean_square(tape, jv)
}

/// `mean ‖J‖_F²` without probes, by one tangent for each of the n values of a row; x `[N, n]`.
///
/// # Errors
/// As [`contraction`].
pub fn contraction_exact<B: Backend>(tape: &mut Tape<B>, x: Var, y: Var) -> Result<Var> {
    let shape = tape.shape(x);
    let mut terms = Vec::with_capacity(shape.channels());
    for axis in 0..shape.channels() {
        let direction = along_axis(tape, shape, axis)?;
        terms.push(Some(contraction(tape, x, y, direction)?));
    }
    tape.sum_terms(terms)?.ok_or_else(|| Error::shape("contraction", "x has no values"))
}

/// `mean ‖(J² - J) v‖²`: 0 where f is idempotent to first order. Intended for x on D, where f(x) = x makes J(f(x)) J(x) = J².
///
/// # Errors
/// As [`contraction`].
pub fn idempotence<B: Backend>(tape: &mut Tape<B>, x: Var, y: Var, v: Var) -> Result<Var> {
    let jv = tape.tangent(y, &[(x, v)])?;
    let jjv = tape.tangent(y, &[(x, jv)])?;
    let difference = tape.sub(jjv, jv)?;
    mean_square(tape, difference)
}

/// `mean ‖(J - Jᵀ) v‖²`: 0 where J is symmetric. `x` must be a [`Tape::variable`].
///
/// `Jᵀ v` comes from a reverse sweep and is not a node, so the node returned is `2⟨s, J v⟩ - 2⟨v, J s⟩ - ‖s‖²` with
/// `s = (J - Jᵀ) v` held constant. Its value is ‖s‖² and its gradient in the weights is exactly that of ‖s‖², because
/// d‖s‖² = 2⟨s, dJ v⟩ - 2⟨v, dJ s⟩. Second derivatives of this node are not those of the penalty.
///
/// # Errors
/// As [`contraction`]; x is not a variable.
pub fn asymmetry<B: Backend>(tape: &mut Tape<B>, x: Var, y: Var, v: Var) -> Result<Var> {
    let jv = tape.tangent(y, &[(x, v)])?;
    let transposed = tape.backward_from(y, &tape.host(v)?)?.host(x)?;
    let transposed = constant(tape, x, &transposed)?;
    let s = tape.sub(jv, transposed)?;
    let s = constant(tape, x, &tape.host(s)?)?;
    let js = tape.tangent(y, &[(x, s)])?;
    let (left, right) = (tape.mul(s, jv)?, tape.mul(v, js)?);
    let difference = tape.sub(left, right)?;
    let square = tape.mul(s, s)?;
    let (twice, square) = (tape.affine(difference, 2.0, 0.0)?, tape.affine(square, -1.0, 0.0)?);
    let total = tape.add(twice, square)?;
    mean_over_rows(tape, total)
}

/// `values` as a constant of the shape of `like`.
fn constant<B: Backend>(tape: &mut Tape<B>, like: Var, values: &[B::Elem]) -> Result<Var> {
    Ok(tape.constant(Tensor::from_host(tape.backend(), tape.shape(like), values)?))
}

fn mean_square<B: Backend>(tape: &mut Tape<B>, x: Var) -> Result<Var> {
    let squares = tape.mul(x, x)?;
    mean_over_rows(tape, squares)
}

/// The sum over everything, divided by the number of samples.
fn mean_over_rows<B: Backend>(tape: &mut Tape<B>, x: Var) -> Result<Var> {
    let samples = tape.shape(x).dims()[0] as f64;
    let sum = tape.sum(x)?;
    tape.affine(sum, 1.0 / samples, 0.0)
}
