//! The CUDA engine: launches hand-written kernels (`kernels/*.cu`) through one of several drivers with the same interface.
//!
//! - [`driver`] launches kernels: on a GPU through cudarc, or on the emulator, which runs the same kernel source on the CPU with
//!   one fiber per CUDA thread. A third driver, the planner, only notes the launches.
//! - [`compiler`] provides the CUBINs for an architecture, with or without NVRTC.
//! - [`kernels`] lists every kernel. The list is generated from the kernel files at build time.
//! - [`hopper`] has what uses instructions of Hopper alone: probes of how they address memory, and a convolution.
//! - `memory` and `storage` implement buffers, `launch` typed launches. The launches of an operation are in its own folder,
//!   `ops/NAME/cuda.rs`.
//!
//! There is one stream, so operations run in the order of the calls. Only [`crate::backend::Storage::download`] waits.

pub mod compiler;
pub(crate) mod cost;
mod device;
pub mod driver;
pub(crate) mod gemm;
pub mod hopper;
pub mod kernel;
pub mod kernels;
pub(crate) mod launch;
mod memory;
mod nvtx;
mod operands;
mod peak;
mod plan;
mod rates;
pub(crate) mod reduce;
mod repeat;
mod session;
pub(crate) mod storage;
mod watch;

pub use device::{Cuda, Mode};
pub use driver::gpu::{Device, Probe, probe};
pub use kernel::{File, Kernel};
pub use kernels::{HEADERS, KERNELS};
pub use nvtx::Nvtx;
pub use peak::OPERANDS;
pub use plan::PlanSize;
pub use repeat::Program;
pub use storage::Buffer;
