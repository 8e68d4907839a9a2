//! Every kernel of `kernels/*.cu`, one module a file, read from the text of the files at build time by `kernels/registry.rs`.

use super::kernel::{File, Kernel};
use crate::backend::Unit;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
