//! Output files, which are written completely or not at all, and output folders.

mod atomic;
mod file;
mod folder;
pub mod npy;

pub use atomic::{write_atomically, write_bytes};
pub use file::{check_output_file, followed};
pub use folder::{check_output_folder, lock_folder, make_folder};
