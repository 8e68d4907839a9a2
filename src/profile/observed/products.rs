//! Convolutions and products of matrices.

use super::{Observed, Subject};
use crate::backend::{Backend, Ccm, CcmWeights, Conv2d, Linear, Product, Sdc};
use crate::error::Result;
use crate::profile::{Phase, Work};
use crate::shape::{CcmSpec, Conv2dSpec, LinearSpec, SdcSpec};

fn subject(op: &'static str, phase: Phase, flops: u64, bytes: u64) -> Subject {
    Subject { op, phase: Some(phase), work: Work::new(flops, bytes) }
}

/// A product whose operations the matrix unit does or does not.
fn product(op: &'static str, phase: Phase, flops: u64, bytes: u64, on_matrix: bool) -> Subject {
    subject(op, phase, flops, bytes).on_matrix(if on_matrix { flops } else { 0 })
}

/// Traffic of the three passes of `y = A(w x + b)`, whatever the product is.
impl<B: Backend> Observed<B> {
    fn forward_bytes(&self, operands: [&B::Buffer; 2], b: Option<&B::Buffer>, y: &B::Buffer) -> u64 {
        self.bytes(&operands) + self.bytes(&[y]) + b.map_or(0, |b| self.bytes(&[b]))
    }

    /// A gradient is read and written: sums accumulate.
    fn input_grad_bytes(&self, dz: &B::Buffer, w: &B::Buffer, dx: &B::Buffer) -> u64 {
        self.bytes(&[dz, w, dx, dx])
    }

    fn weight_grad_bytes(&self, operands: [&B::Buffer; 2], dw: &B::Buffer, db: Option<&B::Buffer>) -> u64 {
        self.bytes(&operands) + 2 * (self.bytes(&[dw]) + db.map_or(0, |db| self.bytes(&[db])))
    }
}

impl<B: Backend> Conv2d for Observed<B> {
    fn conv2d(&self, spec: &Conv2dSpec, x: &B::Buffer, w: &B::Buffer, b: Option<&B::Buffer>, y: &mut B::Buffer) -> Result<()> {
        let bytes = self.forward_bytes([x, w], b, y);
        let on_matrix = self.inner.conv2d_on_matrix(spec, Product::Forward);
        let saved = self.inner.conv2d_saved(spec, Product::Forward);
        let subject = product("conv2d", Phase::Forward, spec.flops(), bytes, on_matrix).without(saved);
        self.observe(subject, |inner| inner.conv2d(spec, x, w, b, y))
    }

    fn conv2d_input_grad(&self, spec: &Conv2dSpec, dz: &B::Buffer, w: &B::Buffer, dx: &mut B::Buffer) -> Result<()> {
        let bytes = self.input_grad_bytes(dz, w, dx);
        let on_matrix = self.inner.conv2d_on_matrix(spec, Product::InputGradient);
        let saved = self.inner.conv2d_saved(spec, Product::InputGradient);
        let subject = product("conv2d", Phase::InputGradient, spec.flops(), bytes, on_matrix).without(saved);
        self.observe(subject, |inner| inner.conv2d_input_grad(spec, dz, w, dx))
    }

    fn conv2d_weight_grad(
        &self,
        spec: &Conv2dSpec,
        x: &B::Buffer,
        dz: &B::Buffer,
        dw: &mut B::Buffer,
        db: Option<&mut B::Buffer>,
    ) -> Result<()> {
        let bytes = self.weight_grad_bytes([x, dz], dw, db.as_deref());
        let on_matrix = self.inner.conv2d_on_matrix(spec, Product::WeightGradient);
        let saved = self.inner.conv2d_saved(spec, Product::WeightGradient);
        let subject = product("conv2d", Phase::WeightGradient, spec.flops(), bytes, on_matrix).without(saved);
        self.observe(subject, |inner| inner.conv2d_weight_grad(spec, x, dz, dw, db))
    }
}

impl<B: Backend> Linear for Observed<B> {
    fn linear(&self, spec: &LinearSpec, x: &B::Buffer, w: &B::Buffer, b: Option<&B::Buffer>, y: &mut B::Buffer) -> Result<()> {
        let bytes = self.forward_bytes([x, w], b, y);
        let on_matrix = self.inner.linear_on_matrix(spec, Product::Forward);
        let subject = product("linear", Phase::Forward, spec.flops(), bytes, on_matrix);
        self.observe(subject, |inner| inner.linear(spec, x, w, b, y))
    }

    fn linear_input_grad(&self, spec: &LinearSpec, dz: &B::Buffer, w: &B::Buffer, dx: &mut B::Buffer) -> Result<()> {
        let bytes = self.input_grad_bytes(dz, w, dx);
        let on_matrix = self.inner.linear_on_matrix(spec, Product::InputGradient);
        let subject = product("linear", Phase::InputGradient, spec.flops(), bytes, on_matrix);
        self.observe(subject, |inner| inner.linear_input_grad(spec, dz, w, dx))
    }

    fn linear_weight_grad(
        &self,
        spec: &LinearSpec,
        x: &B::Buffer,
        dz: &B::Buffer,
        dw: &mut B::Buffer,
        db: Option<&mut B::Buffer>,
    ) -> Result<()> {
        let bytes = self.weight_grad_bytes([x, dz], dw, db.as_deref());
        let on_matrix = self.inner.linear_on_matrix(spec, Product::WeightGradient);
        let subject = product("linear", Phase::WeightGradient, spec.flops(), bytes, on_matrix);
        self.observe(subject, |inner| inner.linear_weight_grad(spec, x, dz, dw, db))
    }
}

impl<B: Backend> Observed<B> {
    /// Every branch counts for the unit that does it.
    fn sdc_subject(&self, spec: &SdcSpec, pass: Product, phase: Phase, bytes: u64) -> Subject {
        let branch = spec.branch(0).flops();
        let on_matrix = u64::from(self.inner.sdc_on_matrix(spec, pass)) * branch;
        let saved = self.inner.sdc_saved(spec, pass);
        subject("sdc", phase, u64::from(spec.branches) * branch, bytes).on_matrix(on_matrix).without(saved)
    }
}

impl<B: Backend> Sdc for Observed<B> {
    fn sdc(&self, spec: &SdcSpec, x: &B::Buffer, w: &[&B::Buffer], b: &[&B::Buffer], y: &mut B::Buffer) -> Result<()> {
        let bytes = self.bytes(&[x, y]) + self.bytes(w) + self.bytes(b);
        let subject = self.sdc_subject(spec, Product::Forward, Phase::Forward, bytes);
        self.observe(subject, |inner| inner.sdc(spec, x, w, b, y))
    }

    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &B::Buffer, w: &[&B::Buffer], dx: &mut B::Buffer) -> Result<()> {
        let bytes = self.bytes(&[dz, dx, dx]) + self.bytes(w);
        let subject = self.sdc_subject(spec, Product::InputGradient, Phase::InputGradient, bytes);
        self.observe(subject, |inner| inner.sdc_input_grad(spec, dz, w, dx))
    }

    fn sdc_weight_grad(
        &self,
        spec: &SdcSpec,
        x: &B::Buffer,
        dz: &B::Buffer,
        dw: &mut [B::Buffer],
        db: &mut [B::Buffer],
    ) -> Result<()> {
        let sums: Vec<&B::Buffer> = dw.iter().chain(db.iter()).collect();
        let bytes = self.bytes(&[x, dz]) + 2 * self.bytes(&sums);
        let subject = self.sdc_subject(spec, Product::WeightGradient, Phase::WeightGradient, bytes);
        self.observe(subject, |inner| inner.sdc_weight_grad(spec, x, dz, dw, db))
    }
}

/// Of the two 1x1 convolutions (Method §4): 2·3c·c and 2·c·c for each pixel.
fn ccm_products(spec: &CcmSpec) -> u64 {
    8 * u64::from(spec.rows) * u64::from(spec.c).pow(2)
}

/// With the combination, 4 for each value.
fn ccm_flops(spec: &CcmSpec) -> u64 {
    ccm_products(spec) + 4 * u64::from(spec.rows) * u64::from(spec.c)
}

fn weights<T>(weights: &CcmWeights<T>) -> [&T; 4] {
    [&weights.w_mix, &weights.b_mix, &weights.w_gate, &weights.b_gate]
}

impl<B: Backend> Observed<B> {
    /// The forward pass of a CCM.
    fn ccm_subject(&self, spec: &CcmSpec, bytes: u64) -> Subject {
        let on_matrix = if self.inner.ccm_on_matrix(spec) { ccm_products(spec) } else { 0 };
        subject("ccm", Phase::Forward, ccm_flops(spec), bytes).on_matrix(on_matrix)
    }
}

impl<B: Backend> Ccm for Observed<B> {
    fn convex_combination(&self, beta: &B::Buffer, s: &B::Buffer, u: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        let work = Work::new(4 * self.count(y), self.bytes(&[beta, s, u, y]));
        let subject = Subject { op: "convex_combination", phase: None, work };
        self.observe(subject, |inner| inner.convex_combination(beta, s, u, y))
    }

    fn convex_combination_grad(&self, operands: [&B::Buffer; 3], dy: &B::Buffer, grads: [&mut B::Buffer; 3]) -> Result<()> {
        let bytes = self.bytes(&operands) + self.bytes(&[dy]) + 2 * grads.iter().map(|grad| self.bytes(&[grad])).sum::<u64>();
        let subject = subject("convex_combination", Phase::InputGradient, 8 * self.count(dy), bytes);
        self.observe(subject, |inner| inner.convex_combination_grad(operands, dy, grads))
    }

    fn ccm(
        &self,
        spec: &CcmSpec,
        operands: [&B::Buffer; 2],
        gate: &CcmWeights<&B::Buffer>,
        saved: [&mut B::Buffer; 2],
        y: &mut B::Buffer,
    ) -> Result<()> {
        let bytes =
            self.bytes(&operands) + self.bytes(&weights(gate).map(|weight| *weight)) + self.bytes(&[&*saved[0], &*saved[1], y]);
        let subject = self.ccm_subject(spec, bytes);
        self.observe(subject, |inner| inner.ccm(spec, operands, gate, saved, y))
    }

    fn ccm_without_saving(
        &self,
        spec: &CcmSpec,
        operands: [&B::Buffer; 2],
        gate: &CcmWeights<&B::Buffer>,
        y: &mut B::Buffer,
    ) -> Result<()> {
        let bytes = self.bytes(&operands) + self.bytes(&weights(gate).map(|weight| *weight)) + self.bytes(&[y]);
        let subject = self.ccm_subject(spec, bytes);
        self.observe(subject, |inner| inner.ccm_without_saving(spec, operands, gate, y))
    }

    /// Both gradients in one call.
    fn ccm_grad(
        &self,
        spec: &CcmSpec,
        operands: [&B::Buffer; 2],
        gate: &CcmWeights<&B::Buffer>,
        saved: [&B::Buffer; 2],
        dy: &B::Buffer,
        grads: [&mut B::Buffer; 2],
        weight_grads: CcmWeights<&mut B::Buffer>,
    ) -> Result<()> {
        let sums = grads.iter().map(|grad| self.bytes(&[grad])).sum::<u64>()
            + weights(&weight_grads).iter().map(|grad| self.bytes(&[grad])).sum::<u64>();
        let read =
            self.bytes(&operands) + self.bytes(&weights(gate).map(|weight| *weight)) + self.bytes(&saved) + self.bytes(&[dy]);
        let on_matrix = if self.inner.ccm_on_matrix(spec) { 2 * ccm_products(spec) } else { 0 };
        let subject = subject("ccm", Phase::InputGradient, 2 * ccm_flops(spec), read + 2 * sums).on_matrix(on_matrix);
        self.observe(subject, |inner| inner.ccm_grad(spec, operands, gate, saved, dy, grads, weight_grads))
    }
}
