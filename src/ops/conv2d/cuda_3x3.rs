//! 3x3 convolutions of stride 1 that keep the size of the image, `kernels/conv3x3_bf16.cu`: most layers of the networks. All nine
//! taps read one tile of the image with its halo, and the weight gradient reads each image once.

use super::Conv2dSpec;
use crate::backend::Slope;
use crate::backend::Storage;
use crate::backend::cuda::kernels::conv3x3_bf16 as kernel;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

/// Side of a tile of pixels.
const TILE: u32 = 16;
/// Channels of a tile.
const CHANNELS: u32 = 64;
/// Largest extent of a grid along y and z.
const MAX_GRID: u32 = 65_535;
/// Blocks of a weight gradient, one for each multiprocessor of an H100. Fixed, so that results do not depend on the device.
const BLOCKS: u32 = 132;

/// Whether these kernels compute the convolution on this device.
pub(super) fn fits(cuda: &Cuda, spec: &Conv2dSpec) -> bool {
    let is_plain = (spec.kernel, spec.stride, spec.dilation, spec.padding) == (3, 1, 1, 1);
    is_plain && tiles(spec) <= MAX_GRID && spec.n <= MAX_GRID && cuda.can_launch(&kernel::CONV3X3_WEIGHT_GRAD_BF16)
}

/// Tiles of an image.
fn tiles(spec: &Conv2dSpec) -> u32 {
    spec.h.div_ceil(TILE) * spec.w.div_ceil(TILE)
}

/// `y = A(w * x + b)`, and the maxima of y over windows of 2 x 2 pixels if they are wanted.
pub(super) fn forward(
    cuda: &Cuda,
    spec: &Conv2dSpec,
    [x, w]: [&Buffer; 2],
    b: Option<&Buffer>,
    y: &mut Buffer,
    pooled: Option<&mut Buffer>,
) -> Result<()> {
    let launch = cuda.launch(&kernel::CONV3X3_BF16, [spec.c_out.div_ceil(CHANNELS), tiles(spec), spec.n]);
    let launch = launch.bf16_input(x).bf16_input(w).bias(b).bf16_output(y).bf16_output_if(pooled, "pooled");
    launch.value(*spec).run()
}

/// `dx += wᵀ * dz`, then `dx *= slope`.
pub(super) fn input_grad(
    cuda: &Cuda,
    spec: &Conv2dSpec,
    [dz, w]: [&Buffer; 2],
    dx: &mut Buffer,
    slope: Option<Slope<'_, Buffer>>,
) -> Result<()> {
    let launch = cuda.launch(&kernel::CONV3X3_INPUT_GRAD_BF16, [spec.c_in.div_ceil(CHANNELS), tiles(spec), spec.n]);
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
    let blocks = [spec.c_in.div_ceil(CHANNELS), spec.c_out.div_ceil(CHANNELS)];
    let splits = (BLOCKS / (blocks[0] * blocks[1])).clamp(1, tiles(spec) * spec.n);
    let mut partial = cuda.alloc(splits as usize * dw.len())?;
    let mut bias_partial = db.as_ref().map(|db| cuda.alloc(splits as usize * db.len())).transpose()?;
    let launch = cuda.launch(&kernel::CONV3X3_WEIGHT_GRAD_BF16, [blocks[0], blocks[1], splits]);
    let launch = launch.bf16_input(x).bf16_input(dz).output(&mut partial).output_if(bias_partial.as_mut(), "biases");
    launch.value(*spec).with("splits", splits as usize).run()?;
    cuda.add_splits(&partial, [splits, dw.len() as u32], 0, dw)?;
    match (db, bias_partial) {
        (Some(db), Some(partial)) => cuda.add_splits(&partial, [splits, spec.c_out], 0, db),
        _ => Ok(()),
    }
}
