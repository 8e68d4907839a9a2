//! The op contracts: what a compute backend must do, forward and backward in one trait per op family.
//!
//! Rules that hold for every function here:
//! - Shapes arrive checked, inside a spec by value ([`crate::shape`]); buffers are flat and dense in the layout the spec names.
//! - `=` overwrites the whole output; `+=` accumulates. Gradients with respect to inputs and weights always accumulate.
//! - Results are deterministic: fixed-order reductions, the same bits for any number of threads.
//! - Backends never see each other. [`mod@reference`] is the executable specification, [`cpu`] the fast f32 path,
//!   [`cuda`] the kernels for a GPU or its emulator.

use crate::error::Result;
use crate::shape::{
    Activation, BoxAverageSpec, CcmSpec, ChannelsSpec, Conv2dSpec, CorruptionSpec, LinearSpec, ObjectiveSpec, PoolSpec, SdcSpec,
    UpsampleSpec,
};

pub mod cpu;
pub mod cuda;
pub mod reference;
mod work;

pub use cpu::Cpu;
pub use cuda::Cuda;
pub use reference::Reference;
pub use work::{Unit, Work};

/// Element types: f32 and f64.
pub trait Real:
    num_traits::Float + num_traits::NumAssign + std::iter::Sum + std::fmt::Debug + std::fmt::Display + Default + Send + Sync + 'static
{
    /// Nearest value of this type.
    fn of(value: f64) -> Self;
    /// The value as f64, exact.
    fn f64(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn f64(self) -> f64 {
        self
    }
}

/// Which part of a step the operations belong to, see [`Storage::enter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pass {
    /// Values.
    #[default]
    Forward,
    /// Gradients.
    Backward,
    /// Changes of the weights.
    Update,
}

/// One launch of a kernel, see [`Storage::watched`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelLaunch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory of a block.
    pub dynamic_shared: u32,
    /// What it costs, by the formulas in the kernel's header.
    pub work: Work,
}

/// A launch, with the marks right before and right after it.
pub type Watched<M> = (KernelLaunch, [M; 2]);

/// Memory of a device. Cloning a backend gives another handle of the same device.
pub trait Storage: Clone + Send + Sync + 'static {
    /// Element type.
    type Elem: Real;
    /// A block of device memory; dropping it gives the memory back.
    type Buffer: Send + Sync;
    /// What a device keeps of work that is repeated, see [`Storage::repeat`].
    type Program: Default + Send;
    /// A point in the order of the device's work, see [`Storage::mark`].
    type Mark: Send + 'static;

    /// Name for messages and reports, e.g. `cpu`.
    fn name(&self) -> &'static str;
    /// The name and, where there is one, the model of the device, e.g. `cuda (NVIDIA H100 80GB HBM3)`.
    fn description(&self) -> String {
        self.name().to_owned()
    }
    /// `len` elements of unspecified content, for kernels that overwrite all of it.
    ///
    /// # Errors
    /// Out of memory.
    fn alloc(&self, len: usize) -> Result<Self::Buffer>;
    /// `len` zeros.
    ///
    /// # Errors
    /// Out of memory.
    fn zeros(&self, len: usize) -> Result<Self::Buffer>;
    /// `len` zeros that something is added to before anybody reads them, as to a gradient: a device may leave them unwritten until then.
    ///
    /// # Errors
    /// Out of memory.
    fn zeros_to_add_to(&self, len: usize) -> Result<Self::Buffer> {
        self.zeros(len)
    }
    /// Copy from the host.
    ///
    /// # Errors
    /// Out of memory.
    fn upload(&self, host: &[Self::Elem]) -> Result<Self::Buffer>;
    /// Overwrites `target` with host values of the same number.
    ///
    /// # Errors
    /// The device failed, or lengths differ.
    fn write(&self, host: &[Self::Elem], target: &mut Self::Buffer) -> Result<()>;
    /// Copy to the host.
    ///
    /// # Errors
    /// The device failed.
    fn download(&self, buffer: &Self::Buffer) -> Result<Vec<Self::Elem>>;
    /// Overwrites `target` with `source` of the same length.
    ///
    /// # Errors
    /// The device failed, or lengths differ.
    fn copy(&self, source: &Self::Buffer, target: &mut Self::Buffer) -> Result<()>;
    /// Number of elements.
    fn len(&self, buffer: &Self::Buffer) -> usize;
    /// Runs `work`, or what was recorded of it under `program`. Every time it must be the same operations on the same
    /// buffers: what differs from time to time is written into buffers before. Buffers made inside must be dropped inside, and
    /// nothing may be uploaded or downloaded there.
    ///
    /// # Errors
    /// What `work` reports; the device failed.
    fn repeat(&self, program: &mut Self::Program, work: impl FnOnce() -> Result<()>) -> Result<()>;
    /// Marks the point after everything that was asked for so far. Not inside [`Storage::repeat`].
    ///
    /// # Errors
    /// The device failed.
    fn mark(&self) -> Result<Self::Mark>;
    /// Seconds that the device took from one mark to a later one; waits for the later one.
    ///
    /// # Errors
    /// The device failed.
    fn seconds_between(&self, from: &Self::Mark, to: &Self::Mark) -> Result<f64>;
    /// Says of which layer and pass the next operations are; the layer is empty where there is none. Only profilers listen.
    fn enter(&self, _layer: &str, _pass: Pass) {}
    /// Does `work`, and tells which kernels it launched where the device has kernels, each with the marks right before and after it;
    /// meanwhile tools that watch the device see `name`. Only profilers ask, from one thread at a time, and not for work that
    /// [`Storage::repeat`] records: what is recorded has no time.
    fn watched<R>(&self, _name: std::fmt::Arguments<'_>, work: impl FnOnce() -> R) -> (R, Vec<Watched<Self::Mark>>) {
        (work(), Vec::new())
    }
}

/// The three products of an op that is linear in x and in w.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Of x and w.
    Forward,
    /// Of the output's gradient and w.
    InputGradient,
    /// Of x and the output's gradient.
    WeightGradient,
}

/// Convolution: `y = A(w * x + b)`. See [`Conv2dSpec`] for layouts. `dz` is the gradient before the activation,
/// as [`Pointwise::activation_grad`] gives it.
pub trait Conv2d: Storage {
    /// `y =`.
    fn conv2d(
        &self,
        spec: &Conv2dSpec,
        x: &Self::Buffer,
        w: &Self::Buffer,
        b: Option<&Self::Buffer>,
        y: &mut Self::Buffer,
    ) -> Result<()>;
    /// `dx += wᵀ * dz`, the adjoint in x.
    fn conv2d_input_grad(&self, spec: &Conv2dSpec, dz: &Self::Buffer, w: &Self::Buffer, dx: &mut Self::Buffer) -> Result<()>;
    /// `dw += Σ x dz`, `db += Σ dz`, the adjoints in w and b.
    fn conv2d_weight_grad(
        &self,
        spec: &Conv2dSpec,
        x: &Self::Buffer,
        dz: &Self::Buffer,
        dw: &mut Self::Buffer,
        db: Option<&mut Self::Buffer>,
    ) -> Result<()>;
    /// Whether a product is done by the matrix unit, in bf16; only profilers ask.
    fn conv2d_on_matrix(&self, _spec: &Conv2dSpec, _product: Product) -> bool {
        false
    }
    /// FLOPs of the formula that this product does not execute, see [`Work::saved`]; only profilers ask.
    fn conv2d_saved(&self, _spec: &Conv2dSpec, _product: Product) -> u64 {
        0
    }
}

/// Linear map: `y = A(x wᵀ + b)`. See [`LinearSpec`].
pub trait Linear: Storage {
    /// `y =`.
    fn linear(
        &self,
        spec: &LinearSpec,
        x: &Self::Buffer,
        w: &Self::Buffer,
        b: Option<&Self::Buffer>,
        y: &mut Self::Buffer,
    ) -> Result<()>;
    /// `dx += dz w`.
    fn linear_input_grad(&self, spec: &LinearSpec, dz: &Self::Buffer, w: &Self::Buffer, dx: &mut Self::Buffer) -> Result<()>;
    /// `dw += dzᵀ x`, `db += Σ dz`.
    fn linear_weight_grad(
        &self,
        spec: &LinearSpec,
        x: &Self::Buffer,
        dz: &Self::Buffer,
        dw: &mut Self::Buffer,
        db: Option<&mut Self::Buffer>,
    ) -> Result<()>;
    /// As [`Conv2d::conv2d_on_matrix`].
    fn linear_on_matrix(&self, _spec: &LinearSpec, _product: Product) -> bool {
        false
    }
}

/// Stacked dilated convolution. See [`SdcSpec`]; `w`, `b`, `dw`, `db` hold one buffer per branch.
pub trait Sdc: Storage {
    /// `y =`.
    fn sdc(&self, spec: &SdcSpec, x: &Self::Buffer, w: &[&Self::Buffer], b: &[&Self::Buffer], y: &mut Self::Buffer)
    -> Result<()>;
    /// `dx +=`, summed over the branches.
    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &Self::Buffer, w: &[&Self::Buffer], dx: &mut Self::Buffer) -> Result<()>;
    /// `dw +=`, `db +=`.
    fn sdc_weight_grad(
        &self,
        spec: &SdcSpec,
        x: &Self::Buffer,
        dz: &Self::Buffer,
        dw: &mut [Self::Buffer],
        db: &mut [Self::Buffer],
    ) -> Result<()>;
    /// Number of branches whose product is done by the matrix unit, in bf16; only profilers ask.
    fn sdc_on_matrix(&self, _spec: &SdcSpec, _product: Product) -> u32 {
        0
    }
    /// As [`Conv2d::conv2d_saved`], of all branches.
    fn sdc_saved(&self, _spec: &SdcSpec, _product: Product) -> u64 {
        0
    }
}

/// Max-pool as a selection: the position is found in `x`, the value taken from `v`. With `v = x` it is the pool itself, with
/// a tangent as `v` its JVP. The first of equal maxima wins.
pub trait MaxPool: Storage {
    /// `y = v[argmax x]`.
    fn max_pool(&self, spec: &PoolSpec, x: &Self::Buffer, v: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `dv[argmax x] += dy`.
    fn max_pool_grad(&self, spec: &PoolSpec, x: &Self::Buffer, dy: &Self::Buffer, dv: &mut Self::Buffer) -> Result<()>;
}

/// Bilinear upsampling by two. See [`UpsampleSpec`].
pub trait Upsample: Storage {
    /// `y =`.
    fn upsample2(&self, spec: &UpsampleSpec, x: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `dx +=`, the exact adjoint.
    fn upsample2_grad(&self, spec: &UpsampleSpec, dy: &Self::Buffer, dx: &mut Self::Buffer) -> Result<()>;
}

/// Moves of channel ranges: join, slice and their adjoints. See [`ChannelsSpec`].
pub trait Channels: Storage {
    /// `target[range] = source[range]`; the rest of `target` is untouched.
    fn channels_copy(&self, spec: &ChannelsSpec, source: &Self::Buffer, target: &mut Self::Buffer) -> Result<()>;
    /// `target[range] += source[range]`.
    fn channels_add(&self, spec: &ChannelsSpec, source: &Self::Buffer, target: &mut Self::Buffer) -> Result<()>;
}

/// Elementwise functions and arithmetic on buffers of one length.
pub trait Pointwise: Storage {
    /// `y = A(x)`.
    fn activation(&self, activation: Activation, x: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `dz = dy ⊙ S(y)` in place: `dz` holds dy before. `S(A(x)) = A'(x)` is the slope as a function of the output y.
    fn activation_grad(&self, activation: Activation, y: &Self::Buffer, dz: &mut Self::Buffer) -> Result<()>;
    /// `s = S⁽ᵏ⁾(y)`, the derivative of order k of the slope S, which tangents of tangents need:
    /// identity 1; ELU 1 or 1 + y; tanh 1 - y²; sigmoid y - y²; softplus 1 - exp(-y).
    fn activation_slope(&self, activation: Activation, order: u32, y: &Self::Buffer, s: &mut Self::Buffer) -> Result<()>;
    /// `y = a + b`.
    fn add(&self, a: &Self::Buffer, b: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `y = a - b`.
    fn sub(&self, a: &Self::Buffer, b: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `y = a ⊙ b`.
    fn mul(&self, a: &Self::Buffer, b: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `y += a ⊙ b`.
    fn mul_add(&self, a: &Self::Buffer, b: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `y = alpha x + beta`.
    fn affine(&self, alpha: f64, beta: f64, x: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `y += alpha x`.
    fn axpy(&self, alpha: f64, x: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `y = x + b` with b `[c]` added to each row of x `[rows, c]`.
    fn add_bias(&self, x: &Self::Buffer, b: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `db += Σ_rows dy`.
    fn bias_grad(&self, dy: &Self::Buffer, db: &mut Self::Buffer) -> Result<()>;
}

/// Fixed-order reductions.
pub trait Reduce: Storage {
    /// `y[0] = Σ x`.
    fn sum(&self, x: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `dx += alpha dy[0]` for every element: the adjoint of `alpha Σ x`.
    fn sum_grad(&self, alpha: f64, dy: &Self::Buffer, dx: &mut Self::Buffer) -> Result<()>;
}

/// Weights of a CCM's gate, or their gradients.
pub struct CcmWeights<T> {
    /// `[c, 1, 1, 3c]`.
    pub w_mix: T,
    /// `[c]`.
    pub b_mix: T,
    /// `[c, 1, 1, c]`.
    pub w_gate: T,
    /// `[c]`.
    pub b_gate: T,
}

/// Convex combination module. See [`CcmSpec`].
pub trait Ccm: Storage {
    /// `y = β ⊙ s + (1-β) ⊙ u`, rounded so that y lies between s and u for β in [0, 1].
    fn convex_combination(&self, beta: &Self::Buffer, s: &Self::Buffer, u: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `dβ += dy ⊙ (s-u)`, `ds += dy ⊙ β`, `du += dy ⊙ (1-β)`; `[beta, s, u]` and `[dβ, ds, du]`.
    fn convex_combination_grad(
        &self,
        operands: [&Self::Buffer; 3],
        dy: &Self::Buffer,
        grads: [&mut Self::Buffer; 3],
    ) -> Result<()>;
    /// The whole module in one call: `h =`, `β =`, `y =` in `saved = [h, β]` and `y`; `operands = [s, u]`.
    fn ccm(
        &self,
        spec: &CcmSpec,
        operands: [&Self::Buffer; 2],
        weights: &CcmWeights<&Self::Buffer>,
        saved: [&mut Self::Buffer; 2],
        y: &mut Self::Buffer,
    ) -> Result<()>;
    /// `y =` as [`Ccm::ccm`], to the bit, where no backward pass will ask for h and β.
    fn ccm_without_saving(
        &self,
        spec: &CcmSpec,
        operands: [&Self::Buffer; 2],
        weights: &CcmWeights<&Self::Buffer>,
        y: &mut Self::Buffer,
    ) -> Result<()> {
        let len = self.len(y);
        let [mut h, mut beta] = [self.alloc(len)?, self.alloc(len)?];
        self.ccm(spec, operands, weights, [&mut h, &mut beta], y)
    }
    /// Adjoint of [`Ccm::ccm`]: `grads = [ds, du]` and the weights' gradients, all `+=`; `saved` as the forward pass left it.
    fn ccm_grad(
        &self,
        spec: &CcmSpec,
        operands: [&Self::Buffer; 2],
        weights: &CcmWeights<&Self::Buffer>,
        saved: [&Self::Buffer; 2],
        dy: &Self::Buffer,
        grads: [&mut Self::Buffer; 2],
        weight_grads: CcmWeights<&mut Self::Buffer>,
    ) -> Result<()>;
    /// Whether all products of [`Ccm::ccm`] and its adjoint are done by the matrix unit, in bf16; only profilers ask.
    fn ccm_on_matrix(&self, _spec: &CcmSpec) -> bool {
        false
    }
}

/// Masked two-region objective. See [`ObjectiveSpec`]; `operands = [f(x̂), x, M]`.
pub trait Objective: Storage {
    /// `loss[0] =`.
    fn objective(&self, spec: &ObjectiveSpec, operands: [&Self::Buffer; 3], loss: &mut Self::Buffer) -> Result<()>;
    /// `d = ∂ᵏ`, the k-th derivative (k = 1, 2, 3) of the loss in each element of f(x̂); the Hessian is diagonal.
    fn objective_derivative(
        &self,
        spec: &ObjectiveSpec,
        order: u32,
        operands: [&Self::Buffer; 3],
        d: &mut Self::Buffer,
    ) -> Result<()>;
}

/// Constants of Adam (Kingma, Ba 2015) that no step changes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct AdamSpec {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

/// What differs from step to step. On the device it is a buffer, so that a recorded step can be repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f64,
    /// `c₁ = 1 - β₁^t`.
    pub correction1: f64,
    /// `c₂ = 1 - β₂^t`.
    pub correction2: f64,
    /// Decay of the weights' moving average.
    pub decay: f64,
}

impl AdamStep {
    /// Elements of the buffer.
    pub const LEN: usize = 4;

    /// The buffer's content: rate / c₁, 1 / c₂, decay, 1 - decay. Taken in f64: in f32, 1 - 0.999 is off by 5e-5.
    pub fn elements<T: Real>(&self) -> [T; Self::LEN] {
        [self.rate / self.correction1, 1.0 / self.correction2, self.decay, 1.0 - self.decay].map(T::of)
    }
}

/// Updates of the optimiser. `control = [step, loss]`: an [`AdamStep`] as a buffer, and one element. Where the loss is not
/// finite nothing is changed, so that a broken step leaves the weights as they were without the host looking.
pub trait Optimise: Storage {
    /// `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `p -= rate · (m/c₁) / (√(v/c₂) + ε)`.
    fn adam(
        &self,
        spec: &AdamSpec,
        control: [&Self::Buffer; 2],
        g: &Self::Buffer,
        p: &mut Self::Buffer,
        m: &mut Self::Buffer,
        v: &mut Self::Buffer,
    ) -> Result<()>;
    /// `average = decay · average + (1-decay) · p`: exponential moving average of the weights.
    fn moving_average(&self, control: [&Self::Buffer; 2], p: &Self::Buffer, average: &mut Self::Buffer) -> Result<()>;
}

/// n-fold box average. See [`BoxAverageSpec`].
pub trait BoxAverage: Storage {
    /// `y =`.
    fn box_average(&self, spec: &BoxAverageSpec, x: &Self::Buffer, y: &mut Self::Buffer) -> Result<()>;
    /// `dx +=`, the exact adjoint.
    fn box_average_grad(&self, spec: &BoxAverageSpec, dy: &Self::Buffer, dx: &mut Self::Buffer) -> Result<()>;
}

/// A picture on the host: `pixels` is `[height, width, 3]`.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Row by row, red, green, blue.
    pub pixels: &'a [f32],
}

/// Which square of which training image lies in one slot of a batch, and how it is turned over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// Number of the image.
    pub image: u32,
    /// First row of the square.
    pub top: u32,
    /// First column of the square.
    pub left: u32,
    /// Whether top and bottom are mirrored, before the turn.
    pub flip_rows: bool,
    /// Whether left and right are mirrored, before the turn.
    pub flip_columns: bool,
    /// Quarter turns, 0 to 3.
    pub turns: u32,
}

/// What differs from batch to batch. On the device it is a buffer, so that a recorded step can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picks {
    /// Low word of the step, which the corruption's random numbers are drawn for.
    pub step: u32,
    /// One for each image of the batch.
    pub slots: Vec<Pick>,
}

impl Picks {
    /// Elements of the buffer for `n` images.
    pub const fn len(n: usize) -> usize {
        2 * (1 + 5 * n)
    }

    /// The buffer's content: 32-bit words, each as two elements, its low and its high 16 bits, which every element type holds
    /// exactly. First the step, then of each slot image, top, left, turns, and flips (1 rows, 2 columns).
    pub fn elements<T: Real>(&self) -> Vec<T> {
        let of_slot = |pick: &Pick| {
            let flips = u32::from(pick.flip_rows) | u32::from(pick.flip_columns) << 1;
            [pick.image, pick.top, pick.left, pick.turns, flips]
        };
        let words = std::iter::once(self.step).chain(self.slots.iter().flat_map(of_slot));
        words.flat_map(|word| [word & 0xFFFF, word >> 16]).map(|half| T::of(f64::from(half))).collect()
    }
}

/// Training batches made on the device from images that stay there (Method §2). See [`CorruptionSpec`].
///
/// Where a backend has this, the batch is the one the host would make, to the bit.
pub trait Corruption: Storage {
    /// Pictures in the device's memory; a type without values on devices whose memory is the host's.
    type Resident: Send + Sync + 'static;

    /// Puts pictures on the device, the training images first, then the textures. `None` where batches are made by the host:
    /// because the device is the host, or because the pictures have more elements than a kernel can count.
    ///
    /// # Errors
    /// Out of memory.
    fn resident(&self, pictures: &[Picture<'_>]) -> Result<Option<Self::Resident>>;
    /// `x̂ =`, `x =`, `M =` in `batch`, from [`Picks`] as a buffer. The picks must be squares inside the training images.
    fn batch(
        &self,
        spec: &CorruptionSpec,
        resident: &Self::Resident,
        picks: &Self::Buffer,
        batch: [&mut Self::Buffer; 3],
    ) -> Result<()>;
}

/// Everything the tape and the trainer need.
pub trait Backend:
    Conv2d + Linear + Sdc + MaxPool + Upsample + Channels + Pointwise + Reduce + Ccm + Objective + Optimise + BoxAverage + Corruption
{
}

impl<T> Backend for T where
    T: Conv2d
        + Linear
        + Sdc
        + MaxPool
        + Upsample
        + Channels
        + Pointwise
        + Reduce
        + Ccm
        + Objective
        + Optimise
        + BoxAverage
        + Corruption
{
}
