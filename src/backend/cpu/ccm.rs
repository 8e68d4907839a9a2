//! Convex combination module: features, gate and combination band by band, so that the joined tensor never exists.

use rayon::prelude::*;

use super::activation::elu_slope;
use super::columns::{accumulate, add_in_order};
use super::conv2d::pack_forward;
use super::elementwise::update;
use super::linear::pack_backward;
use super::outer::{Partials, add_products, chunk_count};
use super::pack::{Packed, blocks, padded};
use super::simd::{ROWS, Right, Simd};
use super::storage::Buffer;
use super::strips::{Finish, Range, multiply_dense};
use super::{Cpu, check_lengths};
use crate::backend::{Ccm, CcmWeights, Storage};
use crate::error::Result;
use crate::shape::{Activation, CcmSpec};

/// Pixels of a band: whole strips.
const PIXELS: usize = 8 * ROWS;

/// `β s + (1-β) u`, kept between s and u where β is in [0, 1] and rounding would leave; NaN stays NaN.
#[inline(always)]
fn combine(beta: f32, s: f32, u: f32) -> f32 {
    let y = beta * s + (1.0 - beta) * u;
    let (low, high) = if s < u { (s, u) } else { (u, s) };
    let convex = (0.0..=1.0).contains(&beta);
    if convex && y < low {
        low
    } else if convex && y > high {
        high
    } else {
        y
    }
}

/// `y = β s + (1-β) u` for every element.
fn combine_all(simd: Simd, [beta, s, u]: [&[f32]; 3], y: &mut [f32]) {
    simd.run(
        #[inline(always)]
        || y.iter_mut().zip(beta).zip(s.iter().zip(u)).for_each(|((y, &beta), (&s, &u))| *y = combine(beta, s, u)),
    );
}

/// Features `[s, u, (s-u)²]` of every pixel, `[pixels, 3c]`.
fn features(simd: Simd, s: &[f32], u: &[f32], c: usize, target: &mut [f32]) {
    simd.run(
        #[inline(always)]
        || {
            for ((target, s), u) in target.chunks_exact_mut(3 * c).zip(s.chunks_exact(c)).zip(u.chunks_exact(c)) {
                target[..c].copy_from_slice(s);
                target[c..2 * c].copy_from_slice(u);
                target[2 * c..].iter_mut().zip(s.iter().zip(u)).for_each(|(target, (s, u))| *target = (s - u) * (s - u));
            }
        },
    );
}

fn check(op: &'static str, spec: &CcmSpec, large: &[usize], weights: CcmWeights<usize>) -> Result<()> {
    let (rows, c) = (spec.rows as usize, spec.c as usize);
    let CcmWeights { w_mix, b_mix, w_gate, b_gate } = weights;
    let mut pairs = vec![(w_mix, 3 * c * c), (b_mix, c), (w_gate, c * c), (b_gate, c)];
    pairs.extend(large.iter().map(|&len| (len, rows * c)));
    check_lengths(op, &pairs)
}

/// Lengths of the weights.
fn weight_lengths(weights: &CcmWeights<&Buffer>) -> CcmWeights<usize> {
    let CcmWeights { w_mix, b_mix, w_gate, b_gate } = weights;
    CcmWeights { w_mix: w_mix.len(), b_mix: b_mix.len(), w_gate: w_gate.len(), b_gate: b_gate.len() }
}

impl Ccm for Cpu {
    fn convex_combination(&self, beta: &Buffer, s: &Buffer, u: &Buffer, y: &mut Buffer) -> Result<()> {
        let len = y.len();
        check_lengths("convex_combination", &[(beta.len(), len), (s.len(), len), (u.len(), len)])?;
        update(self.simd, y, [beta, s, u], |y, [beta, s, u]| *y = combine(beta, s, u));
        Ok(())
    }

    fn convex_combination_grad(&self, operands: [&Buffer; 3], dy: &Buffer, grads: [&mut Buffer; 3]) -> Result<()> {
        let ([beta, s, u], [d_beta, ds, du]) = (operands, grads);
        let lengths = [beta.len(), s.len(), u.len(), d_beta.len(), ds.len(), du.len()];
        check_lengths("convex_combination_grad", &lengths.map(|len| (len, dy.len())))?;
        update(self.simd, d_beta, [dy, s, u], |d_beta, [dy, s, u]| *d_beta += dy * (s - u));
        update(self.simd, ds, [dy, beta], |ds, [dy, beta]| *ds += dy * beta);
        update(self.simd, du, [dy, beta], |du, [dy, beta]| *du += dy * (1.0 - beta));
        Ok(())
    }

    fn ccm(
        &self,
        spec: &CcmSpec,
        [s, u]: [&Buffer; 2],
        weights: &CcmWeights<&Buffer>,
        [h, beta]: [&mut Buffer; 2],
        y: &mut Buffer,
    ) -> Result<()> {
        let c = spec.c as usize;
        check("ccm", spec, &[s.len(), u.len(), h.len(), beta.len(), y.len()], weight_lengths(weights))?;
        let mix = pack_forward(self, 3 * c, c, weights.w_mix)?;
        let gate = pack_forward(self, c, c, weights.w_gate)?;
        let to_h = Finish::Assign { bias: Some(weights.b_mix), activation: Activation::Elu };
        let to_beta = Finish::Assign { bias: Some(weights.b_gate), activation: Activation::Sigmoid };
        let (band, all) = (PIXELS * c, Range::all(c));
        let outputs = y.par_chunks_mut(band).zip(h.par_chunks_mut(band)).zip(beta.par_chunks_mut(band));
        let inputs = s.par_chunks(band).zip(u.par_chunks(band));
        outputs.zip(inputs).try_for_each(|(((y, h), beta), (s, u))| {
            let mut joined = self.alloc(3 * s.len())?;
            features(self.simd, s, u, c, &mut joined);
            multiply_dense(self.simd, (&joined, Range::all(3 * c)), &mix, to_h, (h, all))?;
            multiply_dense(self.simd, (h, all), &gate, to_beta, (beta, all))?;
            combine_all(self.simd, [beta, s, u], y);
            Ok(())
        })
    }

    fn ccm_grad(
        &self,
        spec: &CcmSpec,
        [s, u]: [&Buffer; 2],
        weights: &CcmWeights<&Buffer>,
        [h, beta]: [&Buffer; 2],
        dy: &Buffer,
        [ds, du]: [&mut Buffer; 2],
        weight_grads: CcmWeights<&mut Buffer>,
    ) -> Result<()> {
        let (rows, c) = (spec.rows as usize, spec.c as usize);
        let large = [s.len(), u.len(), h.len(), beta.len(), dy.len(), ds.len(), du.len()];
        check("ccm_grad", spec, &large, weight_lengths(weights))?;
        let CcmWeights { w_mix, b_mix, w_gate, b_gate } = weight_grads;
        let grad_lengths = CcmWeights { w_mix: w_mix.len(), b_mix: b_mix.len(), w_gate: w_gate.len(), b_gate: b_gate.len() };
        check("ccm_grad", spec, &[], grad_lengths)?;
        let bands = rows.div_ceil(PIXELS);
        let chunk = bands.div_ceil(chunk_count(bands, 3 * c * padded(c))) * PIXELS * c;
        let chunks = (rows * c).div_ceil(chunk);
        let mut mix_sums = Partials::new(self, chunks, 3 * c, c)?;
        let mut gate_sums = Partials::new(self, chunks, c, c)?;
        let backward = Backward::new(self, c, weights)?;
        let (mix_len, gate_len) = (mix_sums.chunk(), gate_sums.chunk());
        let sums = mix_sums.data.par_chunks_mut(mix_len).zip(gate_sums.data.par_chunks_mut(gate_len));
        let grads = ds.par_chunks_mut(chunk).zip(du.par_chunks_mut(chunk));
        let tasks = grads.zip(sums).enumerate().map(|(index, ((ds, du), (mix, gate)))| {
            let part = index * chunk..index * chunk + ds.len();
            let inputs = [s, u, h, beta, dy].map(|buffer| &buffer[part.clone()]);
            backward.chunk(self, inputs, [ds, du], [mix, gate])
        });
        let biases: Vec<[Vec<f64>; 2]> = tasks.collect::<Result<_>>()?;
        let (mix_biases, gate_biases): (Vec<_>, Vec<_>) = biases.into_iter().map(|[mix, gate]| (mix, gate)).unzip();
        mix_sums.add_to(w_mix);
        gate_sums.add_to(w_gate);
        add_in_order(&mix_biases, b_mix);
        add_in_order(&gate_biases, b_gate);
        Ok(())
    }
}

/// What all chunks of the backward pass share.
struct Backward {
    simd: Simd,
    c: usize,
    /// Transposed weights.
    gate: Packed,
    mix: Packed,
}

/// Scratch of one chunk, for one band of pixels.
struct Scratch {
    /// `[s, u, (s-u)²]`, then its gradient.
    joined: Buffer,
    joined_grad: Buffer,
    /// Gradients before ELU and before σ, channels padded with zeros to whole vectors.
    mix: Buffer,
    gate: Buffer,
}

impl Backward {
    fn new(cpu: &Cpu, c: usize, weights: &CcmWeights<&Buffer>) -> Result<Self> {
        let gate = pack_backward(cpu, c, c, weights.w_gate)?;
        let mix = pack_backward(cpu, c, 3 * c, weights.w_mix)?;
        Ok(Self { simd: cpu.simd, c, gate, mix })
    }

    /// One chunk: adds to ds, du and the partial weight gradients `[mix, gate]`; returns the bias gradients likewise.
    fn chunk(
        &self,
        cpu: &Cpu,
        inputs: [&[f32]; 5],
        [ds, du]: [&mut [f32]; 2],
        [mix, gate]: [&mut [f32]; 2],
    ) -> Result<[Vec<f64>; 2]> {
        let (c, width) = (self.c, padded(self.c));
        let mut scratch = Scratch {
            joined: cpu.alloc(PIXELS * 3 * c)?,
            joined_grad: cpu.alloc(PIXELS * 3 * c)?,
            mix: cpu.zeros(PIXELS * width)?,
            gate: cpu.zeros(PIXELS * width)?,
        };
        let (mut mix_bias, mut gate_bias) = (vec![0.0; c], vec![0.0; c]);
        let range = Range { start: 0, count: c, stride: width };
        for start in (0..ds.len()).step_by(PIXELS * c) {
            let end = ds.len().min(start + PIXELS * c);
            let pixels = (end - start) / c;
            let [s, u, h, beta, dy] = inputs.map(|input| &input[start..end]);
            self.gate_grads([s, u, h, beta, dy], &mut scratch)?;
            accumulate(&scratch.mix[..pixels * width], range, &mut mix_bias);
            accumulate(&scratch.gate[..pixels * width], range, &mut gate_bias);
            features(self.simd, s, u, c, &mut scratch.joined);
            self.weight_sums(&scratch.joined, 3 * c, &scratch.mix, pixels, mix)?;
            self.weight_sums(h, c, &scratch.gate, pixels, gate)?;
            self.operand_grads([s, u, beta, dy], &scratch.joined_grad, [&mut ds[start..end], &mut du[start..end]]);
        }
        Ok([mix_bias, gate_bias])
    }

    /// Gradients before σ, before ELU, and of the features.
    fn gate_grads(&self, [s, u, h, beta, dy]: [&[f32]; 5], scratch: &mut Scratch) -> Result<()> {
        let (c, width) = (self.c, padded(self.c));
        let range = Range { start: 0, count: c, stride: width };
        let length = s.len() / c * width;
        let pixels = s.chunks_exact(c).zip(u.chunks_exact(c)).zip(beta.chunks_exact(c).zip(dy.chunks_exact(c)));
        self.simd.run(
            #[inline(always)]
            || {
                for (gate, ((s, u), (beta, dy))) in scratch.gate.chunks_exact_mut(width).zip(pixels) {
                    for (i, gate) in gate[..c].iter_mut().enumerate() {
                        *gate = dy[i] * (s[i] - u[i]) * (beta[i] * (1.0 - beta[i]));
                    }
                }
            },
        );
        let plain = Finish::Assign { bias: None, activation: Activation::Identity };
        multiply_dense(self.simd, (&scratch.gate[..length], range), &self.gate, plain, (&mut scratch.mix, range))?;
        self.simd.run(
            #[inline(always)]
            || {
                for (mix, h) in scratch.mix.chunks_exact_mut(width).zip(h.chunks_exact(c)) {
                    mix.iter_mut().zip(h).for_each(|(mix, &h)| *mix *= elu_slope(h));
                }
            },
        );
        let target = (&mut *scratch.joined_grad, Range::all(3 * c));
        multiply_dense(self.simd, (&scratch.mix[..length], range), &self.mix, plain, target)
    }

    /// `partial += xᵀ dz` with x `[pixels, rows]`.
    fn weight_sums(&self, x: &[f32], rows: usize, dz: &[f32], pixels: usize, partial: &mut [f32]) -> Result<()> {
        let width = padded(self.c);
        blocks(0, self.c).iter().try_for_each(|block| {
            let (segments, right) = ([(0, block.first)], Right { data: dz, step: width });
            add_products(self.simd, (x, rows), right, (&segments, pixels), block, partial, (rows, width))
        })
    }

    /// `ds +=`, `du +=`: through the combination and through the features.
    fn operand_grads(&self, [s, u, beta, dy]: [&[f32]; 4], joined: &[f32], [ds, du]: [&mut [f32]; 2]) {
        let c = self.c;
        let inputs = s.chunks_exact(c).zip(u.chunks_exact(c)).zip(beta.chunks_exact(c).zip(dy.chunks_exact(c)));
        let grads = ds.chunks_exact_mut(c).zip(du.chunks_exact_mut(c));
        self.simd.run(
            #[inline(always)]
            || {
                for ((joined, (ds, du)), ((s, u), (beta, dy))) in joined.chunks_exact(3 * c).zip(grads).zip(inputs) {
                    let (to_s, rest) = joined.split_at(c);
                    let (to_u, to_square) = rest.split_at(c);
                    for i in 0..c {
                        let square = 2.0 * (s[i] - u[i]) * to_square[i];
                        ds[i] += dy[i] * beta[i] + to_s[i] + square;
                        du[i] += dy[i] * (1.0 - beta[i]) + to_u[i] - square;
                    }
                }
            },
        );
    }
}
