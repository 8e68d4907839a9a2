//! Convolution on tensor cores, `kernels/conv2d_bf16.cu`: operands are rounded to bf16 into scratch buffers once per call; sums
//! and results are f32. The caller has checked all buffer lengths.

use half::bf16;

use super::Conv2dSpec;
use crate::backend::Storage;
use crate::backend::cuda::cost::{CHUNK, padded};
use crate::backend::cuda::kernels::conv2d_bf16 as kernel;
use crate::backend::cuda::launch::blocks;
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

/// Whether the kernels of this file can index the concatenated operands of `branches` convolutions. With padded channels each
/// operand must have fewer than 2^32 elements, and the reach of kernel and padding must be below the limit above.
pub(in crate::ops) fn fits(spec: &Conv2dSpec, branches: u32) -> bool {
    let whole = |c: u32| padded(c as usize) as u64;
    let product = |factors: &[u64]| factors.iter().try_fold(1u64, |product, &factor| product.checked_mul(factor));
    let [n, h, w, h_out, w_out] = [spec.n, spec.h, spec.w, spec.h_out, spec.w_out].map(u64::from);
    let (branches, taps) = (u64::from(branches), u64::from(spec.kernel).pow(2));
    let operands = [
        product(&[n, h, w, whole(spec.c_in)]),
        product(&[n, h_out, w_out, branches, whole(spec.c_out)]),
        product(&[branches, taps, whole(spec.c_in), whole(spec.c_out)]),
    ];
    let reach = u64::from(spec.padding) + u64::from(spec.dilation) * u64::from(spec.kernel);
    operands.iter().all(|elements| elements.is_some_and(|elements| elements <= u64::from(u32::MAX)))
        && [h, w, h_out, w_out, reach].iter().all(|&extent| extent <= MAX_EXTENT)
        && spec.c_in.max(spec.c_out) <= MAX_CHANNELS
}

/// Grid for a result with one value per pixel and channel.
pub(in crate::ops) fn pixel_tiles(pixels: usize, channels: usize) -> [u32; 3] {
    [blocks(pixels, PIXELS), blocks(channels, CHANNELS), 1]
}

/// Grid for a weight gradient: one value per output channel and (tap, input channel).
pub(in crate::ops) fn weight_tiles(channels: usize, columns: usize) -> [u32; 2] {
    [blocks(channels, CHANNELS), blocks(columns, WEIGHTS)]
}

/// A scratch buffer of bf16 values, two to an element of the device's f32 memory.
pub(in crate::ops) struct Bf16Buffer(Buffer);

impl Bf16Buffer {
    /// The memory, for a kernel that reads it as bf16.
    pub(in crate::ops) fn memory(&self) -> &Buffer {
        &self.0
    }
}

impl Cuda {
    /// Allocates a scratch buffer for `len` bf16 values.
    pub(in crate::ops) fn alloc_bf16(&self, len: usize) -> Result<Bf16Buffer> {
        self.alloc((len * size_of::<bf16>()).div_ceil(size_of::<f32>())).map(Bf16Buffer)
    }

    /// Rounds rows of `c` channels and writes them to rows `first..` of `y`.
    pub(in crate::ops) fn round_rows(&self, x: &Buffer, c: usize, first: usize, y: &mut Bf16Buffer) -> Result<()> {
        let rows = x.len() / c;
        let launch = self.launch_over(&kernel::ROUND_ROWS, rows * padded(c) / CHUNK).input(x).output(&mut y.0);
        launch.number("rows", rows as u32).number("c", c as u32).value(first as u32).run()
    }

    /// Rounded rows of `c` channels.
    pub(in crate::ops) fn rounded(&self, x: &Buffer, c: usize) -> Result<Bf16Buffer> {
        let mut y = self.alloc_bf16(x.len() / c * padded(c))?;
        self.round_rows(x, c, 0, &mut y)?;
        Ok(y)
    }

    /// Rounds weights `[c_out, taps, c_in]` into branch `branch` of `[c_in, branches, taps, c_out]`.
    pub(in crate::ops) fn round_transposed(
        &self,
        spec: &Conv2dSpec,
        w: &Buffer,
        [branch, branches]: [u32; 2],
        y: &mut Bf16Buffer,
    ) -> Result<()> {
        let taps = spec.kernel * spec.kernel;
        let threads = padded(spec.c_out as usize) / CHUNK * (taps * spec.c_in) as usize;
        let launch = self.launch_over(&kernel::ROUND_TRANSPOSED, threads).input(w).output(&mut y.0);
        let launch = launch.number("c_out", spec.c_out).number("taps", taps).number("c_in", spec.c_in);
        launch.value(branch).value(branches).run()
    }

    /// `y = A(w * x + b)`.
    pub(in crate::ops) fn conv2d_bf16(
        &self,
        spec: &Conv2dSpec,
        x: &Buffer,
        w: &Buffer,
        b: Option<&Buffer>,
        y: &mut Buffer,
    ) -> Result<()> {
        let [c_in, c_out] = [spec.c_in, spec.c_out].map(|channels| channels as usize);
        let grid = pixel_tiles(y.len() / c_out, c_out);
        let (x, w) = (self.rounded(x, c_in)?, self.rounded(w, c_in)?);
        self.launch(&kernel::CONV2D_BF16, grid).input(x.memory()).input(w.memory()).bias(b).output(y).value(*spec).run()
    }

    /// `dx += wᵀ * dz`.
    pub(in crate::ops) fn conv2d_input_grad_bf16(
        &self,
        spec: &Conv2dSpec,
        dz: &Buffer,
        w: &Buffer,
        dx: &mut Buffer,
    ) -> Result<()> {
        let [c_in, c_out] = [spec.c_in, spec.c_out].map(|channels| channels as usize);
        let grid = pixel_tiles(dx.len() / c_in, c_in);
        let dz = self.rounded(dz, c_out)?;
        let mut turned = self.alloc_bf16(w.len() / c_out * padded(c_out))?;
        self.round_transposed(spec, w, [0, 1], &mut turned)?;
        self.launch(&kernel::CONV2D_INPUT_GRAD_BF16, grid).input(dz.memory()).input(turned.memory()).output(dx).value(*spec).run()
    }

    /// `dw += Σ x dz`.
    pub(in crate::ops) fn conv2d_weight_grad_bf16(
        &self,
        spec: &Conv2dSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
    ) -> Result<()> {
        let [c_in, c_out, taps] = [spec.c_in, spec.c_out, spec.kernel * spec.kernel].map(|extent| extent as usize);
        let product = [c_out, taps * c_in, dz.len() / c_out];
        let [m, n] = weight_tiles(c_out, taps * padded(c_in));
        let (x, dz) = (self.rounded(x, c_in)?, self.rounded(dz, c_out)?);
        self.split_product(product, dw, |[_, _, splits], partial| {
            let launch = self.launch(&kernel::CONV2D_WEIGHT_GRAD_BF16, [m, n, splits]).with("splits", splits as usize);
            launch.input(x.memory()).input(dz.memory()).output(partial).value(*spec).run()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Conv2dOptions;
    use crate::shape::Shape;

    fn fits_of(x: [usize; 4], c_out: usize, padding: usize) -> Result<bool> {
        let options = Conv2dOptions { padding, ..Conv2dOptions::same(1, 1, crate::shape::Activation::Identity) };
        let spec = Conv2dSpec::new(&Shape::new(&x)?, &Shape::new(&[c_out, 1, 1, x[3]])?, None, options)?;
        Ok(fits(&spec, 1))
    }

    #[test]
    fn operands_that_cannot_be_indexed_do_not_fit() -> Result<()> {
        assert!(fits_of([8, 256, 256, 3], 64, 0)?);
        assert!(fits_of([1, 1 << 14, (1 << 15) - 1, 7], 7, 0)?);
        // With channels padded to 8 this has 2^32 elements.
        assert!(!fits_of([1, 1 << 14, 1 << 15, 7], 7, 0)? && !fits_of([2, 1 << 14, 1 << 14, 7], 1, 0)?);
        assert!(!fits_of([1, 1, 1, (1 << 16) + 1], 1, 0)?);
        Ok(())
    }
}
