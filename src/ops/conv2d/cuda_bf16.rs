//! Convolution on tensor cores, `kernels/conv2d_bf16.cu`, between images stored as bf16. Weights are read as bf16: as the rounded
//! copy that a parameter keeps, or rounded once for the call. The caller has checked all buffer lengths.

use super::Conv2dSpec;
use crate::backend::Slope;
use crate::backend::cuda::kernels::conv2d_bf16 as kernel;
use crate::backend::cuda::launch::blocks;
use crate::backend::cuda::reduce::column_sums;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

/// Pixels, channels, and (tap, channel) pairs per block.
const PIXELS: u32 = 128;
const CHANNELS: u32 = 64;
const WEIGHTS: u32 = 128;
/// Largest dimension or distance for which the position arithmetic of the kernels cannot overflow.
const MAX_EXTENT: u64 = 1 << 28;
/// Most channels for which the grid does not exceed its limit along y.
const MAX_CHANNELS: u32 = 1 << 16;

/// Whether the kernels of this file can index the operands: the reach of kernel and padding must be below the limit above.
pub(in crate::ops) fn fits(spec: &Conv2dSpec) -> bool {
    let reach = u64::from(spec.padding) + u64::from(spec.dilation) * u64::from(spec.kernel);
    let extents = [spec.h, spec.w, spec.h_out, spec.w_out].map(u64::from);
    extents.into_iter().chain([reach]).all(|extent| extent <= MAX_EXTENT) && spec.c_in.max(spec.c_out) <= MAX_CHANNELS
}

/// Grid for a result with one value per pixel and channel.
fn pixel_tiles(pixels: usize, channels: u32) -> [u32; 3] {
    [blocks(pixels, PIXELS), channels.div_ceil(CHANNELS), 1]
}

/// `y = A(w * x + b)`.
pub(super) fn forward(cuda: &Cuda, spec: &Conv2dSpec, [x, w]: [&Buffer; 2], b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
    let launch = cuda.launch(&kernel::CONV2D_BF16, pixel_tiles(y.len() / spec.c_out as usize, spec.c_out));
    launch.bf16_input(x).bf16_input(w).bias(b).bf16_output(y).value(*spec).run()
}

/// `dx += wᵀ * dz`, then `dx *= slope`.
pub(super) fn input_grad(
    cuda: &Cuda,
    spec: &Conv2dSpec,
    [dz, w]: [&Buffer; 2],
    dx: &mut Buffer,
    slope: Option<Slope<'_, Buffer>>,
) -> Result<()> {
    let launch = cuda.launch(&kernel::CONV2D_INPUT_GRAD_BF16, pixel_tiles(dx.len() / spec.c_in as usize, spec.c_in));
    launch.bf16_input(dz).bf16_input(w).bf16_sum(dx, "adds").slope(slope, "sloped").value(*spec).run()
}

/// `dw += Σ x dz`, `db += Σ dz`.
pub(super) fn weight_grad(
    cuda: &Cuda,
    spec: &Conv2dSpec,
    [x, dz]: [&Buffer; 2],
    dw: &mut Buffer,
    db: Option<&mut Buffer>,
) -> Result<()> {
    let columns = spec.kernel * spec.kernel * spec.c_in;
    let product = [spec.c_out as usize, columns as usize, dz.len() / spec.c_out as usize];
    cuda.split_product(product, dw, |[_, _, splits], partial| {
        let grid = [spec.c_out.div_ceil(CHANNELS), columns.div_ceil(WEIGHTS), splits];
        let launch = cuda.launch(&kernel::CONV2D_WEIGHT_GRAD_BF16, grid).with("splits", splits as usize);
        launch.bf16_input(x).bf16_input(dz).output(partial).value(*spec).run()
    })?;
    db.map_or(Ok(()), |db| column_sums(cuda, dz, db))
}
