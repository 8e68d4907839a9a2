//! Plain readable loops, generic over f32 and f64: the executable specification.

use std::marker::PhantomData;

/// The reference backend over element type `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference<T>(PhantomData<T>);
