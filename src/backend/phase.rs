use serde::{Deserialize, Serialize};

/// Part of a training step that an operation belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Making batches: copies between host and device, corruption on the device.
    Data,
    /// Values of the forward pass.
    #[default]
    Forward,
    /// Gradients with respect to inputs, and everything else in the backward pass that is not a weight gradient.
    InputGradient,
    /// Gradients with respect to weights.
    WeightGradient,
    /// Updates of the weights.
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
