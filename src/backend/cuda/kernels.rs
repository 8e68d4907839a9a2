//! Every kernel in `kernels/*.cu`, with one module per file. `kernels/registry.rs` generates this list from the files at build
//! time.

use super::kernel::{File, Kernel};
use crate::backend::Unit;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
