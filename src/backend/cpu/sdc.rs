//! Stacked dilated convolution: gradients of every branch are read in place from its channels of the joined array.

use rayon::prelude::*;

use super::columns::add_column_sums;
use super::conv2d::{correlation, input_grad, is_matrix, pack_forward, saved, terms};
use super::correlate::{Correlation, correlate};
use super::elementwise::{CHUNK, Elementwise, each};
use super::finish::Finish;
use super::outer::weight_grad;
use super::simd::Vector;
use super::storage::Buffer;
use super::strips::Range;
use super::{Cpu, check_lengths};
use crate::backend::{Product, Sdc, Storage};
use crate::error::Result;
use crate::shape::{Activation, SdcSpec};

/// Branch `index` as a correlation into its channels of the joined output.
fn branch(spec: &SdcSpec, index: usize) -> Correlation {
    let (count, branches) = (spec.c_out as usize, spec.branches as usize);
    correlation(&spec.branch(index), Range { start: index * count, count, stride: branches * count })
}

/// Checks the joined arrays, the weights and the biases of all branches.
fn check(op: &'static str, spec: &SdcSpec, x: usize, y: usize, w: &[usize], b: &[usize]) -> Result<()> {
    let (c_in, c_out, branches) = (spec.c_in as usize, spec.c_out as usize, spec.branches as usize);
    let pixels = spec.n as usize * spec.h as usize * spec.w as usize;
    let mut pairs = vec![(x, pixels * c_in), (y, pixels * branches * c_out), (w.len(), branches), (b.len(), branches)];
    pairs.extend(w.iter().map(|&len| (len, 9 * c_in * c_out)));
    pairs.extend(b.iter().map(|&len| (len, c_out)));
    check_lengths(op, &pairs)
}

/// `dx += part`.
struct Plus;

impl Elementwise<1> for Plus {
    #[inline(always)]
    fn apply<V: Vector>(dx: V, [part]: [V; 1]) -> V {
        dx.add(part)
    }
}

/// Pixels of one task of [`join`].
const PIXELS: usize = 512;

/// `y[pixel][k][channel] = parts[k][pixel][channel]`.
fn join(parts: &[Buffer], channels: usize, y: &mut [f32]) {
    let stride = parts.len() * channels;
    y.par_chunks_mut(PIXELS * stride).enumerate().for_each(|(task, y)| {
        for (pixel, y) in (task * PIXELS..).zip(y.chunks_exact_mut(stride)) {
            let sources = parts.iter().map(|part| &part[pixel * channels..][..channels]);
            y.chunks_exact_mut(channels).zip(sources).for_each(|(y, source)| y.copy_from_slice(source));
        }
    });
}

impl Sdc for Cpu {
    fn sdc(&self, spec: &SdcSpec, x: &Buffer, w: &[&Buffer], b: &[&Buffer], y: &mut Buffer) -> Result<()> {
        let [w_lens, b_lens] = [w, b].map(|all| all.iter().map(|one| one.len()).collect::<Vec<_>>());
        let y_len = y.len();
        check("sdc", spec, x.len(), y_len, &w_lens, &b_lens)?;
        // Branches are tasks, so that a core that is done with one need not wait for the others; each has its result for itself first.
        let one = |(index, (w, b)): (usize, (&&Buffer, &&Buffer))| {
            let joined = branch(spec, index);
            let shape = Correlation { write: Range::all(joined.write.count), ..joined };
            let weights = pack_forward(self, shape.depth(), shape.write.count, w, terms(self, &shape))?;
            let finish = Finish::Assign { bias: Some(b), activation: spec.activation };
            let mut part = self.alloc(y_len / w_lens.len())?;
            correlate(self, &shape, x, &weights, finish, &mut part)?;
            Ok(part)
        };
        let parts: Vec<Buffer> = w.par_iter().zip(b).enumerate().map(one).collect::<Result<_>>()?;
        join(&parts, spec.c_out as usize, y);
        Ok(())
    }

    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
        let w_lens: Vec<_> = w.iter().map(|one| one.len()).collect();
        let b_lens = vec![spec.c_out as usize; w.len()];
        check("sdc_input_grad", spec, dx.len(), dz.len(), &w_lens, &b_lens)?;
        let finish = Finish::Assign { bias: None, activation: Activation::Identity };
        let one = |(index, w): (usize, &&Buffer)| {
            let mut part = self.alloc(dx.len())?;
            input_grad(self, &branch(spec, index), (dz, w), finish, &mut part)?;
            Ok(part)
        };
        let parts: Vec<Buffer> = w.par_iter().enumerate().map(one).collect::<Result<_>>()?;
        let dx = dx.sum();
        dx.data.par_chunks_mut(CHUNK).enumerate().for_each(|(task, part)| {
            if dx.blank {
                part.fill(0.0);
            }
            parts.iter().for_each(|other| each::<Plus, 1>(self.simd, part, [&other[task * CHUNK..]]));
        });
        Ok(())
    }

    fn sdc_weight_grad(&self, spec: &SdcSpec, x: &Buffer, dz: &Buffer, dw: &mut [Buffer], db: &mut [Buffer]) -> Result<()> {
        let w_lens: Vec<_> = dw.iter().map(|one| one.len()).collect();
        let b_lens: Vec<_> = db.iter().map(|one| one.len()).collect();
        check("sdc_weight_grad", spec, x.len(), dz.len(), &w_lens, &b_lens)?;
        dw.par_iter_mut().zip(db).enumerate().try_for_each(|(index, (dw, db))| {
            let shape = branch(spec, index);
            add_column_sums(self.simd, dz, shape.write, db);
            weight_grad(self, &shape, x, dz, dw.sum())
        })
    }

    fn sdc_on_matrix(&self, spec: &SdcSpec, product: Product) -> u32 {
        (0..spec.branches).map(|index| u32::from(is_matrix(self, &branch(spec, index as usize), product))).sum()
    }

    fn sdc_saved(&self, spec: &SdcSpec, product: Product) -> u64 {
        let one = |index: usize| saved(self, &branch(spec, index), product, spec.branch(index).flops());
        (0..spec.branches as usize).map(one).sum()
    }
}
