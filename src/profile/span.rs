//! When an operation ran.

use crate::backend::{KernelLaunch, Phase, Work};

/// One kernel launch in the step that [`Observed::take`](super::Observed::take) ended.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSpan {
    /// What was launched.
    pub launch: KernelLaunch,
    /// Seconds from the start of the step to the start of the kernel, on the device.
    pub start: f64,
    /// Duration in seconds, on the device.
    pub seconds: f64,
}

/// One call of an operation in the step that [`Observed::take`](super::Observed::take) ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Name of the operation, such as `conv2d`.
    pub op: &'static str,
    /// The layer that called it; empty where there is none.
    pub layer: String,
    /// Forward, backward, optimiser or data.
    pub phase: Phase,
    /// FLOPs and bytes by formula.
    pub work: Work,
    /// The kernels that it launched; empty on devices without kernels.
    pub kernels: Vec<KernelSpan>,
    /// Seconds from the start of the step to the start of the operation, on the device.
    pub start: f64,
    /// Duration in seconds, on the device.
    pub seconds: f64,
    /// Seconds from the start of the step until the host called the operation, and until the call returned.
    pub host: [f64; 2],
}
