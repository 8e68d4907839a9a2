//! Convolution, `kernels/conv2d.cu`. A 1x1 convolution with every pixel in its place is the linear map of `kernels/linear.cu`.

use super::gemm::{GEMM_THREADS, tiles};
use super::kernel::{File, Kernel};
use super::launch::blocks;
use super::reduce::column_sums;
use super::{Buffer, Cuda, Mode, check_lengths, conv2d_bf16};
use crate::backend::{Conv2d, Linear, Unit};
use crate::error::Result;
use crate::shape::{Conv2dSpec, LinearSpec};

const OP: &str = "conv2d";
/// Most channels of a narrow end, whose kernels have no tiles of that side.
const FEW: usize = 4;
/// Widest kernel of a narrow end.
const FEW_KERNEL: u32 = 3;
/// Pixels that a block of [`FEW_OUTPUTS`] makes.
const GROUP_PIXELS: u32 = 128;
/// Pixels that a thread of [`FEW_OUTPUTS_INPUT_GRAD`] makes.
const THREAD_PIXELS: usize = 4;
/// Pairs of a tap and four channels that a block of the narrow ends' weight gradients makes.
const COLUMNS: u32 = 16;

const FLOPS: &str = "2 n h_out w_out c_out kernel kernel c_in";
const BYTES: &str = "4 (n h w c_in + c_out kernel kernel c_in + bias + n h_out w_out c_out)";
const INPUT_BYTES: &str = "4 (n h_out w_out c_out + c_out kernel kernel c_in + 2 n h w c_in)";
const WEIGHT_BYTES: &str = "4 (n h w c_in + n h_out w_out c_out + splits c_out kernel kernel c_in)";
const WEIGHT_BYTES_NAIVE: &str = "4 (n h w c_in + n h_out w_out c_out + 2 c_out kernel kernel c_in)";

static FILE: File = File { name: "conv2d.cu", text: include_str!("../../../kernels/conv2d.cu") };

const fn kernel(name: &'static str, threads: u32, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static FORWARD: Kernel = kernel("conv2d", GEMM_THREADS, FLOPS, BYTES);
static INPUT_GRAD: Kernel = kernel("conv2d_input_grad", GEMM_THREADS, FLOPS, INPUT_BYTES);
static WEIGHT_GRAD: Kernel = kernel("conv2d_weight_grad", GEMM_THREADS, FLOPS, WEIGHT_BYTES);
static FEW_INPUTS: Kernel = kernel("conv2d_few_inputs", GEMM_THREADS, FLOPS, BYTES);
static FEW_OUTPUTS: Kernel = kernel("conv2d_few_outputs", 256, FLOPS, BYTES);
static FEW_OUTPUTS_INPUT_GRAD: Kernel = kernel("conv2d_few_outputs_input_grad", 256, FLOPS, INPUT_BYTES);
static FEW_INPUTS_WEIGHT_GRAD: Kernel = kernel("conv2d_few_inputs_weight_grad", 256, FLOPS, WEIGHT_BYTES);
static FEW_OUTPUTS_WEIGHT_GRAD: Kernel = kernel("conv2d_few_outputs_weight_grad", 256, FLOPS, WEIGHT_BYTES);
static FORWARD_NAIVE: Kernel = kernel("conv2d_naive", 256, FLOPS, BYTES);
static INPUT_GRAD_NAIVE: Kernel = kernel("conv2d_input_grad_naive", 256, FLOPS, INPUT_BYTES);
static WEIGHT_GRAD_NAIVE: Kernel = kernel("conv2d_weight_grad_naive", 256, FLOPS, WEIGHT_BYTES_NAIVE);

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[
    &FORWARD,
    &INPUT_GRAD,
    &WEIGHT_GRAD,
    &FEW_INPUTS,
    &FEW_OUTPUTS,
    &FEW_OUTPUTS_INPUT_GRAD,
    &FEW_INPUTS_WEIGHT_GRAD,
    &FEW_OUTPUTS_WEIGHT_GRAD,
    &FORWARD_NAIVE,
    &INPUT_GRAD_NAIVE,
    &WEIGHT_GRAD_NAIVE,
];

/// Which kernels a convolution takes. Depends on its shape alone.
enum Route {
    Naive,
    /// On tensor cores.
    Bf16,
    /// Up to four output channels.
    FewOutputs,
    /// Up to four input channels.
    FewInputs,
    /// The linear map of every pixel.
    Linear(LinearSpec),
    Tiled,
}

impl Cuda {
    fn route(&self, spec: &Conv2dSpec) -> Route {
        let extents = Extents::of(spec);
        let narrow = spec.kernel <= FEW_KERNEL;
        match self.mode {
            Mode::Naive => Route::Naive,
            Mode::Bf16 if conv2d_bf16::fits(spec, 1) => Route::Bf16,
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

impl Conv2d for Cuda {
    fn conv2d(&self, spec: &Conv2dSpec, x: &Buffer, w: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
        let extents = Extents::of(spec);
        let bias = b.map_or(extents.c_out, Buffer::len);
        let operands =
            [("x", x.len(), extents.x()), ("w", w.len(), extents.w()), ("b", bias, extents.c_out), ("y", y.len(), extents.y())];
        check_lengths(OP, &operands)?;
        let launch = match self.route(spec) {
            Route::Naive => self.launch_over(&FORWARD_NAIVE, extents.y()),
            Route::Bf16 => return self.conv2d_bf16(spec, x, w, b, y),
            Route::FewOutputs => self.launch(&FEW_OUTPUTS, [blocks(extents.rows, GROUP_PIXELS), 1, 1]),
            Route::FewInputs => self.launch(&FEW_INPUTS, tiles(extents.rows, extents.c_out)),
            Route::Linear(linear) => return self.linear(&linear, x, w, b, y),
            Route::Tiled => self.launch(&FORWARD, tiles(extents.rows, extents.c_out)),
        };
        launch.input(x).input(w).bias(b).output(y).value(*spec).run()
    }

    fn conv2d_input_grad(&self, spec: &Conv2dSpec, dz: &Buffer, w: &Buffer, dx: &mut Buffer) -> Result<()> {
        let extents = Extents::of(spec);
        check_lengths(OP, &[("dz", dz.len(), extents.y()), ("w", w.len(), extents.w()), ("dx", dx.len(), extents.x())])?;
        let launch = match self.route(spec) {
            Route::Naive => self.launch_over(&INPUT_GRAD_NAIVE, extents.x()),
            Route::Bf16 => return self.conv2d_input_grad_bf16(spec, dz, w, dx),
            Route::FewOutputs => {
                let threads = extents.inputs.div_ceil(THREAD_PIXELS) * extents.c_in.div_ceil(4);
                self.launch_over(&FEW_OUTPUTS_INPUT_GRAD, threads)
            }
            Route::Linear(linear) => return self.linear_input_grad(&linear, dz, w, dx),
            // A gradient of few channels is seldom asked for: it would be the image's.
            Route::FewInputs | Route::Tiled => self.launch(&INPUT_GRAD, tiles(extents.inputs, extents.c_in)),
        };
        launch.input(dz).input(w).output(dx).value(*spec).run()
    }

    fn conv2d_weight_grad(
        &self,
        spec: &Conv2dSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
        db: Option<&mut Buffer>,
    ) -> Result<()> {
        let extents = Extents::of(spec);
        let bias = db.as_ref().map_or(extents.c_out, |db| db.len());
        let operands = [
            ("x", x.len(), extents.x()),
            ("dz", dz.len(), extents.y()),
            ("dw", dw.len(), extents.w()),
            ("db", bias, extents.c_out),
        ];
        check_lengths(OP, &operands)?;
        let columns = |wide: usize| blocks(extents.taps * wide.div_ceil(4), COLUMNS);
        match self.route(spec) {
            Route::Naive => {
                let launch = self.launch_over(&WEIGHT_GRAD_NAIVE, extents.w());
                launch.input(x).input(dz).output(dw).value(*spec).run()?;
            }
            Route::Bf16 => self.conv2d_weight_grad_bf16(spec, x, dz, dw)?,
            Route::FewOutputs => {
                self.split_weight_grad(&FEW_OUTPUTS_WEIGHT_GRAD, spec, [x, dz], dw, |[_, _, z]| [columns(extents.c_in), 1, z])?;
            }
            Route::FewInputs => {
                self.split_weight_grad(&FEW_INPUTS_WEIGHT_GRAD, spec, [x, dz], dw, |[_, _, z]| [columns(extents.c_out), 1, z])?;
            }
            Route::Linear(linear) => return self.linear_weight_grad(&linear, x, dz, dw, db),
            Route::Tiled => self.split_weight_grad(&WEIGHT_GRAD, spec, [x, dz], dw, |grid| grid)?,
        }
        db.map_or(Ok(()), |db| column_sums(self, dz, db))
    }
}

impl Cuda {
    /// `dw +=` by a kernel that sums over splits of the output pixels; `grid` makes its grid of that of the tiles.
    fn split_weight_grad(
        &self,
        kernel: &'static Kernel,
        spec: &Conv2dSpec,
        [x, dz]: [&Buffer; 2],
        dw: &mut Buffer,
        grid: impl FnOnce([u32; 3]) -> [u32; 3],
    ) -> Result<()> {
        let extents = Extents::of(spec);
        self.split_product([extents.c_out, extents.taps * extents.c_in, extents.rows], dw, |tiles, partial| {
            let launch = self.launch(kernel, grid(tiles)).with("splits", tiles[2] as usize);
            launch.input(x).input(dz).output(partial).value(*spec).run()
        })
    }
}

/// Extents of a convolution, pixels counted over all images.
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

    fn x(&self) -> usize {
        self.inputs * self.c_in
    }

    fn w(&self) -> usize {
        self.c_out * self.taps * self.c_in
    }

    fn y(&self) -> usize {
        self.rows * self.c_out
    }
}
