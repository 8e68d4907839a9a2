//! Operations, one folder each.
//!
//! | file | holds |
//! |---|---|
//! | `NAME/mod.rs` | the equation, the spec that checks shapes, the calls, and their contracts: operands, FLOPs, bytes |
//! | `NAME/reference.rs` | plain loops in f32 and f64: the executable specification |
//! | `NAME/cpu.rs` | the optimised CPU implementation |
//! | `NAME/cuda.rs` | kernel launches, `kernels/NAME.cu` |
//! | `NAME/tape.rs` | the method of [`Tape`](crate::tape::Tape), its backward pass and its JVP |
//!
//! `similarity.rs` composes operations to the similarity of two images. Two folders have fewer files. `corruption` makes whole
//! batches on a device and has no [`Call`]; its CPU form is [`crate::data::corruption`]. `optimise` has no `tape.rs`, because
//! nothing differentiates an optimiser step.
//!
//! A call is a value: `backend.run(Conv2d::Forward { spec: &spec, x, w, b, y })`. [`Backend::run`] checks it against its contract
//! and then executes it. `=` overwrites an output, `+=` adds to it. Gradients of inputs and weights are always accumulated.
//!
//! This file lists the operations. A new operation needs a folder, a variant of [`Call`], and one line in each `match` below.

mod contract;

mod box_average;
mod ccm;
mod channels;
mod conv2d;
mod corruption;
mod gradcheck;
mod linear;
mod objective;
mod optimise;
mod pointwise;
mod pool;
mod reduce;
mod sdc;
mod similarity;
mod stencil;
#[cfg(test)]
mod tests;
mod upsample;
mod weighted;
mod windowed_mean;

use derive_more::From;
use ndarray::ArrayView3;

pub use box_average::{BoxAverage, BoxAverageSpec};
pub use ccm::{Ccm, CcmSpec, CcmVars, CcmWeights};
pub use channels::{Channels, ChannelsSpec};
pub use contract::{Access, Contract, Length, Operand};
pub use conv2d::{Conv2d, Conv2dOptions, Conv2dSpec};
pub use corruption::{Batch, CorruptionSpec, FIELD_TAPS, Pick, Picks, Sampler};
pub use gradcheck::{GradCheck, gradcheck};
pub use linear::{Linear, LinearSpec};
pub use objective::{Objective, ObjectiveSpec, Penalty};
pub use optimise::{AdamSpec, AdamStep, Optimise, Update};
pub use pointwise::Pointwise;
pub use pool::{MaxPool, PoolSpec};
pub use reduce::Reduce;
pub use sdc::{MAX_BRANCHES, Sdc, SdcSpec};
pub(crate) use similarity::{FLAT, GRADIENT, SMALLEST, SSIM, check_scales, check_ssim_window, ssim_sigma};
pub use stencil::{Filter, Stencil, StencilSpec};
pub use upsample::{Upsample, UpsampleSpec};
pub use windowed_mean::{WindowedMean, WindowedMeanSpec};

use crate::backend::{Cpu, Cuda, Real, Reference, Storage};
use crate::error::Result;
use crate::tape::Accumulate;

/// A call of an operation on buffers of type `T`.
#[derive(From)]
pub enum Call<'a, T> {
    /// n-fold box average.
    BoxAverage(BoxAverage<'a, T>),
    /// Convex combination module.
    Ccm(Ccm<'a, T>),
    /// Copies of channel ranges.
    Channels(Channels<'a, T>),
    /// Convolution.
    Conv2d(Conv2d<'a, T>),
    /// Linear map.
    Linear(Linear<'a, T>),
    /// Max-pool.
    MaxPool(MaxPool<'a, T>),
    /// Masked objective.
    Objective(Objective<'a, T>),
    /// Updates of the optimiser.
    Optimise(Optimise<'a, T>),
    /// Elementwise functions and arithmetic.
    Pointwise(Pointwise<'a, T>),
    /// Sums.
    Reduce(Reduce<'a, T>),
    /// Stacked dilated convolution.
    Sdc(Sdc<'a, T>),
    /// Grey image, its gradient, and halving.
    Stencil(Stencil<'a, T>),
    /// Bilinear upsampling.
    Upsample(Upsample<'a, T>),
    /// Local moments.
    WindowedMean(WindowedMean<'a, T>),
}

impl<T> Call<'_, T> {
    /// The contract of the call. Operations without a spec take their lengths from one of their buffers with `len`.
    pub fn contract(&self, len: Length<'_, T>) -> Contract<'_, T> {
        match self {
            Self::BoxAverage(call) => call.contract(),
            Self::Ccm(call) => call.contract(len),
            Self::Channels(call) => call.contract(),
            Self::Conv2d(call) => call.contract(),
            Self::Linear(call) => call.contract(),
            Self::MaxPool(call) => call.contract(),
            Self::Objective(call) => call.contract(),
            Self::Optimise(call) => call.contract(len),
            Self::Pointwise(call) => call.contract(len),
            Self::Reduce(call) => call.contract(len),
            Self::Sdc(call) => call.contract(),
            Self::Stencil(call) => call.contract(),
            Self::Upsample(call) => call.contract(),
            Self::WindowedMean(call) => call.contract(),
        }
    }
}

/// A call whose operands have the lengths of its contract. Only [`Backend::run`] makes one.
pub struct Checked<'a, T>(Call<'a, T>);

impl<'a, T> Checked<'a, T> {
    /// The call.
    pub fn call(&self) -> &Call<'a, T> {
        &self.0
    }

    /// The call, to be executed.
    pub fn into_call(self) -> Call<'a, T> {
        self.0
    }
}

/// A device that implements every operation. The `match` over calls is exhaustive, so a backend cannot have a forward pass
/// without its backward pass.
pub trait Backend: Storage {
    /// Executes a call. Callers use [`Backend::run`].
    ///
    /// # Errors
    /// The device failed.
    fn execute(&self, call: Checked<'_, Self::Buffer>) -> Result<()>;

    /// FLOPs of a call that the matrix unit executes in bf16. Used only by the profiler.
    fn matrix_flops(&self, _call: &Call<'_, Self::Buffer>) -> u64 {
        0
    }

    /// FLOPs of a call that are not executed, because the algorithm needs fewer than the formula says or skips taps that read
    /// only padding. Used only by the profiler.
    fn saved_flops(&self, _call: &Call<'_, Self::Buffer>) -> u64 {
        0
    }

    /// Makes training batches on the device from `pictures` (training images first, then textures), each `[h, w, 3]`. `None` if
    /// batches are made on the host, because the device is the host or the pictures have more elements than a kernel can index.
    ///
    /// # Errors
    /// Out of memory.
    fn sampler(&self, _pictures: &[ArrayView3<'_, f32>]) -> Result<Option<Box<dyn Sampler<Self::Buffer>>>> {
        Ok(None)
    }

    /// Checks a call and executes it.
    ///
    /// # Errors
    /// An operand whose length differs from the contract; the device failed.
    fn run<'a>(&self, call: impl Into<Call<'a, Self::Buffer>>) -> Result<()> {
        let call = call.into();
        let len = |buffer: &Self::Buffer| self.len(buffer);
        call.contract(&len).check(&len)?;
        self.execute(Checked(call))
    }
}

impl<T: Real> Backend for Reference<T> {
    fn execute(&self, call: Checked<'_, Vec<T>>) -> Result<()> {
        match call.into_call() {
            Call::BoxAverage(call) => box_average::reference::run(call),
            Call::Ccm(call) => ccm::reference::run(call),
            Call::Channels(call) => channels::reference::run(call),
            Call::Conv2d(call) => conv2d::reference::run(call),
            Call::Linear(call) => linear::reference::run(call),
            Call::MaxPool(call) => pool::reference::run(call),
            Call::Objective(call) => objective::reference::run(call),
            Call::Optimise(call) => optimise::reference::run(call),
            Call::Pointwise(call) => pointwise::reference::run(call),
            Call::Reduce(call) => reduce::reference::run(call),
            Call::Sdc(call) => sdc::reference::run(call),
            Call::Stencil(call) => stencil::reference::run(call),
            Call::Upsample(call) => upsample::reference::run(call),
            Call::WindowedMean(call) => windowed_mean::reference::run(call),
        }
        Ok(())
    }
}

impl Backend for Cpu {
    fn execute(&self, call: Checked<'_, Self::Buffer>) -> Result<()> {
        match call.into_call() {
            Call::BoxAverage(call) => box_average::cpu::run(call)?,
            Call::Ccm(call) => ccm::cpu::run(self, call)?,
            Call::Channels(call) => channels::cpu::run(call),
            Call::Conv2d(call) => conv2d::cpu::run(self, call)?,
            Call::Linear(call) => linear::cpu::run(self, call)?,
            Call::MaxPool(call) => pool::cpu::run(self, call),
            Call::Objective(call) => objective::cpu::run(call),
            Call::Optimise(call) => optimise::cpu::run(self, call),
            Call::Pointwise(call) => pointwise::cpu::run(self, call),
            Call::Reduce(call) => reduce::cpu::run(self, call),
            Call::Sdc(call) => sdc::cpu::run(self, call)?,
            Call::Stencil(call) => stencil::cpu::run(call),
            Call::Upsample(call) => upsample::cpu::run(self, call),
            Call::WindowedMean(call) => windowed_mean::cpu::run(self, call)?,
        }
        Ok(())
    }

    fn matrix_flops(&self, call: &Call<'_, Self::Buffer>) -> u64 {
        match call {
            Call::Ccm(call) => ccm::cpu::matrix_flops(self, call),
            Call::Conv2d(call) => conv2d::cpu::matrix_flops(self, call),
            Call::Sdc(call) => sdc::cpu::matrix_flops(self, call),
            _ => 0,
        }
    }

    fn saved_flops(&self, call: &Call<'_, Self::Buffer>) -> u64 {
        match call {
            Call::Conv2d(call) => conv2d::cpu::saved_flops(self, call),
            Call::Sdc(call) => sdc::cpu::saved_flops(self, call),
            _ => 0,
        }
    }
}

impl Backend for Cuda {
    fn execute(&self, call: Checked<'_, Self::Buffer>) -> Result<()> {
        match call.into_call() {
            Call::BoxAverage(call) => box_average::cuda::run(self, call),
            Call::Ccm(call) => ccm::cuda::run(self, call),
            Call::Channels(call) => channels::cuda::run(self, call),
            Call::Conv2d(call) => conv2d::cuda::run(self, call),
            Call::Linear(call) => linear::cuda::run(self, call),
            Call::MaxPool(call) => pool::cuda::run(self, call),
            Call::Objective(call) => objective::cuda::run(self, call),
            Call::Optimise(call) => optimise::cuda::run(self, call),
            Call::Pointwise(call) => pointwise::cuda::run(self, call),
            Call::Reduce(call) => reduce::cuda::run(self, call),
            Call::Sdc(call) => sdc::cuda::run(self, call),
            Call::Stencil(call) => stencil::cuda::run(self, call),
            Call::Upsample(call) => upsample::cuda::run(self, call),
            Call::WindowedMean(call) => windowed_mean::cuda::run(self, call),
        }
    }

    fn sampler(&self, pictures: &[ArrayView3<'_, f32>]) -> Result<Option<Box<dyn Sampler<Self::Buffer>>>> {
        corruption::cuda::sampler(self, pictures)
    }
}

impl<B: Backend> Accumulate for B {
    fn add_to(&self, part: &B::Buffer, sum: &mut B::Buffer) -> Result<()> {
        self.run(Pointwise::Axpy { alpha: 1.0, x: part, y: sum })?;
        self.settle(sum)
    }

    fn one(&self) -> Result<B::Buffer> {
        // Written on the device, because a recorded step may not upload.
        let mut one = self.alloc(1)?;
        self.run(Pointwise::Affine { alpha: 1.0, beta: 1.0, x: &self.zeros(1)?, y: &mut one })?;
        Ok(one)
    }
}
