//! The op contracts of `orthoscope::backend`, checked on every backend with one body per check.
//!
//! Four oracles: small numbers worked out by hand or an independent definition; the adjoint identity
//! `<Ax, y> = <x, Aᵀy>`; central differences in f64; and `Reference<f64>`, which any other backend must agree with.
//! Every call also goes through `common::overwritten` or `common::accumulated`, which check the `=` and `+=` laws.

/// Makes one `#[test]` of every check `fn check<B: Backend>(backend: &B)` for every backend. A new backend is one line here.
macro_rules! on_every_backend {
    ($($check:ident),+ $(,)?) => {
        on_backend!(reference_f64, orthoscope::backend::Reference<f64>, $($check),+);
        on_backend!(reference_f32, orthoscope::backend::Reference<f32>, $($check),+);
        on_backend!(cpu, orthoscope::backend::Cpu, $($check),+);
    };
}

macro_rules! on_backend {
    ($module:ident, $backend:ty, $($check:ident),+) => {
        mod $module {
            $(#[test]
            fn $check() {
                super::$check(&<$backend>::default());
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
