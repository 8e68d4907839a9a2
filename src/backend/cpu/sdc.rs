//! Stacked dilated convolution: every branch reads and writes its own channels of the joined arrays in place.

use super::columns::add_column_sums;
use super::conv2d::{correlation, input_grad, pack_forward, terms};
use super::correlate::{Correlation, correlate};
use super::outer::weight_grad;
use super::storage::Buffer;
use super::strips::{Finish, Range};
use super::{Cpu, check_lengths};
use crate::backend::Sdc;
use crate::error::Result;
use crate::shape::SdcSpec;

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

impl Sdc for Cpu {
    fn sdc(&self, spec: &SdcSpec, x: &Buffer, w: &[&Buffer], b: &[&Buffer], y: &mut Buffer) -> Result<()> {
        let [w_lens, b_lens] = [w, b].map(|all| all.iter().map(|one| one.len()).collect::<Vec<_>>());
        check("sdc", spec, x.len(), y.len(), &w_lens, &b_lens)?;
        for (index, (w, b)) in w.iter().zip(b).enumerate() {
            let shape = branch(spec, index);
            let weights = pack_forward(self, shape.depth(), shape.write.count, w, terms(self, &shape))?;
            let finish = Finish::Assign { bias: Some(b), activation: spec.activation };
            correlate(self, &shape, x, &weights, finish, y)?;
        }
        Ok(())
    }

    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
        let w_lens: Vec<_> = w.iter().map(|one| one.len()).collect();
        let b_lens = vec![spec.c_out as usize; w.len()];
        check("sdc_input_grad", spec, dx.len(), dz.len(), &w_lens, &b_lens)?;
        w.iter().enumerate().try_for_each(|(index, w)| input_grad(self, &branch(spec, index), dz, w, dx))
    }

    fn sdc_weight_grad(&self, spec: &SdcSpec, x: &Buffer, dz: &Buffer, dw: &mut [Buffer], db: &mut [Buffer]) -> Result<()> {
        let w_lens: Vec<_> = dw.iter().map(|one| one.len()).collect();
        let b_lens: Vec<_> = db.iter().map(|one| one.len()).collect();
        check("sdc_weight_grad", spec, x.len(), dz.len(), &w_lens, &b_lens)?;
        for (index, (dw, db)) in dw.iter_mut().zip(db).enumerate() {
            let shape = branch(spec, index);
            add_column_sums(self.simd, dz, shape.write, db);
            weight_grad(self, &shape, x, dz, dw)?;
        }
        Ok(())
    }
}
