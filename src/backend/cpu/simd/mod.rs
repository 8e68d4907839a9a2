//! The only `unsafe` code of the CPU backend: the micro-kernel of all matrix products, vectors of 16 floats, and a way to compile
//! plain loops for the instruction set of this machine. The interface is safe: bounds are checked before any pointer is
//! dereferenced.

use std::fmt;

use lanes::CHAINS;

use crate::error::{Error, Result};

mod lanes;
mod tile;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use lanes::LANES;
pub(crate) use tile::{COLUMNS, Left, ROWS, Right, Segment, Size, Start, Target, even_parts};
#[cfg(test)]
pub(crate) use vector::unpair;
pub(crate) use vector::{Vector, VectorWork, WHOLE, pair};

/// An instruction set with its own kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// The baseline that the compiler targets.
    Portable,
}

impl Isa {
    /// Every instruction set, widest vectors first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
        })
    }
}

/// Proof that this machine has an instruction set. [`Simd::new`] and [`Simd::widest`] check this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simd {
    isa: Isa,
    /// Whether there is an instruction for products of bf16 pairs, AVX512-BF16. Only with [`Isa::Avx512`].
    bf16: bool,
}

impl Simd {
    /// Kernels for `isa`.
    ///
    /// # Errors
    /// The machine does not have these instructions.
    pub fn new(isa: Isa) -> Result<Self> {
        if available(isa) {
            Ok(Self { isa, bf16: isa == Isa::Avx512 && has_bf16() })
        } else {
            Err(Error::Device { device: "cpu", reason: format!("this machine has no {isa} instructions") })
        }
    }

    /// The instruction set in use.
    pub fn isa(self) -> Isa {
        self.isa
    }

    /// Whether there is an instruction for products of bf16 pairs.
    pub fn has_bf16(self) -> bool {
        self.bf16
    }

    /// The instruction set with the widest vectors that this machine has.
    pub fn widest() -> Self {
        let portable = Self { isa: Isa::Portable, bf16: false };
        Isa::ALL.into_iter().find_map(|isa| Self::new(isa).ok()).unwrap_or(portable)
    }

    /// One for every instruction set of this machine.
    #[cfg(test)]
    pub fn every() -> impl Iterator<Item = Self> {
        Isa::ALL.into_iter().filter_map(|isa| Self::new(isa).ok())
    }

    /// Runs `iterations` rounds of fused multiply-adds on registers, enough of them in parallel to keep the processor busy.
    /// Returns the number of floating-point operations.
    pub fn multiply_add(self, iterations: usize) -> u64 {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has checked the instruction set.
            Isa::Avx512 => unsafe { x86::multiply_add_avx512(iterations) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { x86::multiply_add_avx2(iterations) },
            _ => multiply_add(iterations),
        }
    }

    /// As [`Simd::multiply_add`] with pairs of bf16 and sums in f32; None if the machine has no such instruction.
    pub fn multiply_add_bf16(self, iterations: usize) -> Option<u64> {
        #[cfg(target_arch = "x86_64")]
        if self.bf16 {
            // SAFETY: `Simd::new` has checked the instruction set.
            return Some(unsafe { x86::multiply_add_bf16(iterations) });
        }
        let _ = iterations;
        None
    }

    /// Runs `work` compiled for this instruction set. This affects only code that is inlined into `work`.
    #[inline]
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has checked the instruction set.
            Isa::Avx512 => unsafe { x86::run_avx512(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { x86::run_avx2(work) },
            _ => work(),
        }
    }

    /// Runs `work` with the vectors of this instruction set. Only code that is inlined into `work` is compiled for it.
    #[inline]
    pub fn vectorised<W: VectorWork>(self, work: W) -> W::Output {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::new` has checked the instruction set, and these vector types are used only here.
            Isa::Avx512 if self.bf16 => unsafe {
                x86::run_avx512_bf16(
                    #[inline(always)]
                    || work.run::<x86::Wide512<true>>(),
                )
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 => unsafe {
                x86::run_avx512(
                    #[inline(always)]
                    || work.run::<x86::Wide512<false>>(),
                )
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe {
                x86::run_avx2(
                    #[inline(always)]
                    || work.run::<x86::Wide256>(),
                )
            },
            _ => work.run::<vector::Portable>(),
        }
    }
}

/// Whether this machine has the instructions of `isa`.
fn available(isa: Isa) -> bool {
    match isa {
        Isa::Portable => true,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            available(Isa::Avx2)
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
        }
        #[cfg(not(target_arch = "x86_64"))]
        _ => false,
    }
}

/// Whether this machine has AVX512-BF16.
fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// [`Simd::multiply_add`] as a plain safe loop.
fn multiply_add(iterations: usize) -> u64 {
    let mut sums = [[1.0_f32; LANES]; CHAINS];
    let (factor, term) = (std::hint::black_box(0.999_9_f32), std::hint::black_box(1e-4_f32));
    for _ in 0..iterations {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * factor + term);
    }
    std::hint::black_box(sums);
    (2 * LANES * CHAINS * iterations) as u64
}
