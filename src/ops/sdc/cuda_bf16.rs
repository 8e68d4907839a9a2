//! Stacked dilated convolution between images stored as bf16, `kernels/sdc_rows_bf16.cu`: tiles of whole rows, all branches in
//! one launch.

use super::{MAX_BRANCHES, SdcSpec};
use crate::backend::Slope;
use crate::backend::Storage;
use crate::backend::cuda::kernels::sdc as second_stage;
use crate::backend::cuda::kernels::sdc_rows_bf16 as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

/// Pixels of a tile, of which it uses whole rows if rows are shorter; those of the weight gradient; and channels of a tile.
const PIXELS: u32 = 256;
const GRAD_PIXELS: u32 = 128;
const CHANNELS: u32 = 64;
/// Blocks of a weight gradient. Fixed, so that results do not depend on the device.
const BLOCKS: u32 = 144;
/// Largest extent of a grid along y and z.
const MAX_GRID: u32 = 65_535;

/// Whether these kernels compute the convolution on this device.
pub(super) fn fits(cuda: &Cuda, spec: &SdcSpec) -> bool {
    spec.c_in.max(spec.c_out).div_ceil(CHANNELS) <= MAX_GRID && cuda.can_launch(&kernel::SDC_ROWS_WEIGHT_GRAD_BF16)
}

/// Tiles of all images, with up to `pixels` pixels each.
fn tiles(spec: &SdcSpec, pixels: u32) -> u32 {
    let whole_rows = if spec.w <= pixels { pixels / spec.w * spec.w } else { pixels };
    (spec.n * spec.h * spec.w).div_ceil(whole_rows)
}

/// `y = A(concat_k(w_k * x + b_k))`.
pub(super) fn forward(cuda: &Cuda, spec: &SdcSpec, x: &Buffer, w: &[&Buffer], b: &[&Buffer], y: &mut Buffer) -> Result<()> {
    let grid = [tiles(spec, PIXELS), spec.c_out.div_ceil(CHANNELS), spec.branches];
    let launch = cuda.launch(&kernel::SDC_ROWS_BF16, grid).bf16_input(x).bf16_inputs::<MAX_BRANCHES>(w);
    launch.inputs::<MAX_BRANCHES>(b).bf16_output(y).value(*spec).run()
}

/// `dx += Σ_k w_kᵀ * dz_k`, then `dx *= slope`.
pub(super) fn input_grad(
    cuda: &Cuda,
    spec: &SdcSpec,
    dz: &Buffer,
    w: &[&Buffer],
    dx: &mut Buffer,
    slope: Option<Slope<'_, Buffer>>,
) -> Result<()> {
    let grid = [tiles(spec, PIXELS), spec.c_in.div_ceil(CHANNELS), 1];
    let launch = cuda.launch(&kernel::SDC_ROWS_INPUT_GRAD_BF16, grid).bf16_input(dz).bf16_inputs::<MAX_BRANCHES>(w);
    launch.bf16_sum(dx, "adds").slope(slope, "sloped").value(*spec).run()
}

/// `dw_k += Σ x dz_k`, `db_k += Σ dz_k`.
pub(super) fn weight_grad(
    cuda: &Cuda,
    spec: &SdcSpec,
    [x, dz]: [&Buffer; 2],
    dw: &mut [Buffer],
    db: &mut [Buffer],
) -> Result<()> {
    let blocks = [spec.c_out.div_ceil(CHANNELS), spec.c_in.div_ceil(CHANNELS)];
    let splits = (BLOCKS / (blocks[0] * blocks[1] * spec.branches)).clamp(1, tiles(spec, GRAD_PIXELS));
    let each = splits as usize * spec.branches as usize;
    let (mut partial, mut bias_partial) =
        (cuda.alloc(each * spec.branch(0).lengths()[1])?, cuda.alloc(each * spec.c_out as usize)?);
    let launch = cuda.launch(&kernel::SDC_ROWS_WEIGHT_GRAD_BF16, [blocks[0], blocks[1], spec.branches * splits]);
    let launch = launch.bf16_input(x).bf16_input(dz).output(&mut partial).output(&mut bias_partial);
    launch.value(*spec).with("splits", splits as usize).run()?;
    add_splits(cuda, spec, &partial, splits, dw)?;
    add_splits(cuda, spec, &bias_partial, splits, db)
}

/// `sums[k] += Σ_s partial[s, k]`, in the order of s.
pub(super) fn add_splits(cuda: &Cuda, spec: &SdcSpec, partial: &Buffer, splits: u32, sums: &mut [Buffer]) -> Result<()> {
    let len = sums.first().map_or(0, Buffer::len);
    let launch = cuda.launch_over(&second_stage::SDC_SUM_SPLITS, spec.branches as usize * len).input(partial);
    let launch = launch.sums::<MAX_BRANCHES>(sums).number("splits", splits).number("branches", spec.branches);
    launch.number("len", len as u32).run()
}
