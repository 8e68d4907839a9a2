//! Instructions of Hopper GPUs (sm_90a): copies of tiles, barriers in shared memory, products of a group of four warps. No operation uses
//! them yet, because nothing here has run on such a GPU.
//!
//! - [`probe`] asks how the matrix instruction addresses shared memory. The emulator models the answers that the PTX manual gives.
//! - `conv2d` is a 3x3 convolution, proved on the emulator as far as its model is right.

mod conv2d;
mod layout;
mod probe;

pub use conv2d::Conv3x3;
pub use layout::{Case, Matrix, Place};
pub use probe::{Answer, PROBES, Probe, Reading, probe};

use super::device::Cuda;
use super::storage::Buffer;
use crate::backend::Storage;
use crate::error::Result;

impl Cuda {
    /// Uploads values rounded to bf16, two to an element of the buffer. An odd number is filled up with a zero.
    ///
    /// # Errors
    /// Out of memory; the device failed.
    pub fn upload_bf16(&self, values: &[f32]) -> Result<Buffer> {
        let bits = |value: Option<&f32>| u32::from(half::bf16::from_f32(value.copied().unwrap_or_default()).to_bits());
        let pair = |pair: &[f32]| f32::from_bits(bits(pair.first()) | bits(pair.get(1)) << 16);
        self.upload(&values.chunks(2).map(pair).collect::<Vec<_>>())
    }
}
