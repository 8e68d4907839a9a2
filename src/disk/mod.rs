//! Output files, which are written completely or not at all, and output folders.

mod atomic;
mod file;
mod folder;
mod leftovers;
mod lock;
pub mod npy;

pub use atomic::{replace_together, write_atomically, write_bytes, write_keeping};
pub use file::{check_output_file, followed};
pub use folder::{check_output_folder, make_folder};
pub use lock::{FolderLock, has_lock_file, lock_folder};
