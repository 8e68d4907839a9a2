//! Fast f32 on any CPU: SIMD inside a core, rayon over cores.
//!
//! Every product of matrices goes through one micro-kernel, `simd::Simd::tile` or its form for pairs of bf16; 3x3 convolutions of enough
//! channels by way of `winograd`. Work is cut by shapes alone and partial sums are added in a fixed order, so the bits do not depend on
//! the number of threads.

use std::sync::Arc;

use crate::error::Result;

pub(crate) mod activation;
pub(crate) mod columns;
pub(crate) mod correlate;
pub(crate) mod correlation;
pub(crate) mod dense;
pub(crate) mod elementwise;
mod exp;
pub(crate) mod finish;
pub(crate) mod outer;
pub(crate) mod pack;
pub(crate) mod pairs;
pub(crate) mod range;
pub(crate) mod simd;
pub(crate) mod storage;
pub(crate) mod strips;
pub(crate) mod winograd;

pub use simd::Path;
pub use storage::Buffer;

use simd::Simd;
use storage::FreeList;

/// The fast CPU backend. It works in the rayon pool it is called from; clones share one free list of memory.
#[derive(Clone, Debug)]
pub struct Cpu {
    pub(crate) simd: Simd,
    /// Whether products may round their operands to bf16.
    bf16: bool,
    memory: Arc<FreeList>,
}

impl Cpu {
    /// A backend with its own memory and the widest instructions of this machine.
    pub fn new() -> Self {
        Self { simd: Simd::widest(), bf16: false, memory: Arc::default() }
    }

    /// A backend that keeps to one instruction set.
    ///
    /// # Errors
    /// The machine does not have it.
    pub fn with_path(path: Path) -> Result<Self> {
        Ok(Self { simd: Simd::new(path)?, bf16: false, memory: Arc::default() })
    }

    /// The same device with operands rounded to bf16 where that is faster and channels are a multiple of 32: in the forward pass and input
    /// gradient of linear maps, 1x1 convolutions and convolutions that are not done by Winograd's method, and in all of the CCM. Sums,
    /// activations, weights and gradients stay f32. Any processor can; those with AVX512-BF16 are fast at it.
    #[must_use]
    pub fn with_bf16(&self) -> Self {
        Self { bf16: true, ..self.clone() }
    }

    /// The same device with all products in f32.
    #[must_use]
    pub fn with_f32(&self) -> Self {
        Self { bf16: false, ..self.clone() }
    }

    /// The same device with memory of its own.
    #[cfg(test)]
    pub(crate) fn with_fresh_memory(&self) -> Self {
        Self { memory: Arc::default(), ..self.clone() }
    }

    /// Peak bytes held so far, including the free list.
    pub fn peak_bytes(&self) -> usize {
        self.memory.peak_bytes()
    }

    /// Does fused multiply-adds in registers and nothing else on every thread of the pool, and returns their number of operations: what
    /// the processor's peak is measured with.
    pub fn multiply_add(&self, iterations: usize) -> u64 {
        rayon::broadcast(|_| self.simd.multiply_add(iterations)).into_iter().sum()
    }

    /// The same with pairs of bf16 and sums in f32; None where the processor cannot.
    pub fn multiply_add_bf16(&self, iterations: usize) -> Option<u64> {
        rayon::broadcast(|_| self.simd.multiply_add_bf16(iterations)).into_iter().sum()
    }

    /// The vector instructions in use.
    pub fn path(&self) -> Path {
        self.simd.path()
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}
