//! GPU architectures that kernels are compiled for, their limits per multiprocessor, and occupancy.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Resources;
use crate::error::{Error, Result};

/// Threads per warp.
const WARP: u32 = 32;
/// Partitions of a multiprocessor, each with its own registers and warps.
const PARTITIONS: u32 = 4;
/// Most registers per thread.
const MAX_REGISTERS: u32 = 255;
/// Registers are allocated to warps in multiples of this.
const REGISTER_GRANULARITY: u32 = 256;
/// Shared memory is allocated to blocks in multiples of this many bytes.
const SHARED_GRANULARITY: u32 = 128;
/// Bytes of shared memory per block that the system reserves.
const RESERVED_SHARED: u32 = 1024;

/// An architecture with its limits per multiprocessor (CUDA C++ Programming Guide, technical specifications per compute
/// capability).
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// Name for the compiler, e.g. `sm_90a`.
    pub name: &'static str,
    /// Compute capability, (major, minor).
    pub capability: (u32, u32),
    /// Most threads per multiprocessor.
    pub threads: u32,
    /// Most blocks per multiprocessor.
    pub blocks: u32,
    /// 32-bit registers per multiprocessor.
    pub registers: u32,
    /// Bytes of shared memory per multiprocessor.
    pub shared: u32,
    /// Most bytes of shared memory per block.
    pub shared_per_block: u32,
}

/// What keeps further blocks from being resident on a multiprocessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limiter {
    /// The most threads are resident: occupancy is full, or a further block is too large for what is left.
    Threads,
    /// Registers.
    Registers,
    /// Shared memory.
    Shared,
    /// The most blocks are resident.
    Blocks,
}

impl Limiter {
    /// One word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Registers => "registers",
            Self::Shared => "shared",
            Self::Blocks => "blocks",
        }
    }
}

/// Blocks of a kernel on one multiprocessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residency {
    /// How many are resident at a time; 0 if not even one fits.
    pub blocks: u32,
    /// Why not more.
    pub limiter: Limiter,
}

const fn arch(name: &'static str, capability: (u32, u32), threads: u32, blocks: u32, shared_kib: u32) -> Arch {
    let shared = shared_kib * 1024;
    Arch { name, capability, threads, blocks, registers: 65536, shared, shared_per_block: shared - RESERVED_SHARED }
}

/// Supported architectures, ordered by compute capability.
pub static ARCHITECTURES: [Arch; 7] = [
    arch("sm_80", (8, 0), 2048, 32, 164),
    arch("sm_86", (8, 6), 1536, 16, 100),
    arch("sm_89", (8, 9), 1536, 24, 100),
    arch("sm_90", (9, 0), 2048, 32, 228),
    arch("sm_90a", (9, 0), 2048, 32, 228),
    arch("sm_100", (10, 0), 2048, 32, 228),
    arch("sm_120", (12, 0), 1536, 24, 100),
];

impl Arch {
    /// The architecture called `name`, e.g. `sm_90a`.
    ///
    /// # Errors
    /// No supported architecture has this name.
    pub fn named(name: &str) -> Result<&'static Self> {
        let found = ARCHITECTURES.iter().find(|arch| arch.name == name);
        found.ok_or_else(|| {
            let hint = suggestion(name).map_or_else(|| "; ".to_owned(), |arch| format!("; did you mean {arch}? "));
            Error::argument(format!("there is no architecture `{name}`{hint}known are {}", known()))
        })
    }

    /// The best architecture for a GPU of this compute capability. Code runs on GPUs of the same major version and an equal or
    /// later minor version. Code for an architecture whose name ends with a letter runs only on that exact capability.
    ///
    /// # Errors
    /// No supported architecture runs on this GPU.
    pub fn of_capability(major: u32, minor: u32) -> Result<&'static Self> {
        let fits = |arch: &&Self| {
            let (own_major, own_minor) = arch.capability;
            own_major == major && if arch.is_exact() { own_minor == minor } else { own_minor <= minor }
        };
        let found = ARCHITECTURES.iter().rev().find(fits);
        found.ok_or_else(|| {
            Error::argument(format!(
                "there are no kernels for a GPU of compute capability {major}.{minor}; known architectures are {}",
                known()
            ))
        })
    }

    fn is_exact(&self) -> bool {
        self.name.ends_with('a')
    }

    /// Most warps per multiprocessor.
    pub fn warps(&self) -> u32 {
        self.threads / WARP
    }

    /// How many blocks of `threads` threads are resident on one multiprocessor at a time, and why not more, if each needs the
    /// resources `used` and `dynamic_shared` additional bytes of shared memory.
    pub fn residency(&self, used: &Resources, threads: u32, dynamic_shared: u32) -> Residency {
        let warps = threads.div_ceil(WARP).max(1);
        let shared = used.shared_bytes.saturating_add(dynamic_shared);
        if shared > self.shared_per_block {
            return Residency { blocks: 0, limiter: Limiter::Shared };
        }
        let by_shared = self.shared / (shared + RESERVED_SHARED).next_multiple_of(SHARED_GRANULARITY);
        let of_warp = (used.registers.min(MAX_REGISTERS) * WARP).next_multiple_of(REGISTER_GRANULARITY).max(REGISTER_GRANULARITY);
        let by_registers = self.registers / PARTITIONS / of_warp * PARTITIONS / warps;
        let limits = [
            (self.warps() / warps, Limiter::Threads),
            (by_registers, Limiter::Registers),
            (by_shared, Limiter::Shared),
            (self.blocks, Limiter::Blocks),
        ];
        // Of equal limits the first is named: full occupancy needs no other reason than the threads.
        let (blocks, limiter) = limits.into_iter().min_by_key(|(blocks, _)| *blocks).unwrap_or((0, Limiter::Threads));
        Residency { blocks, limiter }
    }

    /// [`Residency::blocks`]; 0 if not even one block fits.
    pub fn resident_blocks(&self, used: &Resources, threads: u32, dynamic_shared: u32) -> u32 {
        self.residency(used, threads, dynamic_shared).blocks
    }

    /// Resident warps divided by the maximum, in 0..=1. For the arguments see [`Arch::resident_blocks`].
    pub fn occupancy(&self, used: &Resources, threads: u32, dynamic_shared: u32) -> f64 {
        let warps = self.resident_blocks(used, threads, dynamic_shared) * threads.div_ceil(WARP);
        f64::from(warps) / f64::from(self.warps())
    }
}

/// The name.
impl fmt::Display for Arch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

/// The only architecture whose name differs in one letter, or in the way it is written, as `SM90A` or `compute_90a` do.
fn suggestion(name: &str) -> Option<&'static Arch> {
    let plain = |name: &str| name.to_lowercase().replace("compute", "sm").replace(['_', '-', ' ', '.'], "");
    let distance = |arch: &Arch| {
        let (own, other) = (plain(arch.name), plain(name));
        if own == other || own.strip_prefix("sm") == Some(&other) { 0 } else { strsim::levenshtein(&own, &other) }
    };
    let least = ARCHITECTURES.iter().map(distance).min().filter(|least| *least <= 1)?;
    let mut nearest = ARCHITECTURES.iter().filter(|arch| distance(arch) == least);
    nearest.next().filter(|_| nearest.next().is_none())
}

fn known() -> String {
    ARCHITECTURES.each_ref().map(|arch| arch.name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(registers: u32, shared_bytes: u32) -> Resources {
        Resources { registers, shared_bytes, ..Resources::default() }
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_known_ones() {
        let error = Arch::named("sm_70").unwrap_err().to_string();
        let known = "sm_80, sm_86, sm_89, sm_90, sm_90a, sm_100, sm_120";
        assert_eq!(error, format!("there is no architecture `sm_70`; known are {known}"));
        assert_eq!(Arch::named("sm_90a").unwrap().capability, (9, 0));
    }

    #[test]
    fn the_error_for_a_misspelled_name_suggests_the_right_one() {
        for (wrong, right) in
            [("SM_90a", "sm_90a"), ("sm90a", "sm_90a"), ("80", "sm_80"), ("compute_89", "sm_89"), ("sm_12", "sm_120")]
        {
            let error = Arch::named(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`; did you mean {right}? known are sm_80, ")), "{error}");
        }
        // Several are as near, or none is.
        for wrong in ["sm_70", "", "hopper", "sm_999"] {
            let error = Arch::named(wrong).unwrap_err().to_string();
            assert!(!error.contains("did you mean"), "{error}");
        }
    }

    #[test]
    fn each_capability_gets_the_best_architecture_that_runs_on_it() {
        for (capability, name) in [
            ((8, 0), "sm_80"),
            ((8, 6), "sm_86"),
            ((8, 7), "sm_86"),
            ((8, 9), "sm_89"),
            ((9, 0), "sm_90a"),
            ((10, 0), "sm_100"),
            ((10, 3), "sm_100"),
            ((12, 0), "sm_120"),
            ((12, 1), "sm_120"),
        ] {
            assert_eq!(Arch::of_capability(capability.0, capability.1).unwrap().name, name);
        }
        for (major, minor) in [(7, 5), (11, 0), (13, 0)] {
            let error = Arch::of_capability(major, minor).unwrap_err().to_string();
            assert!(error.contains(&format!("compute capability {major}.{minor}")), "{error}");
        }
    }

    // Values from NVIDIA's occupancy calculator.
    #[test]
    fn occupancy_is_limited_by_the_scarcest_resource() {
        let of = |name: &str, registers, shared, threads, dynamic| {
            Arch::named(name).unwrap().occupancy(&used(registers, shared), threads, dynamic)
        };
        assert_eq!(of("sm_90", 32, 0, 256, 0), 1.0);
        assert_eq!(of("sm_90", 33, 0, 256, 0), 0.75, "40 registers per thread, 12 warps per partition, 6 blocks of 8 warps");
        assert_eq!(of("sm_80", 64, 0, 256, 0), 0.5);
        assert_eq!(of("sm_80", 255, 0, 256, 0), 0.125);
        assert_eq!(of("sm_80", 16, 0, 32, 0), 0.5, "32 blocks of one warp");
        assert_eq!(of("sm_86", 16, 0, 32, 0), 16.0 / 48.0, "16 blocks of one warp");
        assert_eq!(of("sm_86", 16, 0, 1024, 0), 32.0 / 48.0);
        assert_eq!(of("sm_80", 16, 48 * 1024, 256, 0), 24.0 / 64.0, "3 blocks with 49 KiB of 164");
        assert_eq!(of("sm_90", 16, 1024, 256, 200 * 1024), 8.0 / 64.0);
        assert_eq!(of("sm_120", 16, 0, 256, 99 * 1024), 8.0 / 48.0);
        assert_eq!(of("sm_120", 16, 1, 256, 99 * 1024), 0.0, "more than a block may have");
        assert_eq!(of("sm_80", 0, 0, 0, 0), 0.0);
    }

    #[test]
    fn the_limiter_is_the_scarcest_resource() {
        let of = |name: &str, registers, shared, threads, dynamic| {
            let found = Arch::named(name).unwrap().residency(&used(registers, shared), threads, dynamic);
            (found.blocks, found.limiter)
        };
        assert_eq!(of("sm_90", 32, 0, 256, 0), (8, Limiter::Threads), "registers would allow no more either");
        assert_eq!(of("sm_90", 33, 0, 256, 0), (6, Limiter::Registers));
        assert_eq!(of("sm_80", 16, 0, 32, 0), (32, Limiter::Blocks));
        assert_eq!(of("sm_80", 16, 48 * 1024, 256, 0), (3, Limiter::Shared));
        assert_eq!(of("sm_120", 16, 1, 256, 99 * 1024), (0, Limiter::Shared));
        assert_eq!(of("sm_89", 16, 0, 1024, 0), (1, Limiter::Threads), "half of a second block would fit");
    }
}
