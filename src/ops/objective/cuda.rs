//! Masked two-region objective, `kernels/objective.cu`.

use super::{Objective, ObjectiveSpec};
use crate::backend::Storage;
use crate::backend::cuda::kernels::objective as kernel;
use crate::backend::cuda::launch::Builder;
use crate::backend::cuda::reduce::{DOUBLE, partial_blocks, sum_total};
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

/// Most blocks per image for the mask norms; one thread adds up their partial sums.
const MAX_PARTS: u32 = 32;

/// Weights of the clean and of the corrupted region, two doubles per image.
fn region_weights(cuda: &Cuda, spec: &ObjectiveSpec, mask: &Buffer) -> Result<Buffer> {
    let (images, parts) = (spec.n as usize, partial_blocks(spec.pixels as usize, kernel::REGION_NORMS.threads).min(MAX_PARTS));
    let mut norms = cuda.alloc(images * parts as usize * 2 * DOUBLE)?;
    let mut weights = cuda.alloc(images * 2 * DOUBLE)?;
    cuda.launch(&kernel::REGION_NORMS, [spec.n, parts, 1]).input(mask).output(&mut norms).value(*spec).run()?;
    let launch = cuda.launch_over(&kernel::REGION_WEIGHTS, images * 2).input(&norms).output(&mut weights);
    launch.number("parts", parts).value(*spec).run()?;
    Ok(weights)
}

impl Builder<'_> {
    /// f(x̂), x and M.
    fn operands(self, [output, target, mask]: [&Buffer; 3]) -> Self {
        self.input(output).input(target).input(mask)
    }
}

pub(in crate::ops) fn run(cuda: &Cuda, call: Objective<'_, Buffer>) -> Result<()> {
    match call {
        Objective::Loss { spec, output, target, mask, loss } => {
            let (operands, len) = ([output, target, mask], output.len());
            if cuda.is_naive() {
                let launch = cuda.launch_over(&kernel::OBJECTIVE_NAIVE, 1).operands(operands);
                return launch.output(loss).value(*spec).with("len", len).run();
            }
            let weights = region_weights(cuda, spec, mask)?;
            let count = partial_blocks(len, kernel::OBJECTIVE_PARTIALS.threads);
            let mut partials = cuda.alloc(count as usize * DOUBLE)?;
            let launch = cuda.launch(&kernel::OBJECTIVE_PARTIALS, [count, 1, 1]).operands(operands);
            launch.input(&weights).output(&mut partials).value(*spec).with("len", len).run()?;
            sum_total(cuda, &partials, count, loss)
        }
        Objective::Derivative { spec, order, output, target, mask, d } => {
            let (operands, len) = ([output, target, mask], output.len());
            if cuda.is_naive() {
                let launch = cuda.launch_over(&kernel::OBJECTIVE_DERIVATIVE_NAIVE, len).operands(operands);
                return launch.output(d).value(order).value(*spec).with("len", len).run();
            }
            let weights = region_weights(cuda, spec, mask)?;
            let launch = cuda.launch_over(&kernel::OBJECTIVE_DERIVATIVE, len).operands(operands);
            launch.input(&weights).output(d).value(order).value(*spec).with("len", len).run()
        }
    }
}
