//! 3x3 convolutions by the matrix instruction of Hopper, `kernels/conv2d_wgmma.cu`: forward only, and only after
//! [`Cuda::with_wgmma`], because no GPU has run it yet. Gradients are those of `cuda_3x3`.

use super::Conv2dSpec;
use crate::backend::cuda::kernels::conv2d_wgmma::CONV2D_WGMMA;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

/// Pixels of a block along x and y, and channels of a step.
const WIDE: u32 = 16;
const HIGH: u32 = 4;
const CHANNELS: u32 = 64;
/// Largest extent of a grid along y and z.
const MAX_GRID: u32 = 65_535;

/// Whether this kernel computes a convolution that `cuda_3x3` fits.
pub(super) fn fits(cuda: &Cuda, spec: &Conv2dSpec) -> bool {
    let whole = [spec.c_in, spec.c_out].iter().all(|channels| channels % CHANNELS == 0);
    cuda.wgmma
        && whole
        && spec.h.div_ceil(HIGH) <= MAX_GRID
        && u64::from(spec.n) * u64::from(spec.c_out / CHANNELS) <= MAX_GRID.into()
}

/// `y = A(w * x + b)`.
pub(super) fn forward(cuda: &Cuda, spec: &Conv2dSpec, [x, w]: [&Buffer; 2], b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
    let &Conv2dSpec { n, h, w: width, c_in, c_out, .. } = spec;
    let launch = cuda.launch(&CONV2D_WGMMA, [width.div_ceil(WIDE), h.div_ceil(HIGH), n * (c_out / CHANNELS)]);
    let launch = launch.bf16_tiles(x, [c_in, width, h, n], [CHANNELS, WIDE, HIGH, 1]);
    let launch = launch.bf16_tiles(w, [c_in, 9, c_out, 1], [CHANNELS, 1, CHANNELS, 1]);
    launch.bias(b).bf16_output(y).value(*spec).run()
}
