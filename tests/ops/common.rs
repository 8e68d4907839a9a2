//! Shared by all checks: random operands, checks of `=` and `+=`, and comparisons with stated tolerances.
//!
//! Host values are f64. Random values are drawn as f32, so that all backends have exactly the same operands.

use std::collections::HashMap;

use num_traits::Float;
use orthoscope::Result;
use orthoscope::backend::{Real, Reference};
use orthoscope::ops::Backend;
use orthoscope::rng::{Purpose, Stream};
use orthoscope::shape::{Activation, Shape};
use orthoscope::tape::{Tape, Tensor, Var};

pub use super::exercise::{Bench, Engine, Exercise};
pub use super::spec::SpecValue;
pub use crate::gradients::{check_gradients, random_array};
pub use crate::torch::{Golden, TOLERANCE as TORCH_TOLERANCE, close};

/// Every activation.
pub const ACTIVATIONS: [Activation; 5] =
    [Activation::Identity, Activation::Elu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus];

/// The oracle.
pub fn oracle() -> Reference<f64> {
    Reference::default()
}

/// Relative tolerance of a backend: 100 units in the last place, 1.2e-5 for f32 and 2.2e-14 for f64.
pub fn tolerance<B: Backend>() -> f64 {
    100.0 * B::Elem::epsilon().f64()
}

/// `len` values, uniform in [low, high). They depend on `index`.
pub fn random_between(index: u32, len: usize, low: f32, high: f32) -> Vec<f64> {
    let mut stream = Stream::new(2206, Purpose::Test, 0, index);
    (0..len).map(|_| f64::from(stream.range(low, high))).collect()
}

/// `len` values, uniform in [-1, 1).
pub fn random(index: u32, len: usize) -> Vec<f64> {
    random_between(index, len, -1.0, 1.0)
}

pub fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

pub fn upload<B: Backend>(backend: &B, host: &[f64]) -> B::Buffer {
    let host: Vec<B::Elem> = host.iter().map(|&value| B::Elem::of(value)).collect();
    backend.upload(&host).unwrap()
}

pub fn download<B: Backend>(backend: &B, buffer: &B::Buffer) -> Vec<f64> {
    backend.download(buffer).unwrap().into_iter().map(Real::f64).collect()
}

/// Runs an operation on outputs with the initial values `start` and returns their final values.
pub fn run_on<B: Backend, const N: usize>(
    backend: &B,
    start: [Vec<f64>; N],
    op: impl FnOnce(&mut [B::Buffer; N]) -> Result<()>,
) -> [Vec<f64>; N] {
    let mut outputs = start.map(|start| upload(backend, &start));
    op(&mut outputs).unwrap();
    outputs.map(|output| download(backend, &output))
}

/// Runs an operation that overwrites outputs of the given lengths. They initially hold NaN, which must be gone.
pub fn overwritten<B: Backend, const N: usize>(
    backend: &B,
    lengths: [usize; N],
    op: impl FnOnce(&mut [B::Buffer; N]) -> Result<()>,
) -> [Vec<f64>; N] {
    let outputs = run_on(backend, lengths.map(|len| vec![f64::NAN; len]), op);
    assert!(outputs.iter().flatten().all(|value| !value.is_nan()), "the output has a NaN");
    outputs
}

/// Runs an operation that adds to outputs of the given lengths, once on zeros and once on random values. The same must be added.
pub fn accumulated<B: Backend, const N: usize>(
    backend: &B,
    lengths: [usize; N],
    op: impl Fn(&mut [B::Buffer; N]) -> Result<()>,
) -> [Vec<f64>; N] {
    let grown = run_on(backend, lengths.map(|len| vec![0.0; len]), &op);
    let start = lengths.map(|len| random_between(99, len, 0.5, 1.5));
    let onto = run_on(backend, start.clone(), &op);
    for ((onto, start), grown) in onto.iter().zip(&start).zip(&grown) {
        let sum: Vec<f64> = start.iter().zip(grown).map(|(start, grown)| start + grown).collect();
        assert_close("accumulation", onto, &sum, tolerance::<B>());
    }
    grown
}

/// `|found - expected| ≤ tolerance · max |expected|`, element by element.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    let scale = expected.iter().fold(0.0, |scale: f64, value| scale.max(value.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance * scale, "{what}[{i}] is {found}, expected {expected}, off by {error:e} (scale {scale})");
    }
}

/// `<Ax, y> = <x, Aᵀy>`, up to `tolerance · ‖Ax‖ ‖y‖`. The arguments are the pairs `(Ax, y)` and `(x, Aᵀy)`.
#[track_caller]
pub fn assert_adjoint(what: &str, forward: (&[f64], &[f64]), backward: (&[f64], &[f64]), tolerance: f64) {
    let (left, right) = (dot(forward.0, forward.1), dot(backward.0, backward.1));
    let scale = norm(forward.0) * norm(forward.1);
    assert!(scale > 0.0, "{what}: nothing to compare");
    assert!((left - right).abs() <= tolerance * scale, "{what}: <Ax, y> = {left}, <x, Aᵀy> = {right}");
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Gradient of `f` at `x` by central differences. The error is about 1e-9 for smooth functions of size 1.
pub fn central_differences(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let at = |i: usize, offset: f64| {
        let mut x = x.to_vec();
        x[i] += offset;
        f(&x)
    };
    (0..x.len()).map(|i| (at(i, STEP) - at(i, -STEP)) / (2.0 * STEP)).collect()
}

/// Calls `op` with the right lengths, which must succeed, and with each operand one element short, which must fail.
pub fn check_short_operands_are_rejected<B: Backend, const N: usize>(
    backend: &B,
    lengths: [usize; N],
    op: impl Fn(&mut [B::Buffer; N]) -> Result<()>,
) {
    let call = |lengths: [usize; N]| op(&mut lengths.map(|len| backend.zeros(len).unwrap()));
    call(lengths).unwrap();
    for short in 0..N {
        let mut lengths = lengths;
        lengths[short] -= 1;
        let refused = call(lengths).expect_err(&format!("operand {short} of {lengths:?} is short"));
        assert!(refused.to_string().contains(char::is_numeric), "no numbers in: {refused}");
    }
}

/// Checks that value and gradients of a function on the tape are those of `name` in PyTorch. The function gets its operands by
/// their names in the PyTorch file.
#[track_caller]
pub fn agrees_with_torch(name: &str, tolerance: f64, function: impl Fn(&mut Tape<Reference<f64>>, &HashMap<&str, Var>) -> Var) {
    let (golden, backend) = (Golden::read("torch_ops"), oracle());
    let mut tape = Tape::new(backend);
    let mut vars = HashMap::new();
    for key in ["a", "b", "output", "w", "x"] {
        let full = format!("{name}.{key}");
        if golden.0.contains_key(&full) {
            let (shape, values) = leaf(&golden, &full, key);
            vars.insert(key, tape.variable(Tensor::from_f64(&backend, shape, &values).unwrap()));
        }
    }
    let y = function(&mut tape, &vars);
    close(&format!("{name}: y"), &tape.host(y).unwrap(), golden.values(&format!("{name}.y")), tolerance);
    let gradients = tape.backward_from(y, golden.values(&format!("{name}.dy"))).unwrap();
    for (key, &var) in &vars {
        let full = format!("{name}.d{key}");
        close(&full, &gradients.host(var).unwrap(), &leaf(&golden, &full, key).1, tolerance);
    }
}

/// An operand or its gradient. Only weights have PyTorch's layout.
fn leaf(golden: &Golden, full: &str, key: &str) -> (Shape, Vec<f64>) {
    if key == "w" { golden.weight(full) } else { (golden.shape(full), golden.values(full).to_vec()) }
}
