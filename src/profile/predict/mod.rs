//! What a step would take on a GPU, predicted without one.
//!
//! | file | holds |
//! |---|---|
//! | `plan` | the launches of a step, from the real code of training on a device that only notes them |
//! | `compiled` | code size, instructions, registers and occupancy of their kernels |
//! | `counts` | sectors, wavefronts and matrix products of their launches, from blocks that run on the emulator |
//! | `hardware` | what is assumed of each architecture, with sources |
//! | `calibration` | measured peaks in place of what is assumed |
//! | `model` | the time of a launch by each resource, and which one binds |
//! | `prediction` | the record: rows by kernel, layer and phase |
//! | `compare` | two records kernel by kernel |
//!
//! This ranks kernels and finds what binds them; it is no measurement.

mod calibration;
mod compare;
mod compiled;
mod counts;
mod hardware;
mod model;
mod plan;
mod prediction;

pub use calibration::Calibration;
pub use compare::{PredictedChange, compare_predictions, unequal_knowledge};
pub use compiled::KernelFacts;
pub use counts::{Counted, Counts};
pub use hardware::Hardware;
pub use model::{Resource, Times};
pub use plan::{Item, Plan};
pub use prediction::{Cost, PredictedRow, Prediction, grouped, predict_step};
