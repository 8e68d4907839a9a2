//! Convolution, `kernels/conv2d.cu`. A 1x1 convolution without stride or padding uses the linear map of `kernels/linear.cu`.

use super::{Conv2d, Conv2dSpec, cuda_3x3, cuda_bf16, cuda_wgmma};
use crate::backend::Slope;
use crate::backend::cuda::gemm::tiles;
use crate::backend::cuda::kernels::conv2d as kernel;
use crate::backend::cuda::launch::blocks;
use crate::backend::cuda::reduce::column_sums;
use crate::backend::cuda::{Buffer, Cuda, Kernel};
use crate::error::Result;
use crate::ops::linear::{self, Linear, LinearSpec};
use crate::ops::pointwise::cuda::finish;
use crate::ops::pool::{self, MaxPool};

/// Most channels for the kernels of narrow layers, which do not tile the narrow side.
const FEW: usize = 4;
/// Largest kernel size of a narrow layer.
const FEW_KERNEL: u32 = 3;
/// Pixels per block of `conv2d_few_outputs`.
const GROUP_PIXELS: u32 = 128;
/// Pixels per thread of `conv2d_few_outputs_input_grad`.
const THREAD_PIXELS: usize = 4;
/// Pairs of a tap and four channels per block in the weight gradients of narrow layers.
const COLUMNS: u32 = 16;

/// Which kernels a convolution uses. Depends only on its shape and on how its images are stored.
enum Route {
    Naive,
    /// On tensor cores, 3x3 with padding 1: both images are stored as bf16.
    Halo,
    /// On tensor cores, any other: both images are stored as bf16.
    Bf16,
    /// Up to four output channels.
    FewOutputs,
    /// Up to four input channels.
    FewInputs,
    /// As a linear map over the pixels.
    Linear(LinearSpec),
    Tiled,
}

impl Cuda {
    /// For a convolution between these two images or their gradients.
    fn route(&self, spec: &Conv2dSpec, images: [&Buffer; 2]) -> Route {
        let extents = Extents::of(spec);
        let narrow = spec.kernel <= FEW_KERNEL;
        match spec {
            _ if self.is_naive() => Route::Naive,
            _ if images.iter().all(|image| image.is_bf16()) && cuda_3x3::fits(self, spec) => Route::Halo,
            _ if images.iter().all(|image| image.is_bf16()) && cuda_bf16::fits(spec) => Route::Bf16,
            _ if narrow && extents.c_out <= FEW => Route::FewOutputs,
            _ if narrow && extents.c_in <= FEW => Route::FewInputs,
            _ if (spec.kernel, spec.stride, spec.padding) == (1, 1, 0) => Route::Linear(LinearSpec {
                rows: extents.rows as u32,
                c_in: spec.c_in,
                c_out: spec.c_out,
                activation: spec.activation,
            }),
            _ => Route::Tiled,
        }
    }
}

pub(in crate::ops) fn run(cuda: &Cuda, call: Conv2d<'_, Buffer>) -> Result<()> {
    match call {
        Conv2d::Forward { spec, x, w, b, y } => forward(cuda, spec, [x, w], b, y),
        Conv2d::ForwardPooled { spec, x, w, b, y, pooled, .. }
            if matches!(cuda.route(spec, [x, y]), Route::Halo) && !cuda_wgmma::fits(cuda, spec) =>
        {
            cuda_3x3::forward(cuda, spec, [x, w], b, y, Some(pooled))
        }
        Conv2d::ForwardPooled { spec, pool, x, w, b, y, pooled } => {
            forward(cuda, spec, [x, w], b, y)?;
            pool::cuda::run(cuda, MaxPool::Forward { spec: pool, x: y, v: y, y: pooled })
        }
        Conv2d::InputGrad { spec, dz, w, dx, slope } => input_grad(cuda, spec, [dz, w], dx, slope),
        Conv2d::WeightGrad { spec, x, dz, dw, db } => weight_grad(cuda, spec, [x, dz], dw, db),
    }
}

fn forward(cuda: &Cuda, spec: &Conv2dSpec, [x, w]: [&Buffer; 2], b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
    let extents = Extents::of(spec);
    let launch = match cuda.route(spec, [x, y]) {
        Route::Naive => cuda.launch_over(&kernel::CONV2D_NAIVE, y.len()).input(x).input(w).bias(b).output(y),
        Route::Halo if cuda_wgmma::fits(cuda, spec) => return cuda_wgmma::forward(cuda, spec, [x, w], b, y),
        Route::Halo => return cuda_3x3::forward(cuda, spec, [x, w], b, y, None),
        Route::Bf16 => return cuda_bf16::forward(cuda, spec, [x, w], b, y),
        Route::FewOutputs if x.is_bf16() => {
            let launch = cuda.launch(&kernel::CONV2D_FEW_OUTPUTS_BF16, [blocks(extents.rows, GROUP_PIXELS), 1, 1]);
            launch.bf16_input(x).input(w).bias(b).output(y)
        }
        Route::FewOutputs => {
            let launch = cuda.launch(&kernel::CONV2D_FEW_OUTPUTS, [blocks(extents.rows, GROUP_PIXELS), 1, 1]);
            launch.input(x).input(w).bias(b).output(y)
        }
        Route::FewInputs if y.is_bf16() => {
            let launch = cuda.launch(&kernel::CONV2D_FEW_INPUTS_BF16, tiles(extents.rows, extents.c_out));
            launch.input(x).input(w).bias(b).bf16_output(y)
        }
        Route::FewInputs => {
            let launch = cuda.launch(&kernel::CONV2D_FEW_INPUTS, tiles(extents.rows, extents.c_out));
            launch.input(x).input(w).bias(b).output(y)
        }
        Route::Linear(spec) => return linear::cuda::run(cuda, Linear::Forward { spec: &spec, x, w, b, y }),
        Route::Tiled => {
            let launch = cuda.launch(&kernel::CONV2D, tiles(extents.rows, extents.c_out));
            launch.input(x).input(w).bias(b).output(y)
        }
    };
    launch.value(*spec).run()
}

fn input_grad(
    cuda: &Cuda,
    spec: &Conv2dSpec,
    [dz, w]: [&Buffer; 2],
    dx: &mut Buffer,
    slope: Option<Slope<'_, Buffer>>,
) -> Result<()> {
    let route = cuda.route(spec, [dz, dx]);
    match route {
        Route::Halo => return cuda_3x3::input_grad(cuda, spec, [dz, w], dx, slope),
        Route::Bf16 => return cuda_bf16::input_grad(cuda, spec, [dz, w], dx, slope),
        Route::FewOutputs if dx.is_bf16() => {
            let launch = cuda.launch_over(&kernel::CONV2D_FEW_OUTPUTS_INPUT_GRAD_BF16, few_outputs_threads(spec));
            let launch = launch.input(dz).input(w).bf16_sum(dx, "adds").slope(slope, "sloped");
            return launch.value(*spec).run();
        }
        _ => {}
    }
    finish(cuda, slope, dx, |dx| {
        let extents = Extents::of(spec);
        let launch = match route {
            Route::Linear(spec) => return linear::cuda::run(cuda, Linear::InputGrad { spec: &spec, dz, w, dx }),
            Route::Naive => cuda.launch_over(&kernel::CONV2D_INPUT_GRAD_NAIVE, dx.len()).input(dz).input(w).update(dx),
            Route::FewOutputs => {
                let launch = cuda.launch_over(&kernel::CONV2D_FEW_OUTPUTS_INPUT_GRAD, few_outputs_threads(spec));
                launch.input(dz).input(w).sum(dx)
            }
            // A gradient with few channels is rarely needed: only the input image has so few.
            Route::Halo | Route::Bf16 | Route::FewInputs | Route::Tiled => {
                let launch = cuda.launch(&kernel::CONV2D_INPUT_GRAD, tiles(extents.inputs, extents.c_in));
                launch.input(dz).input(w).sum(dx)
            }
        };
        launch.value(*spec).run()
    })
}

/// Threads of the input gradient for up to four output channels.
fn few_outputs_threads(spec: &Conv2dSpec) -> usize {
    let extents = Extents::of(spec);
    extents.inputs.div_ceil(THREAD_PIXELS) * extents.c_in.div_ceil(4)
}

fn weight_grad(cuda: &Cuda, spec: &Conv2dSpec, [x, dz]: [&Buffer; 2], dw: &mut Buffer, db: Option<&mut Buffer>) -> Result<()> {
    let extents = Extents::of(spec);
    let columns = |wide: usize| blocks(extents.taps * wide.div_ceil(4), COLUMNS);
    match cuda.route(spec, [x, dz]) {
        Route::Naive => {
            let launch = cuda.launch_over(&kernel::CONV2D_WEIGHT_GRAD_NAIVE, dw.len());
            launch.input(x).input(dz).update(dw).value(*spec).run()?;
        }
        Route::Halo => return cuda_3x3::weight_grad(cuda, spec, [x, dz], dw, db),
        Route::Bf16 => return cuda_bf16::weight_grad(cuda, spec, [x, dz], dw, db),
        Route::FewOutputs => {
            let kernels = [&kernel::CONV2D_FEW_OUTPUTS_WEIGHT_GRAD, &kernel::CONV2D_FEW_OUTPUTS_WEIGHT_GRAD_BF16];
            split_weight_grad(cuda, kernels, spec, [x, dz], dw, |[_, _, z]| [columns(extents.c_in), 1, z])?;
        }
        Route::FewInputs => {
            let kernels = [&kernel::CONV2D_FEW_INPUTS_WEIGHT_GRAD, &kernel::CONV2D_FEW_INPUTS_WEIGHT_GRAD_BF16];
            split_weight_grad(cuda, kernels, spec, [x, dz], dw, |[_, _, z]| [columns(extents.c_out), 1, z])?;
        }
        Route::Linear(spec) => return linear::cuda::run(cuda, Linear::WeightGrad { spec: &spec, x, dz, dw, db }),
        Route::Tiled => {
            let kernel = &kernel::CONV2D_WEIGHT_GRAD;
            cuda.split_product([extents.c_out, extents.taps * extents.c_in, extents.rows], dw, |grid, partial| {
                let launch = cuda.launch(kernel, grid).with("splits", grid[2] as usize);
                launch.input(x).input(dz).output(partial).value(*spec).run()
            })?;
        }
    }
    db.map_or(Ok(()), |db| column_sums(cuda, dz, db))
}

/// `dw +=` of a narrow layer, whose kernel sums over splits of the output pixels. The second kernel reads the image of the wide
/// side as bf16. `grid` computes the grid from that of the tiles.
fn split_weight_grad(
    cuda: &Cuda,
    [f32, bf16]: [&'static Kernel; 2],
    spec: &Conv2dSpec,
    [x, dz]: [&Buffer; 2],
    dw: &mut Buffer,
    grid: impl FnOnce([u32; 3]) -> [u32; 3],
) -> Result<()> {
    let extents = Extents::of(spec);
    cuda.split_product([extents.c_out, extents.taps * extents.c_in, extents.rows], dw, |tiles, partial| {
        let kernel = if x.is_bf16() || dz.is_bf16() { bf16 } else { f32 };
        let launch = cuda.launch(kernel, grid(tiles)).with("splits", tiles[2] as usize);
        launch.stored(x).stored(dz).output(partial).value(*spec).run()
    })
}

/// Dimensions of a convolution. Pixels are counted over all images.
struct Extents {
    /// Input pixels.
    inputs: usize,
    /// Output pixels.
    rows: usize,
    c_in: usize,
    c_out: usize,
    taps: usize,
}

impl Extents {
    fn of(spec: &Conv2dSpec) -> Self {
        let product = |extents: [u32; 3]| extents.iter().map(|&extent| extent as usize).product();
        Self {
            inputs: product([spec.n, spec.h, spec.w]),
            rows: product([spec.n, spec.h_out, spec.w_out]),
            c_in: spec.c_in as usize,
            c_out: spec.c_out as usize,
            taps: product([spec.kernel, spec.kernel, 1]),
        }
    }
}
