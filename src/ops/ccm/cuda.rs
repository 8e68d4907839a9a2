//! Convex combination module, `kernels/ccm.cu`. The forward pass takes two launches; the backward pass takes the two products of
//! a linear map and four more launches. The concatenated `[s, u, (s-u)²]` is never stored.

use super::cuda_bf16::{self, Images};
use super::{Ccm, CcmSpec, CcmWeights};
use crate::backend::Storage;
use crate::backend::cuda::gemm::tiles;
use crate::backend::cuda::kernels::ccm as kernel;
use crate::backend::cuda::reduce::column_sums;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;
use crate::ops::linear::{self, Linear, LinearSpec};
use crate::ops::pointwise::cuda::finish;
use crate::shape::Activation;

pub(in crate::ops) fn run(cuda: &Cuda, call: Ccm<'_, Buffer>) -> Result<()> {
    match call {
        Ccm::Combination { beta, s, u, y } => {
            let len = y.len();
            let launch = cuda.launch_over(&kernel::CONVEX_COMBINATION, len).input(beta).input(s).input(u);
            launch.output(y).number("len", len as u32).run()
        }
        Ccm::CombinationGrad { beta, s, u, dy, d_beta, ds, du } => {
            let len = dy.len();
            let launch = cuda.launch_over(&kernel::CONVEX_COMBINATION_GRAD, len).input(beta).input(s).input(u).input(dy);
            launch.update(d_beta).update(ds).update(du).number("len", len as u32).run()
        }
        Ccm::Forward { spec, s, u, weights, saved: Some([h, beta]), y } => forward(cuda, spec, [s, u], &weights, [h, beta, y]),
        Ccm::Forward { spec, s, u, weights, saved: None, y } => {
            let [mut h, mut beta] = [cuda.alloc_as(s.format(), y.len())?, cuda.alloc_as(s.format(), y.len())?];
            forward(cuda, spec, [s, u], &weights, [&mut h, &mut beta, y])
        }
        Ccm::Grad { spec, s, u, weights, saved: [h, beta], dy, ds, du, slopes, weight_grads } => {
            let images = Images { s, u, h, beta, dy };
            if s.is_bf16() && ds.is_bf16() && cuda_bf16::fits(cuda, spec) {
                return cuda_bf16::grad(cuda, spec, &images, &weights, [ds, du], slopes, weight_grads);
            }
            let [skip, upsampled] = slopes;
            finish(cuda, skip, ds, |ds| {
                finish(cuda, upsampled, du, |du| grad(cuda, spec, &images, &weights, [ds, du], weight_grads))
            })
        }
    }
}

fn forward(
    cuda: &Cuda,
    spec: &CcmSpec,
    images: [&Buffer; 2],
    weights: &CcmWeights<&Buffer>,
    [h, beta, y]: [&mut Buffer; 3],
) -> Result<()> {
    if images[0].is_bf16() && y.is_bf16() && cuda_bf16::fits(cuda, spec) {
        return cuda_bf16::forward(cuda, spec, images, weights, [h, beta, y]);
    }
    cuda.mix(spec, images, weights, h)?;
    cuda.gate(spec, images, weights, h, [beta, y])
}

/// The backward pass in f32.
fn grad(
    cuda: &Cuda,
    spec: &CcmSpec,
    images: &Images<'_>,
    weights: &CcmWeights<&Buffer>,
    [ds, du]: [&mut Buffer; 2],
    weight_grads: CcmWeights<&mut Buffer>,
) -> Result<()> {
    let &Images { s, u, h, beta, dy } = images;
    let CcmWeights { w_mix, b_mix, w_gate, b_gate } = weight_grads;
    let mut dz_gate = cuda.alloc(dy.len())?;
    cuda.gate_grad([s, u], beta, dy, &mut dz_gate)?;
    let gate = gate_spec(spec);
    linear::cuda::run(cuda, Linear::WeightGrad { spec: &gate, x: h, dz: &dz_gate, dw: w_gate, db: Some(b_gate) })?;
    let mut dz_mix = cuda.alloc(dy.len())?;
    cuda.hidden_grad(spec, &dz_gate, weights.w_gate, h, &mut dz_mix)?;
    cuda.mix_weight_grad(spec, [s, u], &dz_mix, w_mix)?;
    column_sums(cuda, &dz_mix, b_mix)?;
    cuda.ends_grad(spec, &dz_mix, weights.w_mix, [s, u], [beta, dy], [ds, du])
}

/// One launch per call.
impl Cuda {
    fn mix(&self, spec: &CcmSpec, [s, u]: [&Buffer; 2], weights: &CcmWeights<&Buffer>, h: &mut Buffer) -> Result<()> {
        let launch = if self.is_naive() {
            self.launch_over(&kernel::CCM_MIX_NAIVE, h.len())
        } else {
            self.launch(&kernel::CCM_MIX, grid(spec))
        };
        launch.input(s).input(u).input(weights.w_mix).input(weights.b_mix).output(h).value(*spec).run()
    }

    fn gate(
        &self,
        spec: &CcmSpec,
        [s, u]: [&Buffer; 2],
        weights: &CcmWeights<&Buffer>,
        h: &Buffer,
        [beta, y]: [&mut Buffer; 2],
    ) -> Result<()> {
        let launch = if self.is_naive() {
            self.launch_over(&kernel::CCM_GATE_NAIVE, h.len())
        } else {
            self.launch(&kernel::CCM_GATE, grid(spec))
        };
        let launch = launch.input(h).input(s).input(u).input(weights.w_gate).input(weights.b_gate);
        launch.output(beta).output(y).value(*spec).run()
    }

    fn gate_grad(&self, [s, u]: [&Buffer; 2], beta: &Buffer, dy: &Buffer, dz_gate: &mut Buffer) -> Result<()> {
        let len = dy.len();
        let launch = self.launch_over(&kernel::CCM_GATE_GRAD, len).input(s).input(u).input(beta).input(dy);
        launch.output(dz_gate).number("len", len as u32).run()
    }

    fn hidden_grad(&self, spec: &CcmSpec, dz_gate: &Buffer, w: &Buffer, h: &Buffer, dz_mix: &mut Buffer) -> Result<()> {
        let naive = || self.launch_over(&kernel::CCM_HIDDEN_GRAD_NAIVE, h.len());
        let launch = if self.is_naive() { naive() } else { self.launch(&kernel::CCM_HIDDEN_GRAD, grid(spec)) };
        launch.input(dz_gate).input(w).input(h).output(dz_mix).value(*spec).run()
    }

    fn ends_grad(
        &self,
        spec: &CcmSpec,
        dz_mix: &Buffer,
        w: &Buffer,
        [s, u]: [&Buffer; 2],
        [beta, dy]: [&Buffer; 2],
        [ds, du]: [&mut Buffer; 2],
    ) -> Result<()> {
        let naive = || self.launch_over(&kernel::CCM_INPUT_GRAD_NAIVE, dy.len());
        let launch = if self.is_naive() { naive() } else { self.launch(&kernel::CCM_INPUT_GRAD, grid(spec)) };
        let launch = launch.input(dz_mix).input(w).input(s).input(u).input(beta).input(dy);
        let launch = match self.is_naive() {
            true => launch.update(ds).update(du),
            false => launch.named_sum(ds, "adds_s").named_sum(du, "adds_u"),
        };
        launch.value(*spec).run()
    }

    fn mix_weight_grad(&self, spec: &CcmSpec, [s, u]: [&Buffer; 2], dz_mix: &Buffer, dw: &mut Buffer) -> Result<()> {
        if self.is_naive() {
            let launch = self.launch_over(&kernel::CCM_MIX_WEIGHT_GRAD_NAIVE, dw.len());
            return launch.input(s).input(u).input(dz_mix).update(dw).value(*spec).run();
        }
        let (rows, c) = (spec.rows as usize, spec.c as usize);
        self.split_product([c, 3 * c, rows], dw, |grid, partial| {
            let launch = self.launch(&kernel::CCM_MIX_WEIGHT_GRAD, grid).with("splits", grid[2] as usize);
            launch.input(s).input(u).input(dz_mix).output(partial).value(*spec).run()
        })
    }
}

/// The gate's second layer as a linear map.
fn gate_spec(spec: &CcmSpec) -> LinearSpec {
    LinearSpec { rows: spec.rows, c_in: spec.c, c_out: spec.c, activation: Activation::Sigmoid }
}

/// The grid of products with `[rows, c]` values.
fn grid(spec: &CcmSpec) -> [u32; 3] {
    tiles(spec.rows as usize, spec.c as usize)
}
