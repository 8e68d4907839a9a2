//! Training: objective, Adam, learning-rate schedule, checkpoints. What a [`Trainer`] does depends only on recipe, seed and data:
//! step k sees the same batch on every machine, and a resumed run continues to the same bits.

mod adam;
mod batches;
mod checkpoint;
mod recipe;
mod step_buffers;
mod trainer;

pub use adam::Adam;
pub use batches::Batches;
pub use checkpoint::Checkpoint;
pub use recipe::{ObjectiveConfig, OptimiserConfig, Recipe};
pub use trainer::{Step, Trainer};
