//! Convolution, `kernels/conv2d.cu`. A 1x1 convolution without stride or padding uses the linear map of `kernels/linear.cu`.

use super::{Conv2d, Conv2dSpec, cuda_bf16};
use crate::backend::cuda::gemm::tiles;
use crate::backend::cuda::kernels::conv2d as kernel;
use crate::backend::cuda::launch::blocks;
use crate::backend::cuda::reduce::column_sums;
use crate::backend::cuda::{Buffer, Cuda, Kernel, Mode};
use crate::error::Result;
use crate::ops::linear::{self, Linear, LinearSpec};

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

/// Which kernels a convolution uses. Depends only on its shape.
enum Route {
    Naive,
    /// On tensor cores.
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
    fn route(&self, spec: &Conv2dSpec) -> Route {
        let extents = Extents::of(spec);
        let narrow = spec.kernel <= FEW_KERNEL;
        match self.mode {
            Mode::Naive => Route::Naive,
            Mode::Bf16 if cuda_bf16::fits(spec, 1) => Route::Bf16,
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
        Conv2d::InputGrad { spec, dz, w, dx } => input_grad(cuda, spec, [dz, w], dx),
        Conv2d::WeightGrad { spec, x, dz, dw, db } => weight_grad(cuda, spec, [x, dz], dw, db),
    }
}

fn forward(cuda: &Cuda, spec: &Conv2dSpec, [x, w]: [&Buffer; 2], b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
    let extents = Extents::of(spec);
    let launch = match cuda.route(spec) {
        Route::Naive => cuda.launch_over(&kernel::CONV2D_NAIVE, y.len()),
        Route::Bf16 => return cuda.conv2d_bf16(spec, x, w, b, y),
        Route::FewOutputs => cuda.launch(&kernel::CONV2D_FEW_OUTPUTS, [blocks(extents.rows, GROUP_PIXELS), 1, 1]),
        Route::FewInputs => cuda.launch(&kernel::CONV2D_FEW_INPUTS, tiles(extents.rows, extents.c_out)),
        Route::Linear(spec) => return linear::cuda::run(cuda, Linear::Forward { spec: &spec, x, w, b, y }),
        Route::Tiled => cuda.launch(&kernel::CONV2D, tiles(extents.rows, extents.c_out)),
    };
    launch.input(x).input(w).bias(b).output(y).value(*spec).run()
}

fn input_grad(cuda: &Cuda, spec: &Conv2dSpec, [dz, w]: [&Buffer; 2], dx: &mut Buffer) -> Result<()> {
    let extents = Extents::of(spec);
    let launch = match cuda.route(spec) {
        Route::Naive => cuda.launch_over(&kernel::CONV2D_INPUT_GRAD_NAIVE, dx.len()),
        Route::Bf16 => return cuda.conv2d_input_grad_bf16(spec, dz, w, dx),
        Route::FewOutputs => {
            let threads = extents.inputs.div_ceil(THREAD_PIXELS) * extents.c_in.div_ceil(4);
            cuda.launch_over(&kernel::CONV2D_FEW_OUTPUTS_INPUT_GRAD, threads)
        }
        Route::Linear(spec) => return linear::cuda::run(cuda, Linear::InputGrad { spec: &spec, dz, w, dx }),
        // A gradient with few channels is rarely needed: only the input image has so few.
        Route::FewInputs | Route::Tiled => cuda.launch(&kernel::CONV2D_INPUT_GRAD, tiles(extents.inputs, extents.c_in)),
    };
    launch.input(dz).input(w).output(dx).value(*spec).run()
}

fn weight_grad(cuda: &Cuda, spec: &Conv2dSpec, [x, dz]: [&Buffer; 2], dw: &mut Buffer, db: Option<&mut Buffer>) -> Result<()> {
    let extents = Extents::of(spec);
    let columns = |wide: usize| blocks(extents.taps * wide.div_ceil(4), COLUMNS);
    match cuda.route(spec) {
        Route::Naive => {
            let launch = cuda.launch_over(&kernel::CONV2D_WEIGHT_GRAD_NAIVE, dw.len());
            launch.input(x).input(dz).output(dw).value(*spec).run()?;
        }
        Route::Bf16 => cuda.conv2d_weight_grad_bf16(spec, x, dz, dw)?,
        Route::FewOutputs => {
            let kernel = &kernel::CONV2D_FEW_OUTPUTS_WEIGHT_GRAD;
            split_weight_grad(cuda, kernel, spec, [x, dz], dw, |[_, _, z]| [columns(extents.c_in), 1, z])?;
        }
        Route::FewInputs => {
            let kernel = &kernel::CONV2D_FEW_INPUTS_WEIGHT_GRAD;
            split_weight_grad(cuda, kernel, spec, [x, dz], dw, |[_, _, z]| [columns(extents.c_out), 1, z])?;
        }
        Route::Linear(spec) => return linear::cuda::run(cuda, Linear::WeightGrad { spec: &spec, x, dz, dw, db }),
        Route::Tiled => split_weight_grad(cuda, &kernel::CONV2D_WEIGHT_GRAD, spec, [x, dz], dw, |grid| grid)?,
    }
    db.map_or(Ok(()), |db| column_sums(cuda, dz, db))
}

/// `dw +=` with a kernel that sums over splits of the output pixels. `grid` computes its grid from that of the tiles.
fn split_weight_grad(
    cuda: &Cuda,
    kernel: &'static Kernel,
    spec: &Conv2dSpec,
    [x, dz]: [&Buffer; 2],
    dw: &mut Buffer,
    grid: impl FnOnce([u32; 3]) -> [u32; 3],
) -> Result<()> {
    let extents = Extents::of(spec);
    cuda.split_product([extents.c_out, extents.taps * extents.c_in, extents.rows], dw, |tiles, partial| {
        let launch = cuda.launch(kernel, grid(tiles)).with("splits", tiles[2] as usize);
        launch.input(x).input(dz).output(partial).value(*spec).run()
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
