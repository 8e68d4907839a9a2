//! The profiler: what each operation of a step takes, beside what it would take at best.
//!
//! | module | holds |
//! |---|---|
//! | [`Observed`] | a backend that computes as another one, to the bit, and writes down when |
//! | [`Work`] | operations and bytes of a call, by formula |
//! | [`Peaks`] | what the machine can do: copy, fused multiply-adds, matrix unit; measured, not quoted |
//! | [`Known`] | those, and when they were measured beside what load; kept per machine |
//! | [`profile()`] | trains or infers with and without observation, step by step in turn |
//! | [`Profile`] | the result: a row for each operation, layer and phase; JSON and CSV |
//! | [`KernelRow`] | the kernels that operations launched: times, work, grid, block, shared memory and registers |
//! | [`trace()`] | the same steps for a trace viewer |
//! | [`compare()`] | results of two programs that did the same work |
//!
//! Times on a GPU come from events of its stream, on the CPU from the monotonic clock. No hardware counter is read, so no permission is
//! needed.

mod compare;
mod device;
mod job;
mod kernels;
mod known;
mod load;
mod machine;
mod observed;
mod peaks;
mod quantiles;
mod rows;
mod session;
mod span;
mod trace;

pub use crate::backend::{Phase, Unit, Work};
pub use compare::{Change, Comparison, FEW_STEPS, compare};
pub use kernels::KernelRow;
pub use known::{Known, Occasion};
pub use observed::Observed;
pub use peaks::Peaks;
pub use quantiles::Quantiles;
pub use rows::{Bound, Rates, Row};
pub use session::{Profile, Settings, Steps, Task, profile};
pub use span::{KernelSpan, Span};
pub use trace::trace;
