//! One file per operation: the method on [`Tape`](super::Tape), its adjoint and its tangent, side by side.

mod arithmetic;
mod box_average;
mod ccm;
mod channels;
mod conv2d;
mod linear;
mod objective;
mod pointwise;
mod pool;
mod reduce;
mod sdc;
mod upsample;

pub use ccm::CcmVars;
