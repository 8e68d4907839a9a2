//! Plain readable loops, generic over f32 and f64: the executable specification.
//!
//! Every file has the same order: the equation, forward, backward. A linear map is written once, as the walk over its
//! entries (`each_…`); forward and adjoint take the same walk, one reading where the other writes. Nothing here is fast.

use std::marker::PhantomData;

use crate::error::{Error, Result};

mod box_average;
mod ccm;
mod channels;
mod conv2d;
mod corruption;
mod linear;
mod objective;
mod optimise;
mod pointwise;
mod pool;
mod reduce;
mod sdc;
mod storage;
mod upsample;

/// The reference backend over element type `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference<T>(PhantomData<T>);

/// Refuses buffers of another length than the spec says; each operand is `(name, found, wanted)`.
fn check_lengths(op: &'static str, operands: &[(&str, usize, usize)]) -> Result<()> {
    match operands.iter().find(|(_, found, wanted)| found != wanted) {
        Some((name, found, wanted)) => Err(Error::shape(op, format!("{name} must have {wanted} elements, has {found}"))),
        None => Ok(()),
    }
}
