//! Training: objective, Adam, learning-rate schedule, checkpoints. A [`Trainer`] is a pure function of recipe, seed and data:
//! step k sees the same batch on every machine, and a resumed run continues to the same bits.

mod adam;
mod checkpoint;
mod desk;
mod recipe;
mod trainer;

pub use adam::Adam;
pub use checkpoint::Checkpoint;
pub use recipe::{ObjectiveConfig, OptimiserConfig, Recipe};
pub use trainer::Trainer;
