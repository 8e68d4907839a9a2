//! When an operation ran.

use serde::{Deserialize, Serialize};

use crate::backend::{KernelLaunch, Pass, Work};

/// The part of a step that an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Making batches: copies between host and device, corruption on the device.
    Data,
    /// Forward pass.
    Forward,
    /// Gradients with respect to inputs, and everything else of the backward pass except weight gradients.
    InputGradient,
    /// Gradients with respect to weights.
    WeightGradient,
    /// Weight updates.
    Optimiser,
}

impl Phase {
    /// A short name for tables.
    pub fn words(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Forward => "forward",
            Self::InputGradient => "input grad",
            Self::WeightGradient => "weight grad",
            Self::Optimiser => "optimiser",
        }
    }
}

impl From<Pass> for Phase {
    fn from(pass: Pass) -> Self {
        match pass {
            Pass::Forward => Self::Forward,
            Pass::Backward => Self::InputGradient,
            Pass::Update => Self::Optimiser,
        }
    }
}

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
