//! Convex combination module. Features, gate and combination are computed band by band, so the concatenated tensor is never
//! stored.

use rayon::prelude::*;

use super::{Ccm, CcmWeights};
use crate::backend::Storage;
use crate::backend::cpu::activation::slope::{self, Times};
use crate::backend::cpu::columns::{accumulate, add_in_order};
use crate::backend::cpu::elementwise::{Elementwise, each, each_in_parallel};
use crate::backend::cpu::finish::Finish;
use crate::backend::cpu::outer::{Aligned, Partials, add_products, chunk_count};
use crate::backend::cpu::pack::{Packed, blocks, pack_as, pack_backward, pack_forward, padded};
use crate::backend::cpu::pairs::{self, Precision};
use crate::backend::cpu::range::ChannelRange;
use crate::backend::cpu::simd::{ROWS, Right, Simd, Vector};
use crate::backend::cpu::strips::{Part, multiply_dense};
use crate::backend::cpu::{Buffer, Cpu};
use crate::error::Result;
use crate::ops::pointwise::cpu::{AddProduct, finish};
use crate::shape::Activation;

pub(in crate::ops) fn run(cpu: &Cpu, call: Ccm<'_, Buffer>) -> Result<()> {
    let cpu = &of_call(cpu, &call);
    match call {
        Ccm::Combination { beta, s, u, y } => {
            each_in_parallel(cpu.simd, AnyCombination, y, [beta, s, u]);
            Ok(())
        }
        Ccm::CombinationGrad { beta, s, u, dy, d_beta, ds, du } => {
            each_in_parallel(cpu.simd, AddTimesDifference, d_beta, [dy, s, u]);
            each_in_parallel(cpu.simd, AddProduct, ds, [dy, beta]);
            each_in_parallel(cpu.simd, AddTimesRest, du, [dy, beta]);
            Ok(())
        }
        Ccm::Forward { spec, s, u, weights, saved, y } => {
            let (forward, band) = (Forward::new(cpu, spec.c as usize, &weights)?, PIXELS * spec.c as usize);
            let bands = y.par_chunks_mut(band).zip(s.par_chunks(band).zip(u.par_chunks(band)));
            match saved {
                Some([h, beta]) => {
                    let saved = h.par_chunks_mut(band).zip(beta.par_chunks_mut(band));
                    bands.zip(saved).try_for_each(|((y, (s, u)), (h, beta))| forward.band(cpu, [s, u], [h, beta], y))
                }
                None => bands.try_for_each(|(y, (s, u))| {
                    let (mut h, mut beta) = (cpu.alloc(y.len())?, cpu.alloc(y.len())?);
                    forward.band(cpu, [s, u], [&mut h, &mut beta], y)
                }),
            }
        }
        Ccm::Grad { spec, s, u, weights, saved: [h, beta], dy, ds, du, slopes, weight_grads } => {
            grad(cpu, spec.c as usize, [s, u, h, beta, dy], &weights, [&mut *ds, &mut *du], weight_grads)?;
            slopes.into_iter().zip([ds, du]).for_each(|(slope, grad)| finish(cpu, slope, grad));
            Ok(())
        }
    }
}

/// The device in the precision of a call.
fn of_call(cpu: &Cpu, call: &Ccm<'_, Buffer>) -> Cpu {
    cpu.between(match call {
        Ccm::Forward { s, y, .. } => [s, y],
        Ccm::Grad { s, ds, .. } => [s, ds],
        Ccm::Combination { s, y, .. } => [s, y],
        Ccm::CombinationGrad { s, ds, .. } => [s, ds],
    })
}

/// See [`crate::ops::Backend::matrix_flops`].
pub(in crate::ops) fn matrix_flops(cpu: &Cpu, call: &Ccm<'_, Buffer>) -> u64 {
    let cpu = &of_call(cpu, call);
    let (spec, passes) = match call {
        Ccm::Forward { spec, .. } => (spec, 1),
        Ccm::Grad { spec, .. } => (spec, 2),
        Ccm::Combination { .. } | Ccm::CombinationGrad { .. } => return 0,
    };
    if cpu.uses_matrix_unit(cpu.precision(spec.c as usize)) { passes * spec.product_flops() } else { 0 }
}

/// The adjoint of the module; `inputs` are s, u, h, β, dy.
fn grad(
    cpu: &Cpu,
    c: usize,
    inputs: [&Buffer; 5],
    weights: &CcmWeights<&Buffer>,
    [ds, du]: [&mut Buffer; 2],
    weight_grads: CcmWeights<&mut Buffer>,
) -> Result<()> {
    let elements = ds.len();
    let bands = (elements / c).div_ceil(PIXELS);
    let chunk = (bands.div_ceil(chunk_count(bands, 3 * c * padded(c))) * PIXELS * c).max(1);
    let chunks = elements.div_ceil(chunk);
    let mut mix_sums = Partials::new(cpu, chunks, 3 * c, c)?;
    let mut gate_sums = Partials::new(cpu, chunks, c, c)?;
    let backward = Backward::new(cpu, c, weights)?;
    let (mix_len, gate_len) = (mix_sums.chunk(), gate_sums.chunk());
    let sums = mix_sums.data.par_chunks_mut(mix_len).zip(gate_sums.data.par_chunks_mut(gate_len));
    let (ds, du) = (ds.sum(), du.sum());
    let blank = [ds.blank, du.blank];
    let grads = ds.data.par_chunks_mut(chunk).zip(du.data.par_chunks_mut(chunk));
    let tasks = grads.zip(sums).enumerate().map(|(index, ((ds, du), (mix, gate)))| {
        let part = index * chunk..index * chunk + ds.len();
        let inputs = inputs.map(|buffer| &buffer[part.clone()]);
        backward.chunk(cpu, inputs, [ds, du], blank, [mix, gate])
    });
    let biases: Vec<[Vec<f64>; 2]> = tasks.collect::<Result<_>>()?;
    let (mix_biases, gate_biases): (Vec<_>, Vec<_>) = biases.into_iter().map(|[mix, gate]| (mix, gate)).unzip();
    let CcmWeights { w_mix, b_mix, w_gate, b_gate } = weight_grads;
    mix_sums.add_to(w_mix.sum());
    gate_sums.add_to(w_gate.sum());
    add_in_order(&mix_biases, b_mix);
    add_in_order(&gate_biases, b_gate);
    Ok(())
}

/// Pixels of a band: whole strips.
const PIXELS: usize = 8 * ROWS;

/// `β s + (1-β) u` for any β. For β in [0, 1] the result is clamped between s and u against rounding; NaN stays NaN.
#[derive(Clone, Copy)]
struct AnyCombination;

impl Elementwise<3> for AnyCombination {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [beta, s, u]: [V; 3]) -> V {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let y = beta.mul(s).add(one.sub(beta).mul(u));
        // NaN is the second operand of both comparisons.
        let kept = s.max(u).min(s.min(u).max(y));
        let unless_above = beta.where_greater(one, y, kept);
        zero.where_greater(beta, y, unless_above)
    }
}

/// The same for β in [0, 1], as a gate always is.
#[derive(Clone, Copy, Default)]
struct Combination;

impl Elementwise<3> for Combination {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [beta, s, u]: [V; 3]) -> V {
        let y = beta.mul(s).add(V::splat(1.0).sub(beta).mul(u));
        // NaN is the second operand of both comparisons.
        s.max(u).min(s.min(u).max(y))
    }
}

/// `d + dy ⊙ (s-u)`.
#[derive(Clone, Copy)]
struct AddTimesDifference;

impl Elementwise<3> for AddTimesDifference {
    #[inline(always)]
    fn apply<V: Vector>(self, d: V, [dy, s, u]: [V; 3]) -> V {
        d.add(dy.mul(s.sub(u)))
    }
}

/// `d + dy ⊙ (1-β)`.
#[derive(Clone, Copy)]
struct AddTimesRest;

impl Elementwise<2> for AddTimesRest {
    #[inline(always)]
    fn apply<V: Vector>(self, d: V, [dy, beta]: [V; 2]) -> V {
        d.add(dy.mul(V::splat(1.0).sub(beta)))
    }
}

/// `(s - u)²`.
#[derive(Clone, Copy, Default)]
struct SquaredDifference;

impl Elementwise<2> for SquaredDifference {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [s, u]: [V; 2]) -> V {
        let difference = s.sub(u);
        difference.mul(difference)
    }
}

/// `dy ⊙ (s-u) ⊙ β (1-β)`: the gradient before σ.
#[derive(Clone, Copy, Default)]
struct GateGrad;

impl Elementwise<4> for GateGrad {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [dy, s, u, beta]: [V; 4]) -> V {
        dy.mul(s.sub(u)).mul(beta.mul(V::splat(1.0).sub(beta)))
    }
}

/// `ds += dy ⊙ β + to_s + 2 (s-u) ⊙ to_square`.
#[derive(Clone, Copy, Default)]
struct SkipGrad;

impl Elementwise<6> for SkipGrad {
    #[inline(always)]
    fn apply<V: Vector>(self, ds: V, [s, u, beta, dy, to_s, to_square]: [V; 6]) -> V {
        let difference = s.sub(u);
        ds.add(dy.mul_add(beta, difference.add(difference).mul_add(to_square, to_s)))
    }
}

/// `du += dy ⊙ (1-β) + to_u - 2 (s-u) ⊙ to_square`.
#[derive(Clone, Copy, Default)]
struct UpsampledGrad;

impl Elementwise<6> for UpsampledGrad {
    #[inline(always)]
    fn apply<V: Vector>(self, du: V, [s, u, beta, dy, to_u, to_square]: [V; 6]) -> V {
        let difference = u.sub(s);
        du.add(dy.mul_add(V::splat(1.0).sub(beta), difference.add(difference).mul_add(to_square, to_u)))
    }
}

/// `(s - u)²`, the third part of the features `[s, u, (s-u)²]`, which are never concatenated in memory.
fn square(simd: Simd, s: &[f32], u: &[f32], target: &mut [f32]) {
    each(simd, SquaredDifference, target, [s, u]);
}

/// The columns of `w_mix` `[c, 3c]` for part `part` of the features.
fn mix_part(w_mix: &[f32], c: usize, part: usize) -> impl Fn(usize, usize) -> f32 + Sync {
    move |output, input| w_mix[output * 3 * c + part * c + input]
}

/// Shared by all bands of the forward pass.
struct Forward<'a> {
    c: usize,
    /// Weights of each part of the features.
    mix: [Packed; 3],
    gate: Packed,
    to_h: Finish<'a>,
    to_beta: Finish<'a>,
}

impl<'a> Forward<'a> {
    fn new(cpu: &Cpu, c: usize, weights: &CcmWeights<&'a Buffer>) -> Result<Self> {
        let rounded = [cpu.rounded(weights.w_mix)?, cpu.rounded(weights.w_gate)?];
        let [w_mix, w_gate] = [weights.w_mix, weights.w_gate];
        let (w_mix, w_gate) = (rounded[0].as_ref().unwrap_or(w_mix), rounded[1].as_ref().unwrap_or(w_gate));
        let mix = |part| pack_as(cpu, (c, c), (cpu.precision(c), c), mix_part(w_mix, c, part));
        Ok(Self {
            c,
            mix: [mix(0)?, mix(1)?, mix(2)?],
            gate: pack_forward(cpu, c, c, w_gate, (cpu.precision(c), c))?,
            to_h: Finish::Assign { bias: Some(weights.b_mix), activation: Activation::Elu },
            to_beta: Finish::Assign { bias: Some(weights.b_gate), activation: Activation::Sigmoid },
        })
    }

    /// Computes `h =`, `β =`, `y =` for some pixels.
    fn band(&self, cpu: &Cpu, [s, u]: [&[f32]; 2], [h, beta]: [&mut [f32]; 2], y: &mut [f32]) -> Result<()> {
        let (all, [s_mix, u_mix, square_mix]) = (ChannelRange::all(self.c), &self.mix);
        let mut squares = cpu.alloc(s.len())?;
        square(cpu.simd, s, u, &mut squares);
        cpu.round(&mut squares);
        let part = |data, weights| Part { data, channels: all, weights };
        multiply_dense(cpu, [part(s, s_mix), part(u, u_mix), part(&squares, square_mix)], self.to_h, (&mut *h, all))?;
        cpu.round(h);
        multiply_dense(cpu, [part(h, &self.gate)], self.to_beta, (&mut *beta, all))?;
        cpu.round(beta);
        each(cpu.simd, Combination, y, [beta, s, u]);
        Ok(())
    }
}

/// Transposed weights of each part of the features.
fn backward_mix(cpu: &Cpu, c: usize, w_mix: &[f32]) -> Result<[Packed; 3]> {
    let part = |part| {
        let weight = mix_part(w_mix, c, part);
        pack_as(cpu, (c, c), (cpu.precision(c), c), move |input, output| weight(output, input))
    };
    Ok([part(0)?, part(1)?, part(2)?])
}

/// Shared by all chunks of the backward pass.
struct Backward {
    simd: Simd,
    c: usize,
    /// Transposed weights.
    gate: Packed,
    mix: [Packed; 3],
}

/// Scratch of one chunk, for one band of pixels.
struct Scratch {
    /// `(s-u)²`.
    square: Buffer,
    /// Gradients of the parts of the features.
    parts: [Buffer; 3],
    /// Gradients before ELU and before σ.
    mix: Buffer,
    gate: Buffer,
}

impl Scratch {
    fn new(cpu: &Cpu, len: usize) -> Result<Self> {
        let alloc = || cpu.alloc(len);
        Ok(Self { square: alloc()?, parts: [alloc()?, alloc()?, alloc()?], mix: alloc()?, gate: alloc()? })
    }
}

impl Backward {
    fn new(cpu: &Cpu, c: usize, weights: &CcmWeights<&Buffer>) -> Result<Self> {
        let rounded = [cpu.rounded(weights.w_mix)?, cpu.rounded(weights.w_gate)?];
        let gate = pack_backward(cpu, c, c, rounded[1].as_ref().unwrap_or(weights.w_gate))?;
        Ok(Self { simd: cpu.simd, c, gate, mix: backward_mix(cpu, c, rounded[0].as_ref().unwrap_or(weights.w_mix))? })
    }

    /// One chunk: adds to ds, du and the partial weight gradients `[mix, gate]`; returns the bias gradients likewise.
    fn chunk(
        &self,
        cpu: &Cpu,
        inputs: [&[f32]; 5],
        [ds, du]: [&mut [f32]; 2],
        blank: [bool; 2],
        [mix, gate]: [&mut [f32]; 2],
    ) -> Result<[Vec<f64>; 2]> {
        let (c, all) = (self.c, ChannelRange::all(self.c));
        let mut scratch = Scratch::new(cpu, PIXELS * c)?;
        let (mut mix_bias, mut gate_bias) = (vec![0.0; c], vec![0.0; c]);
        for start in (0..ds.len()).step_by(PIXELS * c) {
            let end = ds.len().min(start + PIXELS * c);
            let [s, u, h, beta, dy] = inputs.map(|input| &input[start..end]);
            self.gate_grads(cpu, [s, u, h, beta, dy], &mut scratch)?;
            let (d_mix, d_gate) = (&scratch.mix[..end - start], &scratch.gate[..end - start]);
            accumulate(self.simd, d_mix, all, &mut mix_bias);
            accumulate(self.simd, d_gate, all, &mut gate_bias);
            square(self.simd, s, u, &mut scratch.square[..end - start]);
            cpu.round(&mut scratch.square[..end - start]);
            let parts = mix.chunks_exact_mut(c * padded(c));
            parts.zip([s, u, &scratch.square]).try_for_each(|(sums, x)| self.weight_sums(cpu, x, d_mix, sums))?;
            self.weight_sums(cpu, h, d_gate, gate)?;
            let grads = [&mut ds[start..end], &mut du[start..end]];
            self.operand_grads([s, u, beta, dy], &scratch.parts, grads, blank);
        }
        Ok([mix_bias, gate_bias])
    }

    /// Gradients before σ, before ELU, and of the parts of the features.
    fn gate_grads(&self, cpu: &Cpu, [s, u, h, beta, dy]: [&[f32]; 5], scratch: &mut Scratch) -> Result<()> {
        let (len, all) = (s.len(), ChannelRange::all(self.c));
        let Scratch { parts, mix, gate, .. } = scratch;
        let (mix, gate) = (&mut mix[..len], &mut gate[..len]);
        each(self.simd, GateGrad, gate, [dy, s, u, beta]);
        cpu.round(gate);
        let plain = Finish::Assign { bias: None, activation: Activation::Identity };
        multiply_dense(cpu, [Part { data: gate, channels: all, weights: &self.gate }], plain, (&mut *mix, all))?;
        each(self.simd, Times(slope::Elu), mix, [h]);
        cpu.round(mix);
        self.mix.iter().zip(parts).try_for_each(|(weights, target)| {
            multiply_dense(cpu, [Part { data: mix, channels: all, weights }], plain, (&mut target[..len], all))
        })
    }

    /// `partial += xᵀ dz` with x and dz `[pixels, c]`.
    fn weight_sums(&self, cpu: &Cpu, x: &[f32], dz: &[f32], partial: &mut [f32]) -> Result<()> {
        let (c, pixels) = (self.c, dz.len() / self.c);
        if cpu.precision(c) == Precision::Bf16 {
            let (x, dz) = (pairs::of_pixels(cpu, &x[..dz.len()], c)?, pairs::of_pixels(cpu, dz, c)?);
            return self.add_products(&x, Right { data: &dz, step: c }, (Precision::Bf16, pixels.div_ceil(2)), 0, partial);
        }
        let aligned = Aligned::new(cpu, dz, ChannelRange::all(c), 0..pixels)?;
        self.add_products(x, aligned.right(), (Precision::F32, pixels), aligned.offset(0), partial)
    }

    /// `partial += xᵀ dz` over `depth` rows of x and dz, which begins at `origin` of `right`.
    fn add_products(
        &self,
        x: &[f32],
        right: Right<'_>,
        (precision, depth): (Precision, usize),
        origin: usize,
        partial: &mut [f32],
    ) -> Result<()> {
        let extents = (self.c, padded(self.c));
        blocks(0, self.c).iter().try_for_each(|block| {
            let segments = [(0, origin + block.first)];
            add_products((self.simd, precision), (x, self.c), right, (&segments, depth), block, partial, extents)
        })
    }

    /// `ds +=`, `du +=`: through the combination and through the features.
    fn operand_grads(
        &self,
        [s, u, beta, dy]: [&[f32]; 4],
        [to_s, to_u, to_square]: &[Buffer; 3],
        [ds, du]: [&mut [f32]; 2],
        blank: [bool; 2],
    ) {
        [&mut *ds, du].into_iter().zip(blank).filter(|(_, blank)| *blank).for_each(|(grad, _)| grad.fill(0.0));
        each(self.simd, SkipGrad, ds, [s, u, beta, dy, to_s, to_square]);
        each(self.simd, UpsampledGrad, du, [s, u, beta, dy, to_u, to_square]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scalar `β s + (1-β) u`, clamped between s and u for β in [0, 1].
    fn combine(beta: f32, s: f32, u: f32) -> f32 {
        let y = beta * s + (1.0 - beta) * u;
        if (0.0..=1.0).contains(&beta) { y.clamp(s.min(u), s.max(u)) } else { y }
    }

    #[test]
    fn combinations_stay_between_their_operands_and_nan_stays_nan() {
        let near = 1.0f32.next_up();
        let operands = [-3.5, -1.0, -0.0, 0.0, 1e-30, 1.0, near, near.next_up(), 7.25e20, f32::NAN];
        let betas = [0.0, 1e-8, 0.3, 0.5, 0.7, 1.0 - 1e-7, 1.0, f32::NAN];
        let mut all: Vec<[f32; 3]> = Vec::new();
        for (s, u) in operands.into_iter().flat_map(|s| operands.map(|u| (s, u))) {
            all.extend(betas.map(|beta| [beta, s, u]));
        }
        let [beta, s, u] = std::array::from_fn(|k| all.iter().map(|values| values[k]).collect::<Vec<f32>>());
        for simd in Simd::every() {
            let [mut y, mut of_any] = [(); 2].map(|()| vec![0.0; all.len()]);
            each(simd, Combination, &mut y, [&beta, &s, &u]);
            each(simd, AnyCombination, &mut of_any, [&beta, &s, &u]);
            let bits =
                |values: &[f32]| values.iter().filter(|value| !value.is_nan()).map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&of_any), bits(&y), "{:?}", simd.isa());
            let mut outside = [0.0];
            each(simd, AnyCombination, &mut outside, [&[1.5], &[2.0], &[1.0]]);
            assert_eq!(outside, [2.5], "β outside of [0, 1] extrapolates");
            for (&[beta, s, u], &y) in all.iter().zip(&y) {
                let any_nan = beta.is_nan() || s.is_nan() || u.is_nan();
                let (low, high) = (s.min(u), s.max(u));
                assert!(if any_nan { y.is_nan() } else { low <= y && y <= high }, "{:?}: {beta} {s} {u} {y}", simd.isa());
                assert!(any_nan || beta != 0.0 || y == u, "{beta} {s} {u} {y}");
                assert!(any_nan || beta != 1.0 || y == s, "{beta} {s} {u} {y}");
                assert!(any_nan || y == combine(beta, s, u), "{beta} {s} {u}: {y}, alone {}", combine(beta, s, u));
            }
        }
    }
}
