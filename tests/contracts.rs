//! The op contracts of `orthoscope::backend`, checked on every backend with one body per check.
//!
//! Four oracles: small numbers worked out by hand or an independent definition; the adjoint identity
//! `<Ax, y> = <x, Aᵀy>`; central differences in f64; and `Reference<f64>`, which any other backend must agree with.
//! Every call also goes through `common::overwritten` or `common::accumulated`, which check the `=` and `+=` laws.

/// Makes one `#[test]` of every check `fn check<B: Backend>(backend: &B)` for every backend. A new backend is one line here.
macro_rules! on_every_backend {
    ($($check:ident),+ $(,)?) => {
        on_backend!(reference_f64, Some(orthoscope::backend::Reference::<f64>::default()), $($check),+);
        on_backend!(reference_f32, Some(orthoscope::backend::Reference::<f32>::default()), $($check),+);
        on_backend!(cpu, Some(orthoscope::backend::Cpu::default()), $($check),+);
        #[cfg(feature = "emulator")]
        on_backend!(emulator, Some(orthoscope::backend::Cuda::emulator(1)), $($check),+);
        #[cfg(feature = "emulator")]
        on_backend!(emulator_naive, Some(crate::contracts::common::naive(orthoscope::backend::Cuda::emulator(2))), $($check),+);
    };
}

macro_rules! on_backend {
    ($module:ident, $backend:expr, $($check:ident),+) => {
        mod $module {
            $(#[test]
            fn $check() {
                if let Some(backend) = $backend {
                    super::$check(&backend);
                }
            })+
        }
    };
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
}
