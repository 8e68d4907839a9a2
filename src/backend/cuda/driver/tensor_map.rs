//! Arrays as the copy engine of Hopper (the tensor memory accelerator) sees them.

use bytemuck::{NoUninit, Zeroable};
use serde::Serialize;

/// An array of bf16 with four dimensions, the first of which is contiguous, and the box that one copy brings to shared memory,
/// swizzled by 128 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// Of the first element, a multiple of 16.
    pub address: u64,
    /// Elements along each dimension.
    pub len: [u32; 4],
    /// Bytes between neighbours along the second to the fourth dimension, multiples of 16.
    pub stride: [u64; 3],
    /// Elements of the box along each dimension; at most 64 along the first.
    pub tile: [u32; 4],
}

/// What a kernel takes as `const __grid_constant__ TensorMap`.
#[derive(Clone, Copy, Debug, NoUninit, Zeroable, Serialize)]
#[repr(C, align(64))]
pub struct TensorMap(pub(super) [u64; 16]);
