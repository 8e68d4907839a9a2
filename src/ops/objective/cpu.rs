//! Masked two-region objective in f64. Norms and sums are computed per chunk of pixels and added in a fixed order.

use rayon::prelude::*;

use super::{Objective, ObjectiveSpec, Penalty};
use crate::backend::cpu::Buffer;

pub(in crate::ops) fn run(call: Objective<'_, Buffer>) {
    match call {
        Objective::Loss { spec, output, target, mask, loss } => {
            let share = |sums: &Sums| {
                let factors = sums.factors(spec);
                // A factor of 0 means an empty region or weight; its sum must not turn 0 into NaN.
                (0..2).filter(|&i| factors[i] > 0.0).map(|i| factors[i] * sums.penalties[i]).sum::<f64>()
            };
            loss[0] = image_sums(spec, [output, target, mask]).iter().map(share).sum::<f64>() as f32;
        }
        Objective::Derivative { spec, order, output, target, mask, d } => derivative(spec, order, [output, target, mask], d),
    }
}

fn derivative(spec: &ObjectiveSpec, order: u32, [output, target, mask]: [&Buffer; 3], d: &mut [f32]) {
    let (pixels, channels) = (spec.pixels as usize, spec.channels as usize);
    let factors: Vec<[f64; 2]> = image_sums(spec, [output, target, mask]).into_iter().map(|sums| sums.factors(spec)).collect();
    let chunk = PIXELS * channels;
    let inputs = output.par_chunks(chunk).zip(target.par_chunks(chunk)).zip(mask.par_chunks(PIXELS));
    d.par_chunks_mut(chunk).zip(inputs).enumerate().for_each(|(index, (d, ((output, target), mask)))| {
        let values = output.chunks_exact(channels).zip(target.chunks_exact(channels)).zip(mask);
        for (i, (d, ((output, target), &m))) in d.chunks_exact_mut(channels).zip(values).enumerate() {
            let factors = factors[(index * PIXELS + i) / pixels];
            let m = f64::from(m);
            let weight = factors[0] * (1.0 - m) + factors[1] * m;
            for ((d, &output), &target) in d.iter_mut().zip(output).zip(target) {
                *d = (weight * penalty(spec, order, f64::from(output) - f64::from(target))) as f32;
            }
        }
    });
}

/// Pixels per chunk.
const PIXELS: usize = 4096;

/// ρ's derivative of order 0 to 3 at `e`.
#[inline(always)]
fn penalty(spec: &ObjectiveSpec, order: u32, e: f64) -> f64 {
    let epsilon = spec.epsilon;
    let root = (e * e + epsilon * epsilon).sqrt();
    match (spec.penalty, order) {
        (Penalty::Squared, 0) => e * e,
        (Penalty::Squared, 1) => 2.0 * e,
        (Penalty::Squared, 2) => 2.0,
        (Penalty::Squared, _) => 0.0,
        // 2ε(√(e² + ε²) - ε), written without cancellation.
        (Penalty::Charbonnier, 0) => 2.0 * epsilon * (e * e / (root + epsilon)),
        (Penalty::Charbonnier, 1) => 2.0 * epsilon * (e / root),
        (Penalty::Charbonnier, 2) => 2.0 * (epsilon / root).powi(3),
        (Penalty::Charbonnier, _) => -6.0 * (epsilon / root).powi(3) * (e / root) / root,
    }
}

/// Sums of one image or a part of it.
#[derive(Clone, Copy, Default)]
struct Sums {
    /// ‖M̄‖₁ and ‖M‖₁, every channel counted.
    norms: [f64; 2],
    /// Σ M̄ ρ(e) and Σ M ρ(e).
    penalties: [f64; 2],
}

impl Sums {
    fn of(spec: &ObjectiveSpec, output: &[f32], target: &[f32], mask: &[f32]) -> Self {
        let channels = spec.channels as usize;
        let mut sums = Self::default();
        for ((output, target), &m) in output.chunks_exact(channels).zip(target.chunks_exact(channels)).zip(mask) {
            let m = f64::from(m);
            let errors = output.iter().zip(target).map(|(&output, &target)| f64::from(output) - f64::from(target));
            let total: f64 = errors.map(|e| penalty(spec, 0, e)).sum();
            for (i, share) in [1.0 - m, m].into_iter().enumerate() {
                sums.norms[i] += share * channels as f64;
                sums.penalties[i] += share * total;
            }
        }
        sums
    }

    fn add(self, other: Self) -> Self {
        let add = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Self { norms: add(self.norms, other.norms), penalties: add(self.penalties, other.penalties) }
    }

    /// Factors of Σ M̄ ρ and Σ M ρ: region weight over norm over batch; 0 for an empty region.
    fn factors(self, spec: &ObjectiveSpec) -> [f64; 2] {
        let factor = |weight: f64, norm: f64| if norm > 0.0 { weight / norm / f64::from(spec.n) } else { 0.0 };
        [factor(1.0 - spec.lambda, self.norms[0]), factor(spec.lambda, self.norms[1])]
    }
}

/// Sums of every image.
fn image_sums(spec: &ObjectiveSpec, [output, target, mask]: [&Buffer; 3]) -> Vec<Sums> {
    let (pixels, channels) = (spec.pixels as usize, spec.channels as usize);
    let image = |index: usize| {
        let values = |width: usize| index * pixels * width..(index + 1) * pixels * width;
        let (wide, narrow) = (values(channels), values(1));
        let chunks = output[wide.clone()].par_chunks(PIXELS * channels).zip(target[wide].par_chunks(PIXELS * channels));
        let parts = chunks.zip(mask[narrow].par_chunks(PIXELS));
        let parts: Vec<Sums> = parts.map(|((output, target), mask)| Sums::of(spec, output, target, mask)).collect();
        parts.into_iter().fold(Sums::default(), Sums::add)
    };
    (0..spec.n as usize).into_par_iter().map(image).collect()
}
