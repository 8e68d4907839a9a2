use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Largest number of steps, and of those for warming up. Every call of every step is kept in memory, so their number has a limit.
pub const MAX_STEPS: usize = 100_000;

/// What one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Forward and backward pass and optimiser on one batch.
    Train,
    /// A forward pass.
    Infer,
}

/// What is profiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Training or inference.
    pub task: Task,
    /// Model I or II, as 1 or 2.
    pub model: u8,
    /// Base width w.
    pub width: usize,
    /// Side of the images in pixels.
    pub size: usize,
    /// Images in a step.
    pub batch: usize,
    /// Steps that count.
    pub steps: usize,
    /// Warm-up steps before them: memory is allocated, kernels are compiled, caches are filled.
    pub warmup: usize,
    /// Seed of weights and images.
    pub seed: u64,
}

impl Settings {
    /// What makes two results the same work, with names.
    pub(super) fn work(&self) -> [(&'static str, String); 5] {
        [
            ("phase", format!("{:?}", self.task).to_lowercase()),
            ("model", self.model.to_string()),
            ("width", self.width.to_string()),
            ("size", self.size.to_string()),
            ("batch", self.batch.to_string()),
        ]
    }

    pub(super) fn validate(&self) -> Result<()> {
        if let Some((name, _)) = [("steps", self.steps), ("batch", self.batch)].into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::argument(format!("profile: {name} must be at least 1")));
        }
        match [("steps", self.steps), ("warmup", self.warmup)].into_iter().find(|(_, value)| *value > MAX_STEPS) {
            Some((name, value)) => Err(Error::argument(format!("profile: {name} must be at most {MAX_STEPS}, got {value}"))),
            None => Ok(()),
        }
    }
}

/// `NAME is A and B` for each field that differs.
pub(super) fn differing<'a>(
    a: impl IntoIterator<Item = (&'a str, String)>,
    b: impl IntoIterator<Item = (&'a str, String)>,
) -> Vec<String> {
    let pairs = a.into_iter().zip(b);
    pairs.filter(|(a, b)| a != b).map(|((name, a), (_, b))| format!("{name} is {a} and {b}")).collect()
}
