//! The CUDA engine as a whole: batches, recorded work, training, bf16 on the emulator and on the GPU from one body; and on the emulator
//! alone what only it can do. The contracts of single operations are in `contracts.rs`.

use orthoscope::backend::Cuda;

/// Opens the device; a seed draws the schedules of the emulator and means nothing to a GPU.
type Open = dyn Fn(u64) -> Cuda;

/// Makes one `#[test]` of every check `fn check(open: &Open)` for the emulator and for the GPU.
macro_rules! on_cuda {
    ($($check:ident),+ $(,)?) => {
        #[cfg(feature = "emulator")]
        mod emulator {
            $(#[test]
            fn $check() {
                super::$check(&orthoscope::backend::Cuda::emulator);
            })+
        }
        mod gpu {
            $(#[test]
            fn $check() {
                if let Some(gpu) = crate::fixture::gpu(concat!(module_path!(), "::", stringify!($check))) {
                    super::$check(&move |_| gpu.clone());
                }
            })+
        }
    };
}

#[allow(dead_code)]
#[path = "contracts/common.rs"]
mod common;
#[path = "fixture/gpu.rs"]
mod fixture;

mod cuda {
    use super::Open;

    mod bf16;
    mod corruption;
    #[cfg(feature = "emulator")]
    mod emulator;
    mod exercises;
    #[cfg(feature = "emulator")]
    mod mutations;
    mod repeat;
    mod schedules;
    mod training;
    mod watching;
}
