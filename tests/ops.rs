//! Tests of every operation, one file each, and of the CUDA backend.
//!
//! `ops/NAME.rs` has all checks of one operation. There are four oracles: small values computed by hand or an independent
//! definition; the adjoint identity `<Ax, y> = <x, Aᵀy>`; central differences in f64; and `Reference<f64>`, which every other
//! backend must agree with. Values and gradients are also compared with PyTorch. Every call is made by `common::overwritten` or
//! `common::accumulated`, which check that `=` overwrites and `+=` adds.
//!
//! `cuda/` tests the CUDA backend on the emulator and on a GPU (schedules, barriers, costs, recorded work, training, bf16), and
//! the emulator itself. Checks of all kernels run the exercises that each operation's file lists.

/// Defines a `#[test]` for every check `fn check<B: Backend>(backend: &B)` and every backend. A new backend needs one line here.
macro_rules! on_every_backend {
    ($($check:ident),+ $(,)?) => {
        on_backend!(reference_f64, |_| Some(orthoscope::backend::Reference::<f64>::default()), $($check),+);
        on_backend!(reference_f32, |_| Some(orthoscope::backend::Reference::<f32>::default()), $($check),+);
        on_backend!(cpu, |_| Some(orthoscope::backend::Cpu::default()), $($check),+);
        #[cfg(feature = "emulator")]
        on_backend!(emulator, |_| Some(orthoscope::backend::Cuda::emulator(1)), $($check),+);
        #[cfg(feature = "emulator")]
        on_backend!(emulator_naive, |_| Some(crate::naive(orthoscope::backend::Cuda::emulator(2))), $($check),+);
        on_backend!(cuda, crate::gpu::gpu, $($check),+);
        on_backend!(cuda_naive, |test| crate::gpu::gpu(test).map(crate::naive), $($check),+);
    };
}

/// `$open` takes the name of a test and returns its backend, or `None` after reporting that the test is skipped.
macro_rules! on_backend {
    ($module:ident, $open:expr, $($check:ident),+) => {
        mod $module {
            $(#[test]
            fn $check() {
                let open: fn(&str) -> Option<_> = $open;
                if let Some(backend) = open(concat!(module_path!(), "::", stringify!($check))) {
                    super::$check(&backend);
                }
            })+
        }
    };
}

/// Defines a `#[test]` for every check `fn check(open: &Open)`, on the emulator and on the GPU.
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
                if let Some(gpu) = crate::gpu::gpu(concat!(module_path!(), "::", stringify!($check))) {
                    super::$check(&move |_| gpu.clone());
                }
            })+
        }
    };
}

/// As `on_cuda`, and on emulators that add as the tensor cores of Ampere and of Hopper do.
macro_rules! on_matrix_units {
    ($($check:ident),+ $(,)?) => {
        on_cuda!($($check),+);
        #[cfg(feature = "emulator")]
        mod ampere {
            $(#[test]
            fn $check() {
                super::$check(&|seed| crate::tensor_cores(seed, orthoscope::backend::cuda::driver::emulator::MatrixUnit::Ampere));
            })+
        }
        #[cfg(feature = "emulator")]
        mod hopper {
            $(#[test]
            fn $check() {
                super::$check(&|seed| crate::tensor_cores(seed, orthoscope::backend::cuda::driver::emulator::MatrixUnit::Hopper));
            })+
        }
    };
}

mod cuda;
#[path = "fixture/gpu.rs"]
mod gpu;
#[path = "fixture/gradients.rs"]
mod gradients;
#[path = "fixture/torch.rs"]
mod torch;

/// Opens the device. The seed selects the schedules of the emulator; a GPU ignores it.
type Open = dyn Fn(u64) -> orthoscope::backend::Cuda;

/// An emulator with this arithmetic of `mma`.
#[cfg(feature = "emulator")]
fn tensor_cores(seed: u64, matrix_unit: orthoscope::backend::cuda::driver::emulator::MatrixUnit) -> orthoscope::backend::Cuda {
    use orthoscope::backend::cuda::driver::emulator::Settings;
    orthoscope::backend::Cuda::emulated(Settings { seed, matrix_unit, ..Settings::default() })
}

/// The same device with naive kernels.
fn naive(cuda: orthoscope::backend::Cuda) -> orthoscope::backend::Cuda {
    cuda.with_mode(orthoscope::backend::cuda::Mode::Naive)
}

mod ops {
    #[macro_use]
    mod exercise;
    pub mod common;
    pub mod spec;
    mod storage;

    mod box_average;
    mod ccm;
    mod channels;
    pub mod conv2d;
    mod corruption;
    mod linear;
    mod objective;
    mod optimise;
    mod pointwise;
    mod pool;
    mod reduce;
    mod sdc;
    mod similarity;
    mod stencil;
    mod upsample;
    mod windowed_mean;

    use std::collections::BTreeSet;

    pub use exercise::Exercise;
    use orthoscope::backend::cuda::{HEADERS, KERNELS};
    use spec::SpecValue;

    /// The exercises of every operation.
    const ALL: &[&[Exercise]] = &[
        box_average::EXERCISES,
        ccm::EXERCISES,
        channels::EXERCISES,
        conv2d::EXERCISES,
        corruption::EXERCISES,
        linear::EXERCISES,
        objective::EXERCISES,
        optimise::EXERCISES,
        pointwise::EXERCISES,
        pool::EXERCISES,
        reduce::EXERCISES,
        sdc::EXERCISES,
        stencil::EXERCISES,
        upsample::EXERCISES,
        windowed_mean::EXERCISES,
    ];

    /// Every exercise.
    pub fn exercises() -> impl Iterator<Item = &'static Exercise> {
        ALL.iter().copied().flatten()
    }

    /// A value of every spec.
    pub const SPECS: &[fn() -> SpecValue] = &[
        box_average::spec_value,
        ccm::spec_value,
        channels::spec_value,
        conv2d::spec_value,
        corruption::spec_value,
        linear::spec_value,
        objective::spec_value,
        optimise::spec_value,
        pool::spec_value,
        sdc::spec_value,
        stencil::spec_value,
        upsample::spec_value,
        windowed_mean::spec_value,
    ];

    #[test]
    fn every_spec_of_the_kernels_is_listed() {
        let texts = KERNELS.iter().map(|kernel| kernel.file.text).chain(HEADERS.iter().map(|(_, text)| *text));
        let structs = texts.flat_map(str::lines).filter_map(|line| line.strip_prefix("struct ")?.split_whitespace().next());
        let defined: BTreeSet<&str> = structs.filter(|name| name.ends_with("Spec")).collect();
        assert_eq!(defined, SPECS.iter().map(|spec| spec().name).collect());
    }

    #[test]
    fn the_fields_of_a_spec_value_all_differ() {
        for SpecValue { name, fields, .. } in SPECS.iter().map(|spec| spec()) {
            for (k, (field, value)) in fields.iter().enumerate() {
                let same = fields[..k].iter().find(|(_, other)| other == value);
                assert!(same.is_none(), "{name}: {field} is {same:?} again");
            }
        }
    }
}
