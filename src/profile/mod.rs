//! The profiler: the time of each operation in a step, compared with the machine's measured peaks.
//!
//! | item | holds |
//! |---|---|
//! | [`profile()`] | runs training or inference, alternating plain and observed steps |
//! | [`Profile`] | the result: a [`Row`] for each operation, layer and phase, and a [`KernelRow`] for each kernel |
//! | [`Measure`] | time, work and rates of a row |
//! | [`Observed`] | a backend that computes the same bits as another one and records the time of each call |
//! | [`Work`] | FLOPs and bytes of a call by formula, and the FLOPs that were executed |
//! | [`Peaks`], [`Known`] | measured copy bandwidth and arithmetic rates of the machine, cached per machine |
//! | [`calibrate()`] | more rates of a device, for a model of kernel time |
//! | [`compare()`] | compares records of two programs that did the same work |
//! | [`KernelRecord`], [`compare_kernels()`] | what kernels need as compiled, and how two builds of them differ |
//! | [`trace()`] | the steps for a trace viewer |
//! | [`predict`] | what a step would take on a GPU, predicted without one |
//!
//! Times on a GPU come from events of its stream, on the CPU from the monotonic clock. No hardware counter is read, so no
//! permission is needed.

mod calibration;
mod compare;
mod job;
mod kernels;
mod known;
mod listing;
mod load;
mod machine;
mod measure;
mod observed;
mod peaks;
mod precision;
pub mod predict;
mod quantiles;
mod record;
mod rows;
mod session;
mod settings;
mod span;
mod trace;

pub use crate::backend::{Phase, Unit, Work};
pub use calibration::calibrate;
pub use compare::{Change, Comparison, MIN_STEPS, compare, doubt, foreign};
pub use kernels::KernelRow;
pub use known::{Known, Occasion};
pub use listing::{Amount, KernelChange, KernelComparison, KernelRecord, Property, compare_kernels};
pub use machine::processor;
pub use measure::EFFORT_VARIABLE;
pub use observed::Observed;
pub use peaks::Peaks;
pub use precision::bf16_speedup;
pub use quantiles::Quantiles;
pub use rows::{Bound, Measure, Rates, Row};
pub use session::{Profile, Steps, profile};
pub use settings::{MAX_STEPS, Settings, Task};
pub use span::{KernelSpan, Span};
pub use trace::trace;
