//! What is known of each kernel before it runs: its file, its block, what it costs.

use super::{
    box_average, ccm, channels, conv2d, conv2d_bf16, corruption, gemm, linear, objective, optimise, peak, pointwise, pool,
    reduce, sdc, sdc_bf16, upsample,
};
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
    /// Floating-point operations of one launch, 2 per multiply-add, as a formula, which profilers evaluate. The kernel's header has the
    /// same text.
    pub flops: &'static str,
    /// Bytes of global memory that a launch must move at least, as a formula, which profilers evaluate. The kernel's header has the
    /// same text.
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

/// Every kernel, in the order of the files.
pub const KERNELS: &[&[&Kernel]] = &[
    box_average::KERNELS,
    ccm::KERNELS,
    channels::KERNELS,
    conv2d::KERNELS,
    conv2d_bf16::KERNELS,
    corruption::KERNELS,
    gemm::KERNELS,
    linear::KERNELS,
    objective::KERNELS,
    optimise::KERNELS,
    peak::KERNELS,
    pointwise::KERNELS,
    pool::KERNELS,
    reduce::KERNELS,
    sdc::KERNELS,
    sdc_bf16::KERNELS,
    upsample::KERNELS,
];

/// The text of their headers, `(name, text)`.
pub const HEADERS: &[(&str, &str)] = &[
    ("activation.cuh", include_str!("../../../kernels/activation.cuh")),
    ("dev.cuh", include_str!("../../../kernels/dev.cuh")),
    ("elements.cuh", include_str!("../../../kernels/elements.cuh")),
    ("gemm.cuh", include_str!("../../../kernels/gemm.cuh")),
    ("mma.cuh", include_str!("../../../kernels/mma.cuh")),
    ("patches_bf16.cuh", include_str!("../../../kernels/patches_bf16.cuh")),
    ("philox.cuh", include_str!("../../../kernels/philox.cuh")),
    ("sdc.cuh", include_str!("../../../kernels/sdc.cuh")),
    ("spec.cuh", include_str!("../../../kernels/spec.cuh")),
    ("sums.cuh", include_str!("../../../kernels/sums.cuh")),
    ("taps.cuh", include_str!("../../../kernels/taps.cuh")),
];
