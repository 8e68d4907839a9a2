//! Plain memory, generic over f32 and f64, for the loops that specify every operation (`reference.rs` in each folder of
//! [`crate::ops`]).
//!
//! Those files have one order: the equation, forward, backward. A linear map is written once, as the walk over its entries
//! (`each_…`); forward pass and adjoint take the same walk, one reading where the other writes. Nothing here is fast.

use std::marker::PhantomData;

mod storage;

/// The reference backend over element type `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference<T>(PhantomData<T>);
