use crate::shape::Activation;

/// The slope of an activation, `S(y) = A'(z)` for `y = A(z)`. The last contribution to the gradient of y is multiplied by it
/// while it is in registers, so that the gradient of z needs no pass of its own.
#[derive(Debug)]
pub struct Slope<'a, T> {
    /// A.
    pub activation: Activation,
    /// y.
    pub y: &'a T,
}

impl<T> Clone for Slope<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slope<'_, T> {}
