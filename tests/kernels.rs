//! The CUDA kernels as text and as compiled for real architectures, without a GPU; and `orthoscope kernels`.

mod fixture;

mod kernels {
    mod compile;
    mod faults;
    mod files;
    mod listing;
    mod room;
}
