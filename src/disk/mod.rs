//! Output files, which are written completely or not at all and replace only what is ours; output folders; input files with a limit.

mod atomic;
pub mod bounded;
mod file;
mod folder;
pub mod npy;
mod outputs;

pub use atomic::{write_atomically, write_bytes};
pub use file::{check_output_file, followed};
pub use folder::{check_output_folder, files_below, lock_folder, make_folder, wait_for_folder};
pub use outputs::{Outputs, RECORD};
