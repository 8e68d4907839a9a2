//! When an operation ran.

use crate::backend::{KernelLaunch, Phase, Work};

/// What the calls of one row have in common: phase, operation and layer.
pub(super) type Key<'a> = (Phase, &'a str, &'a str);

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
    /// Bytes of all buffers alive at its end; None where the device does not count them.
    pub live_bytes: Option<usize>,
}

impl Span {
    pub(super) fn key(&self) -> Key<'_> {
        (self.phase, self.op, &self.layer)
    }
}

/// A call in the forward pass, for tests.
#[cfg(test)]
pub(super) fn sample(op: &'static str, layer: &str, seconds: f64, work: Work) -> Span {
    let (layer, phase, kernels) = (layer.into(), Phase::Forward, Vec::new());
    Span { op, layer, phase, work, kernels, start: 0.0, seconds, host: [0.0; 2], live_bytes: None }
}
