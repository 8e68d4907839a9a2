//! Epilogue of finished sums, applied in registers before the sums are stored: bias and activation, or accumulation into the
//! target.

use std::marker::PhantomData;

use super::activation::{Elu, Identity, Sigmoid, Softplus, Tanh};
use super::elementwise::Elementwise;
use super::simd::{Simd, Vector, VectorWork};
use crate::shape::Activation;

/// Epilogue of finished sums.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish<'a> {
    /// `y = A(sums + bias)`.
    Assign { bias: Option<&'a [f32]>, activation: Activation },
    /// `y += sums`.
    Add,
}

impl Finish<'_> {
    /// Accumulation, or plain assignment if the target stands for zeros (`blank`).
    pub fn sum(blank: bool) -> Self {
        if blank { Self::Assign { bias: None, activation: Activation::Identity } } else { Self::Add }
    }

    /// The bias of up to 16 channels from `first` on; 0 without a bias.
    #[inline(always)]
    pub fn bias<V: Vector>(&self, first: usize, count: usize) -> V {
        match self {
            Self::Assign { bias: Some(bias), .. } => V::load_first(bias, first, count),
            _ => V::splat(0.0),
        }
    }

    /// Runs `work` with this epilogue.
    pub fn compiled<W: Finishing>(&self, simd: Simd, work: W) {
        match self {
            Self::Add => simd.vectorised(Finished(work, PhantomData::<Added>)),
            Self::Assign { activation, .. } => match activation {
                Activation::Identity => simd.vectorised(Finished(work, PhantomData::<Assigned<Identity>>)),
                Activation::Elu => simd.vectorised(Finished(work, PhantomData::<Assigned<Elu>>)),
                Activation::Tanh => simd.vectorised(Finished(work, PhantomData::<Assigned<Tanh>>)),
                Activation::Sigmoid => simd.vectorised(Finished(work, PhantomData::<Assigned<Sigmoid>>)),
                Activation::Softplus => simd.vectorised(Finished(work, PhantomData::<Assigned<Softplus>>)),
            },
        }
    }
}

/// The compile-time form of a [`Finish`].
pub(crate) trait Epilogue {
    /// The value that replaces `old`. `sum` includes the bias.
    fn apply<V: Vector>(sum: V, old: impl FnOnce() -> V) -> V;
}

/// `A(sum)`.
pub(crate) struct Assigned<A>(PhantomData<A>);

impl<A: Elementwise<0> + Default> Epilogue for Assigned<A> {
    #[inline(always)]
    fn apply<V: Vector>(sum: V, _: impl FnOnce() -> V) -> V {
        A::default().apply(sum, [])
    }
}

/// `old + sum`.
pub(crate) struct Added;

impl Epilogue for Added {
    #[inline(always)]
    fn apply<V: Vector>(sum: V, old: impl FnOnce() -> V) -> V {
        old().add(sum)
    }
}

/// Writes up to 16 channels to `y[at..]`.
#[inline(always)]
pub(crate) fn put<E: Epilogue, V: Vector>(sum: V, count: usize, y: &mut [f32], at: usize) {
    E::apply(
        sum,
        #[inline(always)]
        || V::load_first(y, at, count),
    )
    .store_first(y, at, count);
}

/// Vectorised work that ends with an epilogue. `run` and all functions it calls must be `inline(always)`.
pub(crate) trait Finishing {
    /// Runs the work.
    fn run<E: Epilogue, V: Vector>(self);
}

struct Finished<W, E>(W, PhantomData<E>);

impl<W: Finishing, E: Epilogue> VectorWork for Finished<W, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        self.0.run::<E, V>();
    }
}
