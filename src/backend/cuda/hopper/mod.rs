//! Instructions of Hopper GPUs (sm_90a): copies of tiles, barriers in shared memory, products of a group of four warps. [`probe`]
//! asks how the matrix instruction addresses shared memory; the emulator models the answers that the PTX manual gives. Nothing
//! here has run on such a GPU, so the convolution that uses them is off until [`Cuda::with_wgmma`] turns it on.

mod layout;
mod probe;

pub use layout::{Case, Matrix, Place};
pub use probe::{Answer, PROBES, Probe, Reading, probe};

use super::device::Cuda;
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::{Error, Result};

/// The architecture with these instructions.
const ARCH: &str = "sm_90a";

impl Cuda {
    /// The same device, on which 3x3 convolutions between images stored as bf16 run the matrix instruction of a group of four
    /// warps, if their channels are multiples of 64.
    ///
    /// # Errors
    /// The device is no Hopper GPU.
    pub fn with_wgmma(&self) -> Result<Self> {
        match self.arch() {
            Some(arch) if arch.name != ARCH => {
                let reason = format!("wgmma: {} is compiled for {}, and only {ARCH} has it", self.description(), arch.name);
                Err(Error::Device { device: self.name(), reason })
            }
            _ => Ok(Self { wgmma: true, ..self.clone() }),
        }
    }

    /// Uploads values rounded to bf16, two to an element of the buffer. An odd number is filled up with a zero.
    fn upload_bf16(&self, values: &[f32]) -> Result<Buffer> {
        let bits = |value: Option<&f32>| u32::from(half::bf16::from_f32(value.copied().unwrap_or_default()).to_bits());
        let pair = |pair: &[f32]| f32::from_bits(bits(pair.first()) | bits(pair.get(1)) << 16);
        self.upload(&values.chunks(2).map(pair).collect::<Vec<_>>())
    }
}
