//! Bad input: one sentence that names the file and the reason, a non-zero exit, nothing half-written.

mod fixture;

mod faults {
    mod arrays;
    mod bounded;
    mod config;
    mod config_ranges;
    mod disk;
    mod folders;
    mod incomplete;
    mod lock;
    mod loss;
    #[cfg(feature = "emulator")]
    mod memory;
    mod missing;
    mod output;
    mod overwrite;
    mod pictures;
    mod printed;
    mod resume;
    mod signals;
    mod weights;
}
