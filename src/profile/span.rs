//! One operation in time.

use crate::backend::{KernelLaunch, Phase, Work};

/// One launch of a kernel, in the step that [`Observed::take`](super::Observed::take) ended.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSpan {
    /// What was launched.
    pub launch: KernelLaunch,
    /// Seconds from the beginning of the step to the beginning of the kernel, on the device.
    pub start: f64,
    /// Seconds that the device took.
    pub seconds: f64,
}

/// One call of an operation, in the step that [`Observed::take`](super::Observed::take) ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The operation, named as its contract: `conv2d`.
    pub op: &'static str,
    /// The layer that it belongs to, empty where there is none.
    pub layer: String,
    /// What for.
    pub phase: Phase,
    /// What it costs by formula.
    pub work: Work,
    /// The kernels that it launched, where the device has kernels.
    pub kernels: Vec<KernelSpan>,
    /// Seconds from the beginning of the step to the beginning of the operation, on the device.
    pub start: f64,
    /// Seconds that the device took.
    pub seconds: f64,
    /// The same two on the host: until the call, and until it returned.
    pub host: [f64; 2],
}
