//! The op contracts of `orthoscope::backend`, checked on every backend with one body per check.
//!
//! Four oracles: small numbers worked out by hand or an independent definition; the adjoint identity
//! `<Ax, y> = <x, Aᵀy>`; central differences in f64; and `Reference<f64>`, which any other backend must agree with.
//! Every call also goes through `common::overwritten` or `common::accumulated`, which check the `=` and `+=` laws.

/// Makes one `#[test]` of every check `fn check<B: Backend>(backend: &B)` for every backend. A new backend is one line here.
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

/// `$open` gives the backend for a test of the name that it gets, or `None` if the test has said that it is skipped.
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

#[path = "fixture/gpu.rs"]
mod gpu;

/// The same device with naive kernels.
fn naive(cuda: orthoscope::backend::Cuda) -> orthoscope::backend::Cuda {
    cuda.with_mode(orthoscope::backend::cuda::Mode::Naive)
}

mod contracts {
    mod common;

    mod box_average;
    mod ccm;
    mod channels;
    mod conv2d;
    mod lengths;
    mod linear;
    mod objective;
    mod optimise;
    mod pointwise;
    mod pool;
    mod reduce;
    mod sdc;
    mod storage;
    mod upsample;
    mod windowed_mean;
}
