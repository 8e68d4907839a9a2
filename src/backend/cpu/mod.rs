//! Fast f32 on any CPU: SIMD inside a core, rayon over cores.
//!
//! Every matrix product uses one micro-kernel: `simd::Simd::tile`, or `simd::Simd::tile_pairs` for bf16. 3x3 convolutions with
//! enough channels use Winograd's algorithm (`winograd`). Work is divided by shapes alone and partial sums are added in a fixed
//! order, so the bits do not depend on the number of threads.

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

pub use simd::Isa;
pub use storage::Buffer;
pub(crate) use storage::reserved;

use simd::Simd;
use storage::FreeList;

/// The fast CPU backend. It runs in the rayon pool of its caller. Clones share one free list of memory.
#[derive(Clone, Debug)]
pub struct Cpu {
    pub(crate) simd: Simd,
    /// Whether images are stored as bf16.
    bf16: bool,
    memory: Arc<FreeList>,
}

impl Cpu {
    /// A backend with its own memory and the instruction set with the widest vectors that this machine has.
    pub fn new() -> Self {
        Self { simd: Simd::widest(), bf16: false, memory: Arc::default() }
    }

    /// A backend that uses one given instruction set.
    ///
    /// # Errors
    /// The machine does not have this instruction set.
    pub fn with_isa(isa: Isa) -> Result<Self> {
        Ok(Self { simd: Simd::new(isa)?, bf16: false, memory: Arc::default() })
    }

    /// The same device in bf16, with the roundings of a GPU in bf16: activations `[N, H, W, C]` with whole chunks of eight
    /// channels, and their gradients, are rounded once when they are stored; weights are rounded for products between two such
    /// images; in the CCM also (s-u)², h, β and the gradients before its activations. Sums, biases, weights, their gradients and
    /// the optimiser stay f32. Products of two stored images use the bf16 instructions where they are faster and the channels are
    /// a multiple of 32, otherwise f32 on rounded operands. A CCM whose channels are not a multiple of 32 does not round (s-u)²
    /// again. This works on every processor, and is fast on those with AVX512-BF16.
    #[must_use]
    pub fn with_bf16(&self) -> Self {
        Self { bf16: true, ..self.clone() }
    }

    /// The same device with all products in f32.
    #[must_use]
    pub fn with_f32(&self) -> Self {
        Self { bf16: false, ..self.clone() }
    }

    /// The same device with its own memory.
    #[cfg(test)]
    pub(crate) fn with_fresh_memory(&self) -> Self {
        Self { memory: Arc::default(), ..self.clone() }
    }

    /// Largest number of bytes held so far, including the free list.
    pub fn peak_bytes(&self) -> usize {
        self.memory.peak_bytes()
    }

    /// Runs only fused multiply-adds on registers, on every thread of the pool, and returns the number of floating-point
    /// operations. Used to measure the processor's peak.
    pub fn multiply_add(&self, iterations: usize) -> u64 {
        rayon::broadcast(|_| self.simd.multiply_add(iterations)).into_iter().sum()
    }

    /// The same with pairs of bf16 and sums in f32; None if the processor has no instruction for it.
    pub fn multiply_add_bf16(&self, iterations: usize) -> Option<u64> {
        rayon::broadcast(|_| self.simd.multiply_add_bf16(iterations)).into_iter().sum()
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.simd.isa()
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}
