//! Linear map: `y[r, o] = A(b[o] + Σ_i x[r, i] w[o, i])`.

use super::{Linear, LinearSpec};
use crate::backend::Real;
use crate::ops::pointwise::reference::activate_all;

pub(in crate::ops) fn run<T: Real>(call: Linear<'_, Vec<T>>) {
    match call {
        Linear::Forward { spec, x, w, b, y } => {
            let c_out = spec.c_out as usize;
            for (index, y) in y.iter_mut().enumerate() {
                *y = b.map_or(T::zero(), |b| b[index % c_out]);
            }
            each_product(spec, |z, x_index, w_index| y[z] += x[x_index] * w[w_index]);
            activate_all(spec.activation, y);
        }
        Linear::InputGrad { spec, dz, w, dx } => {
            each_product(spec, |z, x_index, w_index| dx[x_index] += dz[z] * w[w_index]);
        }
        Linear::WeightGrad { spec, x, dz, dw, db } => {
            each_product(spec, |z, x_index, w_index| dw[w_index] += dz[z] * x[x_index]);
            if let Some(db) = db {
                dz.iter().enumerate().for_each(|(index, &dz)| db[index % spec.c_out as usize] += dz);
            }
        }
    }
}

/// Flat indices of z, x and w for every term `z += x w`.
fn each_product(spec: &LinearSpec, mut visit: impl FnMut(usize, usize, usize)) {
    let [rows, c_in, c_out] = [spec.rows, spec.c_in, spec.c_out].map(|extent| extent as usize);
    for row in 0..rows {
        for o in 0..c_out {
            for i in 0..c_in {
                visit(row * c_out + o, row * c_in + i, o * c_in + i);
            }
        }
    }
}
