//! Linear map, and 1x1 convolutions, which are linear maps of every pixel.

use rayon::prelude::*;

use super::columns::add_column_sums;
use super::conv2d::pack_forward;
use super::finish::Finish;
use super::outer::dense_weight_grad;
use super::pack::{Packed, pack_terms};
use super::simd::ROWS;
use super::storage::{Buffer, Sum};
use super::strips::{Part, Range, multiply_dense};
use super::{Cpu, check_lengths};
use crate::backend::{Linear, Product};
use crate::error::Result;
use crate::shape::LinearSpec;

/// Pixels of one task: whole strips, and few enough that they stay in the second-level cache.
const PIXELS: usize = 16 * ROWS;

/// A packed matrix applied to every pixel.
pub(super) fn dense(
    cpu: &Cpu,
    (x, read): (&[f32], Range),
    weights: &Packed,
    finish: Finish<'_>,
    (y, write): (&mut [f32], Range),
) -> Result<()> {
    let tasks = y.par_chunks_mut(PIXELS * write.stride).zip(x.par_chunks(PIXELS * read.stride));
    tasks.try_for_each(|(y, x)| multiply_dense(cpu, [Part { data: x, channels: read, weights }], finish, (y, write)))
}

/// `dx += dz w` for every pixel, w `[c_out, c_in]`.
pub(super) fn dense_input_grad(cpu: &Cpu, dz: (&[f32], Range), w: &[f32], (dx, channels): (Sum<'_>, Range)) -> Result<()> {
    let weights = pack_backward(cpu, dz.1.count, channels.count, w)?;
    dense(cpu, dz, &weights, Finish::sum(dx.blank), (dx.data, channels))
}

/// Weights `[c_out, c_in]` as a right operand with rows of output channels.
pub(super) fn pack_backward(cpu: &Cpu, c_out: usize, c_in: usize, w: &[f32]) -> Result<Packed> {
    pack_terms(cpu, (c_out, c_in), (cpu.terms(c_out), c_out), |column, row| w[row * c_in + column])
}

/// Channels of x and y, and elements of x, w and y.
fn extents(spec: &LinearSpec) -> (Range, Range, [usize; 3]) {
    let (rows, c_in, c_out) = (spec.rows as usize, spec.c_in as usize, spec.c_out as usize);
    (Range::all(c_in), Range::all(c_out), [rows * c_in, c_out * c_in, rows * c_out])
}

impl Linear for Cpu {
    fn linear(&self, spec: &LinearSpec, x: &Buffer, w: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
        let (read, write, [x_len, w_len, y_len]) = extents(spec);
        let bias_len = b.map_or(write.count, |b| b.len());
        check_lengths("linear", &[(x.len(), x_len), (w.len(), w_len), (y.len(), y_len), (bias_len, write.count)])?;
        let finish = Finish::Assign { bias: b.map(|b| &**b), activation: spec.activation };
        let weights = pack_forward(self, read.count, write.count, w, (self.terms(read.count), read.count))?;
        dense(self, (x, read), &weights, finish, (y, write))
    }

    fn linear_input_grad(&self, spec: &LinearSpec, dz: &Buffer, w: &Buffer, dx: &mut Buffer) -> Result<()> {
        let (read, write, [x_len, w_len, y_len]) = extents(spec);
        check_lengths("linear_input_grad", &[(dz.len(), y_len), (w.len(), w_len), (dx.len(), x_len)])?;
        dense_input_grad(self, (dz, write), w, (dx.sum(), read))
    }

    fn linear_weight_grad(
        &self,
        spec: &LinearSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
        db: Option<&mut Buffer>,
    ) -> Result<()> {
        let (read, write, [x_len, w_len, y_len]) = extents(spec);
        let bias_len = db.as_ref().map_or(write.count, |db| db.len());
        let pairs = [(x.len(), x_len), (dz.len(), y_len), (dw.len(), w_len), (bias_len, write.count)];
        check_lengths("linear_weight_grad", &pairs)?;
        if let Some(db) = db {
            add_column_sums(self.simd, dz, write, db);
        }
        dense_weight_grad(self, (x, read), (dz, write), dw.sum())
    }

    fn linear_on_matrix(&self, spec: &LinearSpec, product: Product) -> bool {
        match product {
            Product::Forward => self.is_matrix(self.terms(spec.c_in as usize)),
            Product::InputGradient => self.is_matrix(self.terms(spec.c_out as usize)),
            Product::WeightGradient => false,
        }
    }
}
