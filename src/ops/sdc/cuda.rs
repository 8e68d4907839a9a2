//! Stacked dilated convolution, all branches in one launch, `kernels/sdc.cu`.

use super::{MAX_BRANCHES, Sdc, SdcSpec, cuda_bf16};
use crate::backend::Storage;
use crate::backend::cuda::gemm::{splits, tiles};
use crate::backend::cuda::kernels::sdc as kernel;
use crate::backend::cuda::reduce::column_sums_of;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;
use crate::ops::pointwise::cuda::finish;

/// Taps of a branch.
pub(super) const TAPS: usize = 9;

pub(in crate::ops) fn run(cuda: &Cuda, call: Sdc<'_, Buffer>) -> Result<()> {
    let in_bf16 = |images: [&Buffer; 2], spec| images.iter().all(|image| image.is_bf16()) && cuda_bf16::fits(cuda, spec);
    match call {
        Sdc::Forward { spec, x, w, b, y } if in_bf16([x, y], spec) => cuda_bf16::forward(cuda, spec, x, w, b, y),
        Sdc::InputGrad { spec, dz, w, dx, slope } if in_bf16([dz, dx], spec) => {
            cuda_bf16::input_grad(cuda, spec, dz, w, dx, slope)
        }
        Sdc::WeightGrad { spec, x, dz, dw, db } if in_bf16([x, dz], spec) => cuda_bf16::weight_grad(cuda, spec, [x, dz], dw, db),
        Sdc::Forward { spec, x, w, b, y } => {
            let extents = Extents::of(spec);
            let launch = if cuda.is_naive() {
                cuda.launch_over(&kernel::SDC_NAIVE, y.len())
            } else {
                let [m, n, _] = tiles(extents.pixels, extents.c_out);
                cuda.launch(&kernel::SDC, [m, n, spec.branches])
            };
            launch.input(x).inputs::<MAX_BRANCHES>(w).inputs::<MAX_BRANCHES>(b).output(y).value(*spec).run()
        }
        Sdc::InputGrad { spec, dz, w, dx, slope } => finish(cuda, slope, dx, |dx| {
            if cuda.is_naive() {
                let launch = cuda.launch_over(&kernel::SDC_INPUT_GRAD_NAIVE, dx.len());
                return launch.input(dz).inputs::<MAX_BRANCHES>(w).update(dx).value(*spec).run();
            }
            let extents = Extents::of(spec);
            let launch = cuda.launch(&kernel::SDC_INPUT_GRAD, tiles(extents.pixels, extents.c_in));
            launch.input(dz).inputs::<MAX_BRANCHES>(w).sum(dx).value(*spec).run()
        }),
        Sdc::WeightGrad { spec, x, dz, dw, db } => weight_grad(cuda, spec, [x, dz], dw, db),
    }
}

fn weight_grad(cuda: &Cuda, spec: &SdcSpec, [x, dz]: [&Buffer; 2], dw: &mut [Buffer], db: &mut [Buffer]) -> Result<()> {
    let extents = Extents::of(spec);
    if cuda.is_naive() {
        let launch = cuda.launch_over(&kernel::SDC_WEIGHT_GRAD_NAIVE, extents.branches * extents.weight());
        launch.input(x).input(dz).updates::<MAX_BRANCHES>(dw.iter_mut().map(Some)).value(*spec).run()?;
    } else {
        let [m, n, _] = tiles(extents.c_out, TAPS * extents.c_in);
        split_product(cuda, spec, [m, n], dw, |[m, n, splits], partial| {
            let launch = cuda.launch(&kernel::SDC_WEIGHT_GRAD, [m, n, splits * spec.branches]).with("splits", splits as usize);
            launch.input(x).input(dz).output(partial).value(*spec).run()
        })?;
    }
    let channels = extents.branches * extents.c_out;
    let of_branch = |(k, db): (usize, &mut Buffer)| column_sums_of(cuda, dz, extents.pixels, channels, k * extents.c_out, db);
    db.iter_mut().enumerate().try_for_each(of_branch)
}

/// `dw +=` in two stages: partial sums over splits of the pixels, then a sum over the splits. `stage` gets `[m, n, splits]` and
/// launches its kernel with `m x n` blocks per split and branch. The kernel writes `[splits, branches, len]` partial sums to the
/// given buffer.
pub(super) fn split_product(
    cuda: &Cuda,
    spec: &SdcSpec,
    [m, n]: [u32; 2],
    dw: &mut [Buffer],
    stage: impl FnOnce([u32; 3], &mut Buffer) -> Result<()>,
) -> Result<()> {
    let extents = Extents::of(spec);
    let (branches, len) = (extents.branches, extents.weight());
    let splits = splits(m as usize * n as usize * branches, extents.pixels);
    let mut partial = cuda.alloc(splits as usize * branches * len)?;
    stage([m, n, splits], &mut partial)?;
    cuda_bf16::add_splits(cuda, spec, &partial, splits, dw)
}

/// Dimensions of a stacked dilated convolution.
struct Extents {
    /// Pixels of all images.
    pixels: usize,
    c_in: usize,
    /// Output channels of one branch.
    c_out: usize,
    branches: usize,
}

impl Extents {
    fn of(spec: &SdcSpec) -> Self {
        let [n, h, w] = [spec.n, spec.h, spec.w].map(|extent| extent as usize);
        let [c_in, c_out, branches] = [spec.c_in, spec.c_out, spec.branches].map(|extent| extent as usize);
        Self { pixels: n * h * w, c_in, c_out, branches }
    }

    /// The weights of one branch.
    fn weight(&self) -> usize {
        self.c_out * TAPS * self.c_in
    }
}
