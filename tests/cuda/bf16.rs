//! Convolutions on tensor cores (`Mode::Bf16`), on the emulator under several schedules and on the GPU.
//!
//! Results are compared with two f64 convolutions. With the one of the rounded operands, they may differ only by the rounding of
//! f32 sums: 1e-5 of the largest value. For the one of the exact operands: bf16 has 8 significant bits, so rounding to nearest
//! multiplies a value by 1 + δ with |δ| ≤ u = 2^-8. A product of two values changes by at most 2u + u² of its size, and a sum Σ x
//! w by at most (2u + u²) Σ |x| |w|, elementwise.

use half::bf16;
use orthoscope::backend::{Cuda, cuda::Mode};
use orthoscope::ops::{Backend, Conv2d, Conv2dOptions, Conv2dSpec, Linear, LinearSpec, Sdc, SdcSpec};
use orthoscope::shape::Activation;

use crate::Open;
use crate::ops::common::*;

on_matrix_units!(
    convolutions_equal_those_of_rounded_operands,
    convolutions_have_adjoints,
    stacked_dilated_convolutions_equal_those_of_rounded_operands,
    stacked_dilated_convolutions_have_adjoints,
    every_schedule_gives_the_same_bits,
    activations_are_fused,
    operands_are_rounded_to_nearest_even,
    naive_kernels_on_rounded_operands_agree,
);
mod in_f32 {
    use super::{bias_gradients_stay_f32, linear_maps_stay_f32};
    on_cuda!(bias_gradients_stay_f32, linear_maps_stay_f32);
}

/// Tolerance of sums in f32, relative to the largest result. Tensor cores cut off instead of rounding to nearest, so their errors
/// have one sign and grow with the depth K. On Hopper one `mma` loses less than 17 · 2^-25 of the largest term and a last place of
/// the sum, 2^-23, together below 5.3 · 2^-23 of the largest size M that the sum takes on its way: at most K/16 · 6.3e-7 M, or
/// 2.5e-5 M for the largest K here, 630. Of random terms a quarter of that is lost, and M is reached only in the end: the largest
/// error found is 2.3e-6 (Hopper), and below 2e-6 in sequence and on Ampere.
const SUMS: f64 = 1e-5;
/// Largest relative error of rounding to bf16.
const UNIT: f64 = 1.0 / 256.0;
/// Seeds of the schedules and of the operands.
const SEEDS: std::ops::RangeInclusive<u32> = 1..=4;

fn device(open: &Open, seed: u32) -> Cuda {
    open(seed.into()).with_mode(Mode::Bf16)
}

/// The nearest bf16 value, rounded to even in a tie. The operand is an f32, as on the device.
fn nearest(x: f64) -> f64 {
    bf16::from_f32(x as f32).to_f64()
}

#[derive(Clone)]
struct Operands {
    x: Vec<f64>,
    w: Vec<Vec<f64>>,
    b: Vec<Vec<f64>>,
    dz: Vec<f64>,
}

impl Operands {
    /// Random operands with these lengths of x, of w and b of each branch, and of dz.
    fn random(seed: u32, branches: usize, [x, w, b, dz]: [usize; 4]) -> Self {
        let each = |start: u32, len| (0..branches as u32).map(|k| random(64 * seed + start + k, len)).collect();
        Self { x: random(64 * seed, x), w: each(8, w), b: each(16, b), dz: random(64 * seed + 1, dz) }
    }

    /// Applies `f` to all values except those of b.
    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let all = |values: &Vec<f64>| values.iter().map(|&value| f(value)).collect();
        Self { x: all(&self.x), w: self.w.iter().map(all).collect(), b: self.b.clone(), dz: all(&self.dz) }
    }

    fn without_bias(mut self) -> Self {
        self.b.iter_mut().for_each(|b| b.fill(0.0));
        self
    }
}

/// An operation with its two gradients.
trait Operation {
    /// Operands of the right lengths.
    fn operands(&self, seed: u32) -> Operands;
    fn forward<B: Backend>(&self, backend: &B, operands: &Operands) -> Vec<f64>;
    /// `[dx, dw of each branch]`.
    fn gradients<B: Backend>(&self, backend: &B, operands: &Operands) -> Vec<Vec<f64>>;
    /// `[y, dx, dw of each branch]`.
    fn results<B: Backend>(&self, backend: &B, operands: &Operands) -> Vec<Vec<f64>> {
        [vec![self.forward(backend, operands)], self.gradients(backend, operands)].concat()
    }
}

impl Operation for Conv2dSpec {
    fn operands(&self, seed: u32) -> Operands {
        let product = |extents: &[u32]| extents.iter().map(|&extent| extent as usize).product();
        let w = product(&[self.c_out, self.kernel, self.kernel, self.c_in]);
        let lengths = [product(&[self.n, self.h, self.w, self.c_in]), w, self.c_out as usize, self.output().unwrap().len()];
        Operands::random(seed, 1, lengths)
    }

    fn forward<B: Backend>(&self, backend: &B, operands: &Operands) -> Vec<f64> {
        let [x, w, b] = [&operands.x, &operands.w[0], &operands.b[0]].map(|values| upload(backend, values));
        let bias = operands.b[0].iter().any(|&b| b != 0.0).then_some(&b);
        let [y] = overwritten(backend, [operands.dz.len()], |[y]| {
            backend.run(Conv2d::Forward { spec: self, x: &x, w: &w, b: bias, y })
        });
        y
    }

    fn gradients<B: Backend>(&self, backend: &B, operands: &Operands) -> Vec<Vec<f64>> {
        let [x, w, dz] = [&operands.x, &operands.w[0], &operands.dz].map(|values| upload(backend, values));
        let [dx] =
            accumulated(backend, [operands.x.len()], |[dx]| backend.run(Conv2d::InputGrad { spec: self, dz: &dz, w: &w, dx }));
        let [dw] = accumulated(backend, [operands.w[0].len()], |[dw]| {
            backend.run(Conv2d::WeightGrad { spec: self, x: &x, dz: &dz, dw, db: None })
        });
        vec![dx, dw]
    }
}

/// A stacked dilated convolution with a number of branches known at compile time.
struct Branches<const BRANCHES: usize>(SdcSpec);

impl<const BRANCHES: usize> Operation for Branches<BRANCHES> {
    fn operands(&self, seed: u32) -> Operands {
        let [n, h, w, c_in, c_out] = [self.0.n, self.0.h, self.0.w, self.0.c_in, self.0.c_out].map(|extent| extent as usize);
        Operands::random(seed, BRANCHES, [n * h * w * c_in, 9 * c_out * c_in, c_out, n * h * w * BRANCHES * c_out])
    }

    fn forward<B: Backend>(&self, backend: &B, operands: &Operands) -> Vec<f64> {
        let each = |values: &[Vec<f64>]| values.iter().map(|values| upload(backend, values)).collect::<Vec<_>>();
        let (x, w, b) = (upload(backend, &operands.x), each(&operands.w), each(&operands.b));
        let (w, b): (Vec<_>, Vec<_>) = (w.iter().collect(), b.iter().collect());
        let [y] =
            overwritten(backend, [operands.dz.len()], |[y]| backend.run(Sdc::Forward { spec: &self.0, x: &x, w: &w, b: &b, y }));
        y
    }

    fn gradients<B: Backend>(&self, backend: &B, operands: &Operands) -> Vec<Vec<f64>> {
        let w: Vec<_> = operands.w.iter().map(|w| upload(backend, w)).collect();
        let w: Vec<_> = w.iter().collect();
        let [x, dz] = [&operands.x, &operands.dz].map(|values| upload(backend, values));
        let [dx] =
            accumulated(backend, [operands.x.len()], |[dx]| backend.run(Sdc::InputGrad { spec: &self.0, dz: &dz, w: &w, dx }));
        let dw = accumulated(backend, [operands.w[0].len(); BRANCHES], |dw: &mut [B::Buffer; BRANCHES]| {
            let mut db: Vec<_> = operands.b.iter().map(|b| backend.zeros(b.len()).unwrap()).collect();
            backend.run(Sdc::WeightGrad { spec: &self.0, x: &x, dz: &dz, dw, db: &mut db })
        });
        [vec![dx], dw.to_vec()].concat()
    }
}

fn conv2d(x: [usize; 4], c_out: usize, kernel: usize, [stride, dilation, padding]: [usize; 3]) -> Conv2dSpec {
    let options = Conv2dOptions { stride, dilation, padding, activation: Activation::Identity };
    Conv2dSpec::new(&shape(&x), &shape(&[c_out, kernel, kernel, x[3]]), None, options).unwrap()
}

fn sdc<const BRANCHES: usize>(x: [usize; 4], c_out: usize, dilations: [usize; BRANCHES]) -> Branches<BRANCHES> {
    let weights = [shape(&[c_out, 3, 3, x[3]]); BRANCHES];
    Branches(SdcSpec::new(&shape(&x), &weights, &dilations, Activation::Identity).unwrap())
}

/// Every kernel size and stride, and several dilations and paddings. The number of channels is below, equal to and above a chunk
/// of 8 and a tile of 64, the number of pixels below and above a tile of 128.
fn specs() -> Vec<Conv2dSpec> {
    vec![
        conv2d([1, 1, 1, 1], 1, 1, [1, 1, 0]),
        conv2d([3, 17, 23, 5], 4, 1, [1, 1, 0]),
        conv2d([2, 5, 6, 70], 33, 1, [2, 1, 1]),
        conv2d([1, 9, 11, 3], 33, 3, [1, 1, 1]),
        conv2d([2, 13, 10, 8], 70, 3, [2, 1, 1]),
        conv2d([1, 12, 15, 33], 8, 3, [1, 2, 2]),
        conv2d([3, 17, 23, 5], 8, 3, [2, 3, 3]),
        conv2d([1, 16, 17, 70], 70, 3, [1, 1, 1]),
        conv2d([1, 4, 3, 8], 3, 3, [1, 1, 5]),
        conv2d([1, 9, 7, 70], 5, 5, [1, 1, 2]),
        conv2d([2, 11, 9, 3], 3, 5, [2, 2, 4]),
    ]
}

/// Asserts `|found - expected| ≤ (2u + u²) sizes`, plus the rounding of sums.
#[track_caller]
fn assert_within_bf16(what: &str, found: &[f64], expected: &[f64], sizes: &[f64]) {
    for (i, ((found, expected), size)) in found.iter().zip(expected).zip(sizes).enumerate() {
        let (error, bound) = ((found - expected).abs(), (2.0 * UNIT + UNIT * UNIT + SUMS) * size);
        assert!(error <= bound, "{what}[{i}] is {found}, expected {expected} within {bound}");
    }
}

/// Compares with the results of the rounded and of the exact operands. This also checks that results overwrite (`=`) or
/// accumulate (`+=`) as they should.
fn check_numerics(open: &Open, operation: &impl Operation) {
    for seed in SEEDS {
        let operands = operation.operands(seed);
        let found = operation.results(&device(open, seed), &operands);
        let rounded = operation.results(&oracle(), &operands.map(nearest));
        let exact = operation.results(&oracle(), &operands);
        let sizes = operation.results(&oracle(), &operands.map(f64::abs).without_bias());
        for (i, found) in found.iter().enumerate() {
            let what = ["y", "dx", "dw"][i.min(2)];
            assert_close(what, found, &rounded[i], SUMS);
            assert_within_bf16(what, found, &exact[i], &sizes[i]);
        }
    }
}

/// `<y, dz> = <x, dx> = <w, dw>`: up to the rounding of sums if bf16 represents the operands exactly, otherwise up to twice the
/// bound, because both sides are rounded.
fn check_adjoints(open: &Open, operation: &impl Operation) {
    for seed in SEEDS {
        let operands = operation.operands(seed).without_bias();
        let size = {
            let sizes = operands.map(f64::abs);
            dot(&operation.forward(&oracle(), &sizes), &sizes.dz)
        };
        let bound = 2.0 * (2.0 * UNIT + UNIT * UNIT);
        for (operands, tolerance) in [(operands.map(nearest), SUMS), (operands, bound + SUMS)] {
            let device = device(open, seed);
            let y = dot(&operation.forward(&device, &operands), &operands.dz);
            let gradients = operation.gradients(&device, &operands);
            let x = dot(&operands.x, &gradients[0]);
            let w: f64 = operands.w.iter().zip(&gradients[1..]).map(|(w, dw)| dot(w, dw)).sum();
            assert!((y - x).abs() <= tolerance * size, "<y, dz> = {y}, <x, dx> = {x}, size {size}");
            assert!((y - w).abs() <= tolerance * size, "<y, dz> = {y}, <w, dw> = {w}, size {size}");
        }
    }
}

/// Every schedule gives the same bits as index order.
fn check_bits(open: &Open, operation: &impl Operation) {
    let operands = operation.operands(0);
    let expected = operation.results(&device(open, 0), &operands);
    for seed in SEEDS {
        assert_eq!(operation.results(&device(open, seed), &operands), expected, "seed {seed}");
    }
}

fn convolutions_equal_those_of_rounded_operands(open: &Open) {
    specs().iter().for_each(|spec| check_numerics(open, spec));
}

fn convolutions_have_adjoints(open: &Open) {
    specs().iter().for_each(|spec| check_adjoints(open, spec));
}

fn stacked_dilated_convolutions_equal_those_of_rounded_operands(open: &Open) {
    check_numerics(open, &sdc([1, 5, 4, 3], 1, [2]));
    check_numerics(open, &sdc([2, 7, 10, 5], 33, [1, 4, 2]));
    check_numerics(open, &sdc([1, 4, 5, 70], 3, [1, 2, 3, 4, 5, 6, 7, 32]));
    // Several tiles of whole image rows, some of which skip steps of the depth.
    check_numerics(open, &sdc([1, 20, 16, 32], 8, [1, 9, 16]));
}

fn stacked_dilated_convolutions_have_adjoints(open: &Open) {
    check_adjoints(open, &sdc([2, 7, 10, 5], 33, [1, 4, 2]));
}

fn every_schedule_gives_the_same_bits(open: &Open) {
    check_bits(open, &conv2d([1, 16, 17, 70], 70, 3, [1, 1, 1]));
    check_bits(open, &conv2d([2, 13, 10, 8], 70, 3, [2, 1, 1]));
    check_bits(open, &sdc([2, 7, 10, 5], 33, [1, 4, 2]));
}

fn activations_are_fused(open: &Open) {
    for (seed, activation) in SEEDS.zip(ACTIVATIONS.into_iter().skip(1)) {
        let spec = Conv2dSpec { activation, ..conv2d([3, 7, 5, 5], 33, 3, [1, 2, 2]) };
        let operands = spec.operands(seed).map(nearest);
        assert_close("y", &spec.forward(&device(open, seed), &operands), &spec.forward(&oracle(), &operands), SUMS);
        let Branches(spec) = sdc([1, 7, 5, 5], 5, [2, 1]);
        let sdc = Branches::<2>(SdcSpec { activation, ..spec });
        let operands = sdc.operands(seed).map(nearest);
        assert_close("y", &sdc.forward(&device(open, seed), &operands), &sdc.forward(&oracle(), &operands), SUMS);
    }
}

fn operands_are_rounded_to_nearest_even(open: &Open) {
    // Halfway between neighbours, just off halfway, exact, small, and too large for a finite bf16. The last value becomes
    // infinite.
    let halves = [257.0, 259.0, -257.0, 257.0 + 1.0 / 32768.0, 257.0 - 1.0 / 32768.0, 258.0];
    let values = [halves.as_slice(), &[0.1, -3.3e38, 1e-30, 0.0, f64::from(f32::MAX)]].concat();
    let spec = conv2d([1, 1, values.len(), 1], 1, 1, [1, 1, 0]);
    let operands = Operands { x: values.clone(), w: vec![vec![1.0]], b: vec![vec![0.0]], dz: values.clone() };
    let y = spec.forward(&device(open, 1), &operands);
    assert_eq!(y[..6], [256.0, 260.0, -256.0, 258.0, 256.0, 258.0]);
    assert_eq!(y, values.iter().map(|&value| nearest(value)).collect::<Vec<_>>());
    assert_eq!(y.last(), Some(&f64::INFINITY));
}

/// The naive f32 kernels on rounded operands are the reference on the device, which has no f64 convolution.
fn naive_kernels_on_rounded_operands_agree(open: &Open) {
    let [bf16, naive] = [Mode::Bf16, Mode::Naive].map(|mode| open(1).with_mode(mode));
    let (conv2d, sdc) = (conv2d([1, 9, 11, 3], 33, 3, [2, 1, 1]), sdc([1, 6, 5, 9], 10, [1, 3]));
    let (a, b) = (conv2d.operands(1).map(nearest), sdc.operands(1).map(nearest));
    let found = [conv2d.results(&bf16, &a), sdc.results(&bf16, &b)].concat();
    let expected = [conv2d.results(&naive, &a), sdc.results(&naive, &b)].concat();
    found.iter().zip(&expected).for_each(|(found, expected)| assert_close("result", found, expected, SUMS));
}

fn bias_gradients_stay_f32(open: &Open) {
    let spec = conv2d([2, 5, 6, 9], 7, 3, [1, 1, 1]);
    let operands = spec.operands(1);
    let db = |mode| {
        let device = open(1).with_mode(mode);
        let [x, dz] = [&operands.x, &operands.dz].map(|values| upload(&device, values));
        let lengths = [operands.w[0].len(), operands.b[0].len()];
        let [_, db] = accumulated(&device, lengths, |[dw, db]| {
            device.run(Conv2d::WeightGrad { spec: &spec, x: &x, dz: &dz, dw, db: Some(db) })
        });
        db
    };
    assert_eq!(db(Mode::Bf16), db(Mode::Tiled));
}

fn linear_maps_stay_f32(open: &Open) {
    let spec = LinearSpec::new(&shape(&[9, 5]), &shape(&[7, 5]), None, Activation::Elu).unwrap();
    let y = |mode| {
        let device = open(1).with_mode(mode);
        let [x, w] = [45, 35].map(|len| upload(&device, &random(len as u32, len)));
        let [y] = overwritten(&device, [63], |[y]| device.run(Linear::Forward { spec: &spec, x: &x, w: &w, b: None, y }));
        y
    };
    assert_eq!(y(Mode::Bf16), y(Mode::Tiled));
}
