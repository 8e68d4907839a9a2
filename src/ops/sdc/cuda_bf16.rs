//! Stacked dilated convolution on tensor cores, `kernels/sdc_bf16.cu`; see `conv2d_bf16`.

use super::cuda::{TAPS, split_product};
use super::{MAX_BRANCHES, SdcSpec};
use crate::backend::cuda::cost::padded;
use crate::backend::cuda::kernels::sdc_bf16 as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;
use crate::ops::conv2d::cuda_bf16::{self, pixel_tiles, weight_tiles};

/// Whether the kernels of this file can index the operands.
pub(in crate::ops) fn fits(spec: &SdcSpec) -> bool {
    (0..spec.branches).all(|k| cuda_bf16::fits(&spec.branch(k as usize), spec.branches))
}

impl Cuda {
    /// `y = A(concat_k(w_k * x + b_k))`, all branches in one launch.
    pub(in crate::ops) fn sdc_bf16(
        &self,
        spec: &SdcSpec,
        x: &Buffer,
        w: &[&Buffer],
        b: &[&Buffer],
        y: &mut Buffer,
    ) -> Result<()> {
        let [c_in, c_out] = extents(spec);
        let rows = c_out * TAPS;
        let mut weights = self.alloc_bf16(w.len() * rows * padded(c_in))?;
        for (k, w) in w.iter().enumerate() {
            self.round_rows(w, c_in, k * rows, &mut weights)?;
        }
        let [m, n, _] = pixel_tiles(x.len() / c_in, c_out);
        let x = self.rounded(x, c_in)?;
        let launch = self.launch(&kernel::SDC_BF16, [m, n, spec.branches]).input(x.memory()).input(weights.memory());
        launch.inputs::<MAX_BRANCHES>(b).output(y).value(*spec).run()
    }

    /// `dx += Σ_k w_kᵀ * dz_k`, in one sum over all branches.
    pub(in crate::ops) fn sdc_input_grad_bf16(&self, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
        let [c_in, c_out] = extents(spec);
        let mut weights = self.alloc_bf16(w.len() * c_in * TAPS * padded(c_out))?;
        for (k, w) in w.iter().enumerate() {
            self.round_transposed(&spec.branch(k), w, [k as u32, spec.branches], &mut weights)?;
        }
        let grid = pixel_tiles(dx.len() / c_in, c_in);
        let dz = self.rounded(dz, c_out)?;
        self.launch(&kernel::SDC_INPUT_GRAD_BF16, grid).input(dz.memory()).input(weights.memory()).output(dx).value(*spec).run()
    }

    /// `dw_k += Σ x dz_k`, all branches in one launch.
    pub(in crate::ops) fn sdc_weight_grad_bf16(&self, spec: &SdcSpec, x: &Buffer, dz: &Buffer, dw: &mut [Buffer]) -> Result<()> {
        let [c_in, c_out] = extents(spec);
        let (x, dz) = (self.rounded(x, c_in)?, self.rounded(dz, c_out)?);
        split_product(self, spec, weight_tiles(c_out, TAPS * padded(c_in)), dw, |[m, n, splits], partial| {
            let launch =
                self.launch(&kernel::SDC_WEIGHT_GRAD_BF16, [m, n, splits * spec.branches]).with("splits", splits as usize);
            launch.input(x.memory()).input(dz.memory()).output(partial).value(*spec).run()
        })
    }
}

/// `[c_in, c_out]`.
fn extents(spec: &SdcSpec) -> [usize; 2] {
    [spec.c_in, spec.c_out].map(|channels| channels as usize)
}
