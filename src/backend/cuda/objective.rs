//! Masked two-region objective, `kernels/objective.cu`.

use super::kernel::{File, Kernel};
use super::launch::Builder;
use super::reduce::{DOUBLE, partial_blocks, sum_total};
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{Objective, Storage, Unit};
use crate::error::{Error, Result};
use crate::shape::ObjectiveSpec;

static FILE: File = File { name: "objective.cu", text: include_str!("../../../kernels/objective.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static REGION_NORMS: Kernel = kernel("region_norms", "3 n pixels", "4 n pixels");
static REGION_WEIGHTS: Kernel = kernel("region_weights", "2 n parts", "16 n parts + 16 n");
static OBJECTIVE_PARTIALS: Kernel = kernel("objective_partials", "8 len", "8 len + 4 len / channels");
static OBJECTIVE_DERIVATIVE: Kernel = kernel("objective_derivative", "8 len", "12 len + 4 len / channels");
static OBJECTIVE_NAIVE: Kernel = kernel("objective_naive", "8 len", "8 len + 8 len / channels");
static OBJECTIVE_DERIVATIVE_NAIVE: Kernel = kernel("objective_derivative_naive", "3 len pixels", "12 len + 4 len / channels");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] =
    &[&REGION_NORMS, &REGION_WEIGHTS, &OBJECTIVE_PARTIALS, &OBJECTIVE_DERIVATIVE, &OBJECTIVE_NAIVE, &OBJECTIVE_DERIVATIVE_NAIVE];

/// Most blocks that share the mask of one image: one thread adds up what they leave.
const MOST_PARTS: u32 = 32;

/// Checks the operands; gives back the number of elements.
fn check(op: &'static str, spec: &ObjectiveSpec, [output, target, mask]: [&Buffer; 3]) -> Result<usize> {
    let pixels = spec.n as usize * spec.pixels as usize;
    let len = pixels * spec.channels as usize;
    check_lengths(op, &[("f(x)", output.len(), len), ("x", target.len(), len), ("M", mask.len(), pixels)])?;
    Ok(len)
}

/// Weights of the clean and of the corrupted region, two doubles per image.
fn region_weights(cuda: &Cuda, spec: &ObjectiveSpec, mask: &Buffer) -> Result<Buffer> {
    let (images, parts) = (spec.n as usize, partial_blocks(spec.pixels as usize, REGION_NORMS.threads).min(MOST_PARTS));
    let mut norms = cuda.alloc(images * parts as usize * 2 * DOUBLE)?;
    let mut weights = cuda.alloc(images * 2 * DOUBLE)?;
    cuda.launch(&REGION_NORMS, [spec.n, parts, 1]).input(mask).output(&mut norms).value(*spec).run()?;
    let launch = cuda.launch_over(&REGION_WEIGHTS, images * 2).input(&norms).output(&mut weights);
    launch.number("parts", parts).value(*spec).run()?;
    Ok(weights)
}

impl Builder<'_> {
    /// f(x̂), x and M.
    fn operands(self, [output, target, mask]: [&Buffer; 3]) -> Self {
        self.input(output).input(target).input(mask)
    }
}

impl Objective for Cuda {
    fn objective(&self, spec: &ObjectiveSpec, operands: [&Buffer; 3], loss: &mut Buffer) -> Result<()> {
        let len = check("objective", spec, operands)?;
        check_lengths("objective", &[("loss", loss.len(), 1)])?;
        if self.mode == Mode::Naive {
            return self.launch_over(&OBJECTIVE_NAIVE, 1).operands(operands).output(loss).value(*spec).with("len", len).run();
        }
        let weights = region_weights(self, spec, operands[2])?;
        let count = partial_blocks(len, OBJECTIVE_PARTIALS.threads);
        let mut partials = self.alloc(count as usize * DOUBLE)?;
        let launch = self.launch(&OBJECTIVE_PARTIALS, [count, 1, 1]).operands(operands);
        launch.input(&weights).output(&mut partials).value(*spec).with("len", len).run()?;
        sum_total(self, &partials, count, loss)
    }

    fn objective_derivative(&self, spec: &ObjectiveSpec, order: u32, operands: [&Buffer; 3], d: &mut Buffer) -> Result<()> {
        if !(1..=3).contains(&order) {
            return Err(Error::shape("objective_derivative", format!("derivatives have order 1, 2 or 3, got {order}")));
        }
        let len = check("objective_derivative", spec, operands)?;
        check_lengths("objective_derivative", &[("d", d.len(), len)])?;
        if self.mode == Mode::Naive {
            let launch = self.launch_over(&OBJECTIVE_DERIVATIVE_NAIVE, len).operands(operands);
            return launch.output(d).value(order).value(*spec).with("len", len).run();
        }
        let weights = region_weights(self, spec, operands[2])?;
        let launch = self.launch_over(&OBJECTIVE_DERIVATIVE, len).operands(operands);
        launch.input(&weights).output(d).value(order).value(*spec).with("len", len).run()
    }
}
