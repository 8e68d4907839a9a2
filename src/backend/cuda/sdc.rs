//! Stacked dilated convolution, all branches in one launch, `kernels/sdc.cu`.

use super::gemm::{GEMM_THREADS, splits, tiles};
use super::kernel::{File, Kernel};
use super::reduce::column_sums_of;
use super::{Buffer, Cuda, Mode, check_lengths, sdc_bf16};
use crate::backend::{Sdc, Storage, Unit};
use crate::error::{Error, Result};
use crate::shape::SdcSpec;

const OP: &str = "sdc";
/// Taps of a branch.
pub(super) const TAPS: usize = 9;

const FLOPS: &str = "18 n h w branches c_out c_in";
const BYTES: &str = "4 (n h w c_in + 9 branches c_out c_in + branches c_out + n h w branches c_out)";
const INPUT_BYTES: &str = "4 (n h w branches c_out + 9 branches c_out c_in + 2 n h w c_in)";
const WEIGHT_BYTES: &str = "4 (n h w c_in + n h w branches c_out + 9 splits branches c_out c_in)";
const WEIGHT_BYTES_NAIVE: &str = "4 (n h w c_in + n h w branches c_out + 18 branches c_out c_in)";

static FILE: File = File { name: "sdc.cu", text: include_str!("../../../kernels/sdc.cu") };

const fn kernel(name: &'static str, threads: u32, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static FORWARD: Kernel = kernel("sdc", GEMM_THREADS, FLOPS, BYTES);
static INPUT_GRAD: Kernel = kernel("sdc_input_grad", GEMM_THREADS, FLOPS, INPUT_BYTES);
static WEIGHT_GRAD: Kernel = kernel("sdc_weight_grad", GEMM_THREADS, FLOPS, WEIGHT_BYTES);
static SUM_SPLITS: Kernel = kernel("sdc_sum_splits", 256, "splits branches len", "4 splits branches len + 8 branches len");
static FORWARD_NAIVE: Kernel = kernel("sdc_naive", 256, FLOPS, BYTES);
static INPUT_GRAD_NAIVE: Kernel = kernel("sdc_input_grad_naive", 256, FLOPS, INPUT_BYTES);
static WEIGHT_GRAD_NAIVE: Kernel = kernel("sdc_weight_grad_naive", 256, FLOPS, WEIGHT_BYTES_NAIVE);

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] =
    &[&FORWARD, &INPUT_GRAD, &WEIGHT_GRAD, &SUM_SPLITS, &FORWARD_NAIVE, &INPUT_GRAD_NAIVE, &WEIGHT_GRAD_NAIVE];

impl Sdc for Cuda {
    fn sdc(&self, spec: &SdcSpec, x: &Buffer, w: &[&Buffer], b: &[&Buffer], y: &mut Buffer) -> Result<()> {
        let extents = Extents::of(spec);
        check_lengths(OP, &[("x", x.len(), extents.x()), ("y", y.len(), extents.y())])?;
        extents.check_each("w", w, extents.weight())?;
        extents.check_each("b", b, extents.c_out)?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&FORWARD_NAIVE, extents.y()),
            Mode::Bf16 if sdc_bf16::fits(spec) => return self.sdc_bf16(spec, x, w, b, y),
            _ => {
                let [m, n, _] = tiles(extents.pixels, extents.c_out);
                self.launch(&FORWARD, [m, n, spec.branches])
            }
        };
        launch.input(x).inputs(w).inputs(b).output(y).value(*spec).run()
    }

    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
        let extents = Extents::of(spec);
        check_lengths(OP, &[("dz", dz.len(), extents.y()), ("dx", dx.len(), extents.x())])?;
        extents.check_each("w", w, extents.weight())?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&INPUT_GRAD_NAIVE, extents.x()),
            Mode::Bf16 if sdc_bf16::fits(spec) => return self.sdc_input_grad_bf16(spec, dz, w, dx),
            _ => self.launch(&INPUT_GRAD, tiles(extents.pixels, extents.c_in)),
        };
        launch.input(dz).inputs(w).output(dx).value(*spec).run()
    }

    fn sdc_weight_grad(&self, spec: &SdcSpec, x: &Buffer, dz: &Buffer, dw: &mut [Buffer], db: &mut [Buffer]) -> Result<()> {
        let extents = Extents::of(spec);
        check_lengths(OP, &[("x", x.len(), extents.x()), ("dz", dz.len(), extents.y())])?;
        extents.check_each("dw", &dw.iter().collect::<Vec<_>>(), extents.weight())?;
        extents.check_each("db", &db.iter().collect::<Vec<_>>(), extents.c_out)?;
        match self.mode {
            Mode::Naive => {
                let launch = self.launch_over(&WEIGHT_GRAD_NAIVE, extents.branches * extents.weight());
                launch.input(x).input(dz).outputs(dw).value(*spec).run()?;
            }
            Mode::Bf16 if sdc_bf16::fits(spec) => self.sdc_weight_grad_bf16(spec, x, dz, dw)?,
            _ => {
                let [m, n, _] = tiles(extents.c_out, TAPS * extents.c_in);
                self.sdc_split_product(spec, [m, n], dw, |[m, n, splits], partial| {
                    let launch = self.launch(&WEIGHT_GRAD, [m, n, splits * spec.branches]).with("splits", splits as usize);
                    launch.input(x).input(dz).output(partial).value(*spec).run()
                })?;
            }
        }
        let joined = extents.branches * extents.c_out;
        db.iter_mut().enumerate().try_for_each(|(k, db)| column_sums_of(self, dz, extents.pixels, joined, k * extents.c_out, db))
    }
}

impl Cuda {
    /// `dw +=` in two stages: sums over splits of the pixels, then over the splits. `stage` gets `[m, n, splits]` and launches its kernel
    /// with `m x n` blocks for each split and branch, which writes `[splits, branches, len]` partial sums into the buffer given.
    pub(super) fn sdc_split_product(
        &self,
        spec: &SdcSpec,
        [m, n]: [u32; 2],
        dw: &mut [Buffer],
        stage: impl FnOnce([u32; 3], &mut Buffer) -> Result<()>,
    ) -> Result<()> {
        let extents = Extents::of(spec);
        let (branches, len) = (extents.branches, extents.weight());
        let splits = splits(m as usize * n as usize * branches, extents.pixels);
        let mut partial = self.alloc(splits as usize * branches * len)?;
        stage([m, n, splits], &mut partial)?;
        let launch = self.launch_over(&SUM_SPLITS, branches * len);
        launch
            .input(&partial)
            .outputs(dw)
            .number("splits", splits)
            .number("branches", spec.branches)
            .number("len", len as u32)
            .run()
    }
}

/// Extents of a stacked dilated convolution.
struct Extents {
    /// Pixels of all images.
    pixels: usize,
    c_in: usize,
    /// Output channels of one branch.
    c_out: usize,
    branches: usize,
}

impl Extents {
    fn of(spec: &SdcSpec) -> Self {
        let [n, h, w] = [spec.n, spec.h, spec.w].map(|extent| extent as usize);
        let [c_in, c_out, branches] = [spec.c_in, spec.c_out, spec.branches].map(|extent| extent as usize);
        Self { pixels: n * h * w, c_in, c_out, branches }
    }

    fn x(&self) -> usize {
        self.pixels * self.c_in
    }

    /// The joined output.
    fn y(&self) -> usize {
        self.pixels * self.branches * self.c_out
    }

    /// The weights of one branch.
    fn weight(&self) -> usize {
        self.c_out * TAPS * self.c_in
    }

    /// Refuses another number of buffers than branches, and buffers of another length than wanted.
    fn check_each(&self, name: &str, buffers: &[&Buffer], wanted: usize) -> Result<()> {
        if buffers.len() != self.branches {
            return Err(Error::shape(OP, format!("{name} must have {} branches, has {}", self.branches, buffers.len())));
        }
        buffers.iter().try_for_each(|buffer| check_lengths(OP, &[(name, buffer.len(), wanted)]))
    }
}
