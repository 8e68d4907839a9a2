//! Plain memory, generic over f32 and f64, for the loops that specify every operation (`reference.rs` in each folder of
//! [`crate::ops`]).
//!
//! These files have a common order: the equation, the forward pass, the backward pass. A linear map is written only once, as a
//! loop over its entries (`each_…`). The forward pass and the adjoint use this loop with the roles of input and output exchanged.
//! Nothing here is optimised.

use std::marker::PhantomData;

mod storage;

/// The reference backend over element type `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference<T>(PhantomData<T>);
