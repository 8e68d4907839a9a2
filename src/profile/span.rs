//! One operation in time.

use serde::{Deserialize, Serialize};

use crate::backend::{KernelLaunch, Pass, Work};

/// What an operation computes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Batches: copies between host and device, corruption on the device.
    Data,
    /// Values.
    Forward,
    /// Gradients with respect to inputs, and what the reverse sweep needs beside them.
    InputGradient,
    /// Gradients with respect to weights.
    WeightGradient,
    /// Changes of the weights.
    Optimiser,
}

impl Phase {
    /// A few letters for tables.
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
