//! Architectures that kernels are compiled for, the limits of their multiprocessors, and occupancy.

use std::fmt;

use super::Resources;
use crate::error::{Error, Result};

/// Threads of a warp.
const WARP: u32 = 32;
/// Parts of a multiprocessor, each with its own registers and warps.
const PARTITIONS: u32 = 4;
/// Most registers of a thread.
const MAX_REGISTERS: u32 = 255;
/// Registers are given to warps in multiples of this.
const REGISTER_GRANULARITY: u32 = 256;
/// Shared memory is given to blocks in multiples of this many bytes.
const SHARED_GRANULARITY: u32 = 128;
/// Shared memory that every block loses to the system, in bytes.
const RESERVED_SHARED: u32 = 1024;

/// An architecture, with the limits of one of its multiprocessors (CUDA C++ Programming Guide, technical specifications per
/// compute capability).
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// As the compiler calls it, e.g. `sm_90a`.
    pub name: &'static str,
    /// Compute capability, (major, minor).
    pub capability: (u32, u32),
    /// Most threads of a multiprocessor.
    pub threads: u32,
    /// Most blocks of a multiprocessor.
    pub blocks: u32,
    /// 32-bit registers of a multiprocessor.
    pub registers: u32,
    /// Bytes of shared memory of a multiprocessor.
    pub shared: u32,
    /// Most bytes of shared memory of one block.
    pub shared_per_block: u32,
}

const fn arch(name: &'static str, capability: (u32, u32), threads: u32, blocks: u32, shared_kib: u32) -> Arch {
    let shared = shared_kib * 1024;
    Arch { name, capability, threads, blocks, registers: 65536, shared, shared_per_block: shared - RESERVED_SHARED }
}

/// What kernels are compiled for, in the order of compute capability.
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
    /// There is none of that name.
    pub fn named(name: &str) -> Result<&'static Self> {
        let found = ARCHITECTURES.iter().find(|arch| arch.name == name);
        found.ok_or_else(|| Error::argument(format!("there is no architecture `{name}`; known are {}", known())))
    }

    /// The best architecture for a GPU of this compute capability. Code runs on later minor versions of the same major one;
    /// names that end with a letter run on exactly their own.
    ///
    /// # Errors
    /// The GPU is older than all of them, or of a generation that is not known yet.
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

    /// Most warps of a multiprocessor.
    pub fn warps(&self) -> u32 {
        self.threads / WARP
    }

    /// Blocks of `threads` threads that one multiprocessor holds at a time, if each uses `used` and `dynamic_shared` more bytes
    /// of shared memory. 0 if not even one fits.
    pub fn resident_blocks(&self, used: &Resources, threads: u32, dynamic_shared: u32) -> u32 {
        let warps = threads.div_ceil(WARP).max(1);
        let shared = used.shared_bytes.saturating_add(dynamic_shared);
        if shared > self.shared_per_block {
            return 0;
        }
        let by_shared = self.shared / (shared + RESERVED_SHARED).next_multiple_of(SHARED_GRANULARITY);
        let of_warp = (used.registers.min(MAX_REGISTERS) * WARP).next_multiple_of(REGISTER_GRANULARITY).max(REGISTER_GRANULARITY);
        let by_registers = self.registers / PARTITIONS / of_warp * PARTITIONS / warps;
        self.blocks.min(self.warps() / warps).min(by_shared).min(by_registers)
    }

    /// Resident warps over the most possible, in 0..=1; for the meaning of the arguments see [`Arch::resident_blocks`].
    pub fn occupancy(&self, used: &Resources, threads: u32, dynamic_shared: u32) -> f64 {
        let warps = self.resident_blocks(used, threads, dynamic_shared) * threads.div_ceil(WARP);
        f64::from(warps) / f64::from(self.warps())
    }
}

/// Its name.
impl fmt::Display for Arch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
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
    fn unknown_names_get_the_known_ones() {
        let error = Arch::named("sm_70").unwrap_err().to_string();
        let known = "sm_80, sm_86, sm_89, sm_90, sm_90a, sm_100, sm_120";
        assert_eq!(error, format!("there is no architecture `sm_70`; known are {known}"));
        assert_eq!(Arch::named("sm_90a").unwrap().capability, (9, 0));
    }

    #[test]
    fn capabilities_find_what_runs_on_them() {
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

    // Values of NVIDIA's occupancy calculator.
    #[test]
    fn occupancy_is_limited_by_the_scarcest_resource() {
        let of = |name: &str, registers, shared, threads, dynamic| {
            Arch::named(name).unwrap().occupancy(&used(registers, shared), threads, dynamic)
        };
        assert_eq!(of("sm_90", 32, 0, 256, 0), 1.0);
        assert_eq!(of("sm_90", 33, 0, 256, 0), 0.75, "40 registers a thread, 12 warps a partition, 6 blocks of 8 warps");
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
}
