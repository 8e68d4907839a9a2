//! Training: objective, Adam, learning-rate schedule, checkpoints. The result of a [`Trainer`] depends only on recipe, seed and
//! data: step k has the same batch on every machine, and a resumed run gives the same bits as an uninterrupted one.

mod adam;
mod batches;
mod checkpoint;
mod recipe;
mod step_buffers;
mod terms;
mod trainer;

pub use adam::Adam;
pub use batches::Batches;
pub use checkpoint::{Checkpoint, Lengthening};
pub use recipe::{GradientConfig, ObjectiveConfig, OptimiserConfig, Recipe, SsimConfig};
pub use terms::Terms;
pub use trainer::{Step, Trainer};
