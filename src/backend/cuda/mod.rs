//! The CUDA engine: launches hand-written kernels (`kernels/*.cu`) by one of two drivers with one signature.
//!
//! - [`driver`] is what launches: the GPU through cudarc, or the emulator, which runs the same kernel text on the CPU, one fiber
//!   per CUDA thread.
//! - [`compiler`] gives the kernels' code for an architecture, with or without NVRTC.
//! - [`kernels`] lists every kernel, read from the text of the kernel files at build time.
//! - `memory` and `storage` hold buffers, `launch` the typed launches. What an operation launches is in its own folder,
//!   `ops/NAME/cuda.rs`.
//!
//! Everything goes to one stream, so operations run in the order of the calls. Only [`crate::backend::Storage::download`]
//! waits.

pub mod compiler;
pub(crate) mod cost;
mod device;
pub mod driver;
pub(crate) mod gemm;
pub mod kernel;
pub mod kernels;
pub(crate) mod launch;
mod memory;
mod nvtx;
mod peak;
mod plan;
pub(crate) mod reduce;
mod repeat;
mod session;
mod storage;
mod watch;

pub use device::{Cuda, Mode};
pub use driver::gpu::{Device, Probe, probe};
pub use kernel::{File, Kernel};
pub use kernels::{HEADERS, KERNELS};
pub use nvtx::Nvtx;
pub use plan::Planned;
pub use repeat::Program;
pub use storage::Buffer;
