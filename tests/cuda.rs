//! The CUDA kernels as a whole, on the emulator: schedules, mutations, training. The contracts are in `contracts.rs`.
#![cfg(feature = "emulator")]

mod cuda {
    mod exercises;
    mod mutations;
    mod schedules;
    mod training;
}
