//! Output files, which are written completely or not at all and replace only what is ours; output folders; input files with a
//! limit.
//!
//! An output takes over a name and never the bytes of a file that is there, so that a file which has another name beside it, by
//! a hard link, keeps its content under that one. Only a record and a lock are changed in place, which begin as ours do; a log
//! grows in place after it was copied to a new file.

mod atomic;
pub mod bounded;
mod draft;
mod file;
mod folder;
mod leftovers;
mod lock;
mod missing;
mod moved;
pub mod npy;
mod outputs;
mod own_file;
mod real;
mod record;
mod results;
mod settle;
mod unfinished;

pub use atomic::{write_atomically, write_bytes};
pub use draft::Draft;
pub use file::{check_output_file, followed};
pub use folder::{check_output_folder, files_below, make_folder};
pub use leftovers::{is_in_work, remove_leftovers};
pub use lock::{FolderLock, has_lock_file, lock_folder, wait_for_folder};
pub use missing::hint;
pub use moved::note_before_move;
pub use outputs::{LONGEST_NAME, Outputs, refused_link};
pub use own_file::{OwnFile, put_aside};
pub use real::RealPaths;
pub use record::RECORD;
pub use results::Results;
pub use settle::waits;
pub use unfinished::{Unfinished, abandon_files};
