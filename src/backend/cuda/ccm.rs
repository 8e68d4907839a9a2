//! Convex combination module, `kernels/ccm.cu`: two launches forward; backward the two products of a linear map and four launches
//! of its own. The joined `[s, u, (s-u)²]` never lies in memory.

use super::gemm::{GEMM_THREADS, tiles};
use super::kernel::{File, Kernel};
use super::reduce::column_sums;
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{Ccm, CcmWeights, Linear, Storage, Unit};
use crate::error::Result;
use crate::shape::{Activation, CcmSpec, LinearSpec};

const OP: &str = "ccm";

static FILE: File = File { name: "ccm.cu", text: include_str!("../../../kernels/ccm.cu") };

const fn kernel(name: &'static str, threads: u32, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

/// Products with `w_mix` and with `w_gate`; the convex combination, and what its adjoint does with each value.
const MIX_FLOPS: &str = "6 rows c c";
const GATE_FLOPS: &str = "2 rows c c + 4 rows c";
const HIDDEN_FLOPS: &str = "2 rows c c + 3 rows c";
const INPUT_FLOPS: &str = "6 rows c c + 12 rows c";
const MIX_BYTES: &str = "4 (3 rows c + 3 c c + c)";
const GATE_BYTES: &str = "4 (5 rows c + c c + c)";
const HIDDEN_BYTES: &str = "4 (3 rows c + c c)";
const INPUT_BYTES: &str = "4 (9 rows c + 3 c c)";

static COMBINATION: Kernel = kernel("convex_combination", 256, "4 len", "16 len");
static COMBINATION_GRAD: Kernel = kernel("convex_combination_grad", 256, "8 len", "40 len");
static MIX: Kernel = kernel("ccm_mix", GEMM_THREADS, MIX_FLOPS, MIX_BYTES);
static GATE: Kernel = kernel("ccm_gate", GEMM_THREADS, GATE_FLOPS, GATE_BYTES);
static GATE_GRAD: Kernel = kernel("ccm_gate_grad", 256, "5 len", "20 len");
static HIDDEN_GRAD: Kernel = kernel("ccm_hidden_grad", GEMM_THREADS, HIDDEN_FLOPS, HIDDEN_BYTES);
static INPUT_GRAD: Kernel = kernel("ccm_input_grad", GEMM_THREADS, INPUT_FLOPS, INPUT_BYTES);
static MIX_WEIGHT_GRAD: Kernel = kernel("ccm_mix_weight_grad", GEMM_THREADS, MIX_FLOPS, "4 (3 rows c + 3 splits c c)");
static MIX_NAIVE: Kernel = kernel("ccm_mix_naive", 256, MIX_FLOPS, MIX_BYTES);
static GATE_NAIVE: Kernel = kernel("ccm_gate_naive", 256, GATE_FLOPS, GATE_BYTES);
static HIDDEN_GRAD_NAIVE: Kernel = kernel("ccm_hidden_grad_naive", 256, HIDDEN_FLOPS, HIDDEN_BYTES);
static INPUT_GRAD_NAIVE: Kernel = kernel("ccm_input_grad_naive", 256, INPUT_FLOPS, INPUT_BYTES);
static MIX_WEIGHT_GRAD_NAIVE: Kernel = kernel("ccm_mix_weight_grad_naive", 256, MIX_FLOPS, "4 (3 rows c + 6 c c)");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[
    &COMBINATION,
    &COMBINATION_GRAD,
    &MIX,
    &GATE,
    &GATE_GRAD,
    &HIDDEN_GRAD,
    &INPUT_GRAD,
    &MIX_WEIGHT_GRAD,
    &MIX_NAIVE,
    &GATE_NAIVE,
    &HIDDEN_GRAD_NAIVE,
    &INPUT_GRAD_NAIVE,
    &MIX_WEIGHT_GRAD_NAIVE,
];

impl Ccm for Cuda {
    fn convex_combination(&self, beta: &Buffer, s: &Buffer, u: &Buffer, y: &mut Buffer) -> Result<()> {
        let len = y.len();
        check_lengths("convex_combination", &[("beta", beta.len(), len), ("s", s.len(), len), ("u", u.len(), len)])?;
        self.launch_over(&COMBINATION, len).input(beta).input(s).input(u).output(y).number("len", len as u32).run()
    }

    fn convex_combination_grad(&self, operands: [&Buffer; 3], dy: &Buffer, grads: [&mut Buffer; 3]) -> Result<()> {
        let ([beta, s, u], [dbeta, ds, du], len) = (operands, grads, dy.len());
        let values = [("beta", beta.len(), len), ("s", s.len(), len), ("u", u.len(), len)];
        check_lengths("convex_combination_grad", &values)?;
        check_lengths("convex_combination_grad", &[("dbeta", dbeta.len(), len), ("ds", ds.len(), len), ("du", du.len(), len)])?;
        let launch = self.launch_over(&COMBINATION_GRAD, len).input(beta).input(s).input(u).input(dy);
        launch.output(dbeta).output(ds).output(du).number("len", len as u32).run()
    }

    fn ccm(
        &self,
        spec: &CcmSpec,
        operands: [&Buffer; 2],
        weights: &CcmWeights<&Buffer>,
        saved: [&mut Buffer; 2],
        y: &mut Buffer,
    ) -> Result<()> {
        let ([s, u], [h, beta]) = (operands, saved);
        let c = spec.c as usize;
        check_weights(c, weights.w_mix, weights.w_gate)?;
        check_lengths(OP, &[("b_mix", weights.b_mix.len(), c), ("b_gate", weights.b_gate.len(), c)])?;
        check_rows(spec, &[("s", s), ("u", u), ("h", h), ("beta", beta), ("y", y)])?;
        self.mix(spec, operands, weights, h)?;
        self.gate(spec, operands, weights, h, [beta, y])
    }

    fn ccm_grad(
        &self,
        spec: &CcmSpec,
        operands: [&Buffer; 2],
        weights: &CcmWeights<&Buffer>,
        saved: [&Buffer; 2],
        dy: &Buffer,
        grads: [&mut Buffer; 2],
        weight_grads: CcmWeights<&mut Buffer>,
    ) -> Result<()> {
        let ([s, u], [h, beta], [ds, du]) = (operands, saved, grads);
        let c = spec.c as usize;
        check_weights(c, weights.w_mix, weights.w_gate)?;
        check_weights(c, weight_grads.w_mix, weight_grads.w_gate)?;
        check_lengths(OP, &[("db_mix", weight_grads.b_mix.len(), c), ("db_gate", weight_grads.b_gate.len(), c)])?;
        check_rows(spec, &[("s", s), ("u", u), ("h", h), ("beta", beta), ("dy", dy), ("ds", ds), ("du", du)])?;

        let mut dz_gate = self.alloc(dy.len())?;
        self.gate_grad(operands, beta, dy, &mut dz_gate)?;
        self.linear_weight_grad(&gate_spec(spec), h, &dz_gate, weight_grads.w_gate, Some(weight_grads.b_gate))?;
        let mut dz_mix = self.alloc(dy.len())?;
        self.hidden_grad(spec, &dz_gate, weights.w_gate, h, &mut dz_mix)?;
        self.mix_weight_grad(spec, operands, &dz_mix, weight_grads.w_mix)?;
        column_sums(self, &dz_mix, weight_grads.b_mix)?;
        self.ends_grad(spec, &dz_mix, weights.w_mix, operands, [beta, dy], [ds, du])
    }
}

/// One launch each. Lengths are checked by the contract's functions.
impl Cuda {
    fn naive(&self) -> bool {
        self.mode == Mode::Naive
    }

    fn mix(&self, spec: &CcmSpec, [s, u]: [&Buffer; 2], weights: &CcmWeights<&Buffer>, h: &mut Buffer) -> Result<()> {
        let launch = if self.naive() { self.launch_over(&MIX_NAIVE, h.len()) } else { self.launch(&MIX, grid(spec)) };
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
        let launch = if self.naive() { self.launch_over(&GATE_NAIVE, h.len()) } else { self.launch(&GATE, grid(spec)) };
        let launch = launch.input(h).input(s).input(u).input(weights.w_gate).input(weights.b_gate);
        launch.output(beta).output(y).value(*spec).run()
    }

    fn gate_grad(&self, [s, u]: [&Buffer; 2], beta: &Buffer, dy: &Buffer, dz_gate: &mut Buffer) -> Result<()> {
        let len = dy.len();
        let launch = self.launch_over(&GATE_GRAD, len).input(s).input(u).input(beta).input(dy);
        launch.output(dz_gate).number("len", len as u32).run()
    }

    fn hidden_grad(&self, spec: &CcmSpec, dz_gate: &Buffer, w: &Buffer, h: &Buffer, dz_mix: &mut Buffer) -> Result<()> {
        let naive = || self.launch_over(&HIDDEN_GRAD_NAIVE, h.len());
        let launch = if self.naive() { naive() } else { self.launch(&HIDDEN_GRAD, grid(spec)) };
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
        let naive = || self.launch_over(&INPUT_GRAD_NAIVE, dy.len());
        let launch = if self.naive() { naive() } else { self.launch(&INPUT_GRAD, grid(spec)) };
        let launch = launch.input(dz_mix).input(w).input(s).input(u).input(beta).input(dy);
        launch.output(ds).output(du).value(*spec).run()
    }

    fn mix_weight_grad(&self, spec: &CcmSpec, [s, u]: [&Buffer; 2], dz_mix: &Buffer, dw: &mut Buffer) -> Result<()> {
        if self.naive() {
            let launch = self.launch_over(&MIX_WEIGHT_GRAD_NAIVE, dw.len());
            return launch.input(s).input(u).input(dz_mix).output(dw).value(*spec).run();
        }
        let (rows, c) = (spec.rows as usize, spec.c as usize);
        self.split_product([c, 3 * c, rows], dw, |grid, partial| {
            let launch = self.launch(&MIX_WEIGHT_GRAD, grid).with("splits", grid[2] as usize);
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

fn check_weights(c: usize, w_mix: &Buffer, w_gate: &Buffer) -> Result<()> {
    check_lengths(OP, &[("w_mix", w_mix.len(), 3 * c * c), ("w_gate", w_gate.len(), c * c)])
}

/// All of `[rows, c]`.
fn check_rows(spec: &CcmSpec, operands: &[(&str, &Buffer)]) -> Result<()> {
    let len = spec.rows as usize * spec.c as usize;
    operands.iter().try_for_each(|(name, buffer)| check_lengths(OP, &[(*name, buffer.len(), len)]))
}
