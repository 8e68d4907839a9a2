//! The 3x3 convolution of `kernels/conv2d_wgmma.cu`. Only tests and `examples/calibrate.rs` launch it.

use crate::backend::cuda::device::Cuda;
use crate::backend::cuda::driver::Tiles;
use crate::backend::cuda::kernels::conv2d_wgmma::CONV2D_WGMMA;
use crate::backend::cuda::storage::Buffer;
use crate::backend::{Work, check_len};
use crate::error::{Error, Result};

/// Pixels of a block along x and y, and channels of a step.
const WIDE: u32 = 16;
const HIGH: u32 = 4;
const CHANNELS: u32 = 64;
/// Bytes of a bf16.
const BYTES: u64 = 2;

/// Sizes of a 3x3 convolution with zeros outside of the image.
#[derive(Clone, Copy, Debug)]
pub struct Conv3x3 {
    /// Images.
    pub n: u32,
    /// Height in pixels.
    pub h: u32,
    /// Width in pixels.
    pub w: u32,
    /// Input channels, a multiple of 64.
    pub ci: u32,
    /// Output channels, a multiple of 64.
    pub co: u32,
}

impl Conv3x3 {
    /// y = conv(x, weights) + bias. `x: [n, h, w, ci]` and `weights: [co, 3, 3, ci]` are from [`Cuda::upload_bf16`]; `bias: [co]` and
    /// `y: [n, h, w, co]` are f32. Returns its work. Does not wait for the device.
    ///
    /// # Errors
    /// Channels are no multiples of 64, a buffer has another length, or the device is no Hopper GPU.
    pub fn run(&self, cuda: &Cuda, x: &Buffer, weights: &Buffer, bias: &Buffer, y: &mut Buffer) -> Result<Work> {
        let &Self { n, h, w, ci, co } = self;
        if [ci, co].iter().any(|channels| *channels == 0 || channels % CHANNELS > 0) {
            return Err(Error::argument(format!("conv2d_wgmma: channels must be multiples of {CHANNELS}, got {ci} and {co}")));
        }
        let len = |sizes: &[u32]| sizes.iter().map(|size| *size as usize).product::<usize>();
        check_len("conv2d_wgmma", "x", x.len(), len(&[n, h, w, ci]) / 2)?;
        check_len("conv2d_wgmma", "weights", weights.len(), len(&[co, 9, ci]) / 2)?;
        check_len("conv2d_wgmma", "bias", bias.len(), co as usize)?;
        check_len("conv2d_wgmma", "y", y.len(), len(&[n, h, w, co]))?;
        let pixel = BYTES * u64::from(ci);
        let stride = [pixel, pixel * u64::from(w), pixel * u64::from(w) * u64::from(h)];
        let tile = [CHANNELS, WIDE, HIGH, 1];
        let images = cuda.driver.tensor_map(&Tiles { address: x.address(), len: [ci, w, h, n], stride, tile })?;
        let (stride, tile) = ([pixel, 9 * pixel, 9 * pixel * u64::from(co)], [CHANNELS, 1, CHANNELS, 1]);
        let taps = cuda.driver.tensor_map(&Tiles { address: weights.address(), len: [ci, 9, co, 1], stride, tile })?;
        let grid = [w.div_ceil(WIDE), h.div_ceil(HIGH), n * (co / CHANNELS)];
        let launch = cuda.launch(&CONV2D_WGMMA, grid).value(images).value(taps).input(bias).output(y);
        let launch = launch.number("h", h).number("w", w).number("ci", ci).number("co", co);
        launch.with("n", n as usize).run()?;
        let variables = [("n", n), ("h", h), ("w", w), ("ci", ci), ("co", co)];
        CONV2D_WGMMA.work(&variables.map(|(name, value)| (name.into(), u64::from(value))))
    }
}
