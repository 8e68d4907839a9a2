//! The one place with `unsafe`: the micro-kernel behind every matrix product, vectors of 16 floats, and a way to compile plain
//! loops for the instructions this machine has. The public face is safe: bounds are checked before any pointer is followed.

use std::fmt;

use lanes::CHAINS;

use crate::error::{Error, Result};

mod lanes;
mod tile;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use lanes::LANES;
pub(crate) use tile::{COLUMNS, Left, ROWS, Right, Segment, Size, Start, Target, cut};
#[cfg(test)]
pub(crate) use vector::unpair;
pub(crate) use vector::{Vector, VectorWork, WHOLE, pair};

/// Instruction sets with a kernel of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// Whatever the compiler targets.
    Portable,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
        })
    }
}

/// An instruction set that this machine is known to have: only [`Simd::new`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simd {
    path: Path,
    /// Whether products of pairs of bf16 are one instruction; only on [`Path::Avx512`].
    bf16: bool,
}

impl Simd {
    /// Kernels for `path`.
    ///
    /// # Errors
    /// The machine does not have these instructions.
    pub fn new(path: Path) -> Result<Self> {
        if available(path) {
            Ok(Self { path, bf16: path == Path::Avx512 && has_bf16() })
        } else {
            Err(Error::Device { device: "cpu", reason: format!("this machine has no {path} instructions") })
        }
    }

    /// The instructions in use.
    pub fn path(self) -> Path {
        self.path
    }

    /// Whether products of pairs of bf16 are one instruction.
    pub fn has_bf16(self) -> bool {
        self.bf16
    }

    /// The widest instructions of this machine.
    pub fn widest() -> Self {
        [Path::Avx512, Path::Avx2]
            .into_iter()
            .find_map(|path| Self::new(path).ok())
            .unwrap_or(Self { path: Path::Portable, bf16: false })
    }

    /// Does `iterations` of as many fused multiply-adds as fill the processor, in registers, and nothing else. Returns the operations.
    pub fn multiply_add(self, iterations: usize) -> u64 {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has seen the instructions.
            Path::Avx512 => unsafe { x86::multiply_add_avx512(iterations) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe { x86::multiply_add_avx2(iterations) },
            _ => multiply_add(iterations),
        }
    }

    /// As [`Simd::multiply_add`] with pairs of bf16 and sums in f32; None where the machine has no such instructions.
    pub fn multiply_add_bf16(self, iterations: usize) -> Option<u64> {
        #[cfg(target_arch = "x86_64")]
        if self.bf16 {
            // SAFETY: `Simd::new` has seen the instructions.
            return Some(unsafe { x86::multiply_add_bf16(iterations) });
        }
        let _ = iterations;
        None
    }

    /// Runs `work` compiled for these instructions. Only what is inlined into `work` gains from it.
    #[inline]
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has seen the instructions.
            Path::Avx512 => unsafe { x86::run_avx512(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe { x86::run_avx2(work) },
            _ => work(),
        }
    }

    /// Runs `work` with the vectors of these instructions. Only what is inlined into it is compiled for them.
    #[inline]
    pub fn vectorised<W: VectorWork>(self, work: W) -> W::Output {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has seen the instructions, and only here are these vectors named.
            Path::Avx512 if self.bf16 => unsafe {
                x86::run_avx512_bf16(
                    #[inline(always)]
                    || work.run::<x86::Wide512<true>>(),
                )
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx512 => unsafe {
                x86::run_avx512(
                    #[inline(always)]
                    || work.run::<x86::Wide512<false>>(),
                )
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe {
                x86::run_avx2(
                    #[inline(always)]
                    || work.run::<x86::Wide256>(),
                )
            },
            _ => work.run::<vector::Portable>(),
        }
    }
}

/// Whether this machine has the instructions of `path`.
fn available(path: Path) -> bool {
    match path {
        Path::Portable => true,
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => {
            available(Path::Avx2)
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
        }
        #[cfg(not(target_arch = "x86_64"))]
        _ => false,
    }
}

/// Whether this machine multiplies pairs of bf16.
fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// In plain safe loops.
fn multiply_add(iterations: usize) -> u64 {
    let mut sums = [[1.0_f32; LANES]; CHAINS];
    let (factor, term) = (std::hint::black_box(0.999_9_f32), std::hint::black_box(1e-4_f32));
    for _ in 0..iterations {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * factor + term);
    }
    std::hint::black_box(sums);
    (2 * LANES * CHAINS * iterations) as u64
}
