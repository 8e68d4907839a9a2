//! Linear map: `y[r, o] = A(b[o] + Σ_i x[r, i] w[o, i])`.

use super::pointwise::activate_all;
use super::{Reference, check_lengths};
use crate::backend::{Linear, Real};
use crate::error::Result;
use crate::shape::LinearSpec;

const OP: &str = "linear";

impl<T: Real> Linear for Reference<T> {
    fn linear(&self, spec: &LinearSpec, x: &Vec<T>, w: &Vec<T>, b: Option<&Vec<T>>, y: &mut Vec<T>) -> Result<()> {
        let [rows, c_in, c_out] = extents(spec);
        let bias = b.map_or(c_out, Vec::len);
        let operands =
            [("x", x.len(), rows * c_in), ("w", w.len(), c_out * c_in), ("b", bias, c_out), ("y", y.len(), rows * c_out)];
        check_lengths(OP, &operands)?;
        for (index, y) in y.iter_mut().enumerate() {
            *y = b.map_or(T::zero(), |b| b[index % c_out]);
        }
        each_product(spec, |z, x_index, w_index| y[z] += x[x_index] * w[w_index]);
        activate_all(spec.activation, y);
        Ok(())
    }

    fn linear_input_grad(&self, spec: &LinearSpec, dz: &Vec<T>, w: &Vec<T>, dx: &mut Vec<T>) -> Result<()> {
        let [rows, c_in, c_out] = extents(spec);
        check_lengths(OP, &[("dz", dz.len(), rows * c_out), ("w", w.len(), c_out * c_in), ("dx", dx.len(), rows * c_in)])?;
        each_product(spec, |z, x_index, w_index| dx[x_index] += dz[z] * w[w_index]);
        Ok(())
    }

    fn linear_weight_grad(
        &self,
        spec: &LinearSpec,
        x: &Vec<T>,
        dz: &Vec<T>,
        dw: &mut Vec<T>,
        db: Option<&mut Vec<T>>,
    ) -> Result<()> {
        let [rows, c_in, c_out] = extents(spec);
        let bias = db.as_ref().map_or(c_out, |db| db.len());
        let operands =
            [("x", x.len(), rows * c_in), ("dz", dz.len(), rows * c_out), ("dw", dw.len(), c_out * c_in), ("db", bias, c_out)];
        check_lengths(OP, &operands)?;
        each_product(spec, |z, x_index, w_index| dw[w_index] += dz[z] * x[x_index]);
        if let Some(db) = db {
            dz.iter().enumerate().for_each(|(index, &dz)| db[index % c_out] += dz);
        }
        Ok(())
    }
}

fn extents(spec: &LinearSpec) -> [usize; 3] {
    [spec.rows, spec.c_in, spec.c_out].map(|extent| extent as usize)
}

/// Every product of the map, as the flat indices of z, x and w in `z += x w`.
fn each_product(spec: &LinearSpec, mut visit: impl FnMut(usize, usize, usize)) {
    let [rows, c_in, c_out] = extents(spec);
    for row in 0..rows {
        for o in 0..c_out {
            for i in 0..c_in {
                visit(row * c_out + o, row * c_in + i, o * c_in + i);
            }
        }
    }
}
