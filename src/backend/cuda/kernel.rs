//! Static facts about each kernel: its file, block size and cost.

use crate::backend::Unit;

/// One kernel of `kernels/`.
#[derive(Debug)]
pub struct Kernel {
    /// Its name in the file.
    pub name: &'static str,
    /// Where it is written.
    pub file: &'static File,
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of dynamic shared memory of a block.
    pub dynamic_shared: u32,
    /// What does most of its arithmetic.
    pub unit: Unit,
    /// Floating-point operations of one launch, 2 per multiply-add, as a formula, which profilers evaluate.
    pub flops: &'static str,
    /// Bytes of global memory that a launch must move at least, as a formula, which profilers evaluate.
    pub bytes: &'static str,
}

/// One file of `kernels/`, which compiles on its own.
#[derive(Debug)]
pub struct File {
    /// E.g. `conv2d.cu`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl File {
    /// Its name without the ending.
    pub fn stem(&self) -> &'static str {
        self.name.trim_end_matches(".cu")
    }
}
