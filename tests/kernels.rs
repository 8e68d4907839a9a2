//! The text of the CUDA kernels, their compilation for real architectures without a GPU, and `orthoscope kernels`.

mod fixture;

mod kernels {
    mod compile;
    #[cfg(feature = "emulator")]
    mod counted;
    mod faults;
    mod files;
    mod limits;
    mod listing;
    mod predict;
    mod sandbox;
}
