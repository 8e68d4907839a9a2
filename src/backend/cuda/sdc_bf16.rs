//! Stacked dilated convolution on tensor cores, `kernels/sdc_bf16.cu`; see `conv2d_bf16`.

use super::conv2d_bf16::{self, padded, pixel_tiles, weight_tiles};
use super::gemm::GEMM_THREADS;
use super::kernel::{File, Kernel};
use super::sdc::TAPS;
use super::{Buffer, Cuda};
use crate::backend::Unit;
use crate::error::Result;
use crate::shape::SdcSpec;

static FILE: File = File { name: "sdc_bf16.cu", text: include_str!("../../../kernels/sdc_bf16.cu") };

const FLOPS: &str = "18 n h w branches c_out c_in";

const fn kernel(name: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: GEMM_THREADS, dynamic_shared: 0, unit: Unit::Matrix, flops: FLOPS, bytes }
}

static FORWARD: Kernel = kernel("sdc_bf16", "2 (n h w c_in + 9 branches c_out c_in) + 4 (branches c_out + n h w branches c_out)");
static INPUT_GRAD: Kernel = kernel("sdc_input_grad_bf16", "2 (n h w branches c_out + 9 branches c_out c_in) + 8 n h w c_in");
static WEIGHT_GRAD: Kernel =
    kernel("sdc_weight_grad_bf16", "2 (n h w c_in + n h w branches c_out) + 36 splits branches c_out c_in");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[&FORWARD, &INPUT_GRAD, &WEIGHT_GRAD];

/// Whether the kernels of this file can index the operands.
pub(super) fn fits(spec: &SdcSpec) -> bool {
    (0..spec.branches).all(|k| conv2d_bf16::fits(&spec.branch(k as usize), spec.branches))
}

impl Cuda {
    /// `y = A(join_k(w_k * x + b_k))`, all branches in one launch.
    pub(super) fn sdc_bf16(&self, spec: &SdcSpec, x: &Buffer, w: &[&Buffer], b: &[&Buffer], y: &mut Buffer) -> Result<()> {
        let [c_in, c_out] = extents(spec);
        let rows = c_out * TAPS;
        let mut weights = self.alloc_bf16(w.len() * rows * padded(c_in))?;
        for (k, w) in w.iter().enumerate() {
            self.round_rows(w, c_in, k * rows, &mut weights)?;
        }
        let [m, n, _] = pixel_tiles(x.len() / c_in, c_out);
        let x = self.rounded(x, c_in)?;
        let launch = self.launch(&FORWARD, [m, n, spec.branches]).input(&x).input(&weights);
        launch.inputs(b).output(y).value(*spec).run()
    }

    /// `dx += Σ_k w_kᵀ * dz_k`, in one sum over all branches.
    pub(super) fn sdc_input_grad_bf16(&self, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
        let [c_in, c_out] = extents(spec);
        let mut weights = self.alloc_bf16(w.len() * c_in * TAPS * padded(c_out))?;
        for (k, w) in w.iter().enumerate() {
            self.round_transposed(&spec.branch(k), w, [k as u32, spec.branches], &mut weights)?;
        }
        let grid = pixel_tiles(dx.len() / c_in, c_in);
        let dz = self.rounded(dz, c_out)?;
        self.launch(&INPUT_GRAD, grid).input(&dz).input(&weights).output(dx).value(*spec).run()
    }

    /// `dw_k += Σ x dz_k`, all branches in one launch.
    pub(super) fn sdc_weight_grad_bf16(&self, spec: &SdcSpec, x: &Buffer, dz: &Buffer, dw: &mut [Buffer]) -> Result<()> {
        let [c_in, c_out] = extents(spec);
        let (x, dz) = (self.rounded(x, c_in)?, self.rounded(dz, c_out)?);
        self.sdc_split_product(spec, weight_tiles(c_out, TAPS * padded(c_in)), dw, |[m, n, splits], partial| {
            let launch = self.launch(&WEIGHT_GRAD, [m, n, splits * spec.branches]).with("splits", splits as usize);
            launch.input(&x).input(&dz).output(partial).value(*spec).run()
        })
    }
}

/// `[c_in, c_out]`.
fn extents(spec: &SdcSpec) -> [usize; 2] {
    [spec.c_in, spec.c_out].map(|channels| channels as usize)
}
