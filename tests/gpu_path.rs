//! The GPU code path without a GPU: the program and the tests for GPUs run on a false driver library, `libcuda.so.1`, that is
//! made of the emulator (`gpu_path/driver/`). It has the driver's rules, returns errors where they are broken, and runs submitted
//! work late and in random order, so that a missing wait is seen.
//!
//! The library lies in the build folder, where no program finds it, and works only if the variable `ORTHOSCOPE_FALSE_DRIVER` is
//! set. These tests use it even on a machine with a GPU; the tests for GPUs run there on the GPU by `cargo test --test ops`.

mod fixture;

mod gpu_path {
    mod failures;
    mod false_driver;
    mod omissions;
    mod pack;
    mod rules;
    mod suite;
}
