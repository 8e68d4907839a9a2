//! Properties of a kernel that are known at build time: its file, block size and cost.

use crate::backend::Unit;

/// A kernel in `kernels/`.
#[derive(Debug)]
pub struct Kernel {
    /// Name of its function.
    pub name: &'static str,
    /// The file that defines it.
    pub file: &'static File,
    /// Threads per block.
    pub threads: u32,
    /// Bytes of dynamic shared memory per block.
    pub dynamic_shared: u32,
    /// The hardware unit that performs most of its arithmetic.
    pub unit: Unit,
    /// Floating-point operations per launch, 2 per multiply-add, as a formula that profilers evaluate.
    pub flops: &'static str,
    /// Bytes of global memory that a launch must read and write at least, as a formula that profilers evaluate.
    pub bytes: &'static str,
}

/// A file in `kernels/` that is compiled by itself.
#[derive(Debug)]
pub struct File {
    /// E.g. `conv2d.cu`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// The only architecture that it compiles for; None if it compiles for all.
    pub only: Option<&'static str>,
}

impl File {
    /// Its name without the extension.
    pub fn stem(&self) -> &'static str {
        self.name.trim_end_matches(".cu")
    }

    /// Whether it compiles for the architecture of this name.
    pub fn runs_on(&self, arch: &str) -> bool {
        self.only.is_none_or(|only| only == arch)
    }
}
