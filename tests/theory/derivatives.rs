//! Jacobians and penalties against explicit Jacobians by reverse mode and by central differences.

use ndarray::{Array1, Array2, Axis, array};
use orthoscope::backend::Reference;
use orthoscope::error::Result;
use orthoscope::model::{Architecture, Bound, Parameters};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::shape::{Activation, Shape};
use orthoscope::tape::{Tape, Tensor, Var};
use orthoscope::theory::algebra::{gaussian_matrix, norm, square_norm};
use orthoscope::theory::derivative::{asymmetry, central_differences, contraction, contraction_exact, idempotence, jacobians};

type Device = Reference<f64>;

const ROWS: usize = 3;
const FEATURES: usize = 4;
const STEP: f64 = 1e-5;

/// A small network at random points with random probes, and weights that can be changed.
struct Fixture {
    device: Device,
    parameters: Parameters<Device>,
    x: Array2<f64>,
    v: Array2<f64>,
}

/// One recording of the network.
struct Recorded {
    tape: Tape<Device>,
    bound: Bound,
    x: Var,
    y: Var,
    v: Var,
}

fn normals(index: u32, rows: usize, columns: usize) -> Array2<f64> {
    gaussian_matrix(&mut Stream::new(3, Purpose::Test, 4, index), rows, columns)
}

impl Fixture {
    fn new() -> Self {
        let device = Device::default();
        let architecture = Architecture::mlp(FEATURES, &[5, 6]).unwrap();
        let mut parameters = Parameters::initialise(&device, &architecture, 1).unwrap();
        // Biases must not be 0, so that they matter.
        for (tensor, index) in parameters.tensors_mut().iter_mut().zip(10..) {
            let mut stream = Stream::new(3, Purpose::Test, 4, index);
            let moved = tensor.to_array(&device).unwrap().mapv(|value| value + 0.2 * stream.normal());
            *tensor = Tensor::from_array(&device, &moved).unwrap();
        }
        Self { device, parameters, x: normals(0, ROWS, FEATURES), v: normals(1, ROWS, FEATURES) }
    }

    fn record(&self) -> Recorded {
        let mut tape = Tape::new(self.device);
        let bound = self.parameters.bind(&mut tape, true);
        let x = tape.variable(Tensor::from_array(&self.device, &self.x).unwrap());
        let v = tape.constant(Tensor::from_array(&self.device, &self.v).unwrap());
        let y = self.parameters.forward(&mut tape, &bound, x).unwrap();
        Recorded { tape, bound, x, y, v }
    }

    fn map(&self, point: &Array1<f64>) -> Result<Array1<f64>> {
        let mut tape = Tape::new(self.device);
        let bound = self.parameters.bind(&mut tape, false);
        let x = tape.constant(Tensor::from_array(&self.device, &point.view().insert_axis(Axis(0)))?);
        let y = self.parameters.forward(&mut tape, &bound, x)?;
        Ok(tape.array(y)?.into_flat())
    }

    /// The Jacobian of each row by reverse mode alone: one sweep for each output value.
    fn reverse_jacobians(&self) -> Vec<Array2<f64>> {
        let recorded = self.record();
        let mut rows = Vec::new();
        for output in 0..FEATURES {
            let seed: Vec<f64> = (0..ROWS * FEATURES).map(|index| f64::from(u8::from(index % FEATURES == output))).collect();
            rows.push(recorded.tape.backward_from(recorded.y, &seed).unwrap().host(recorded.x).unwrap());
        }
        let matrix =
            |sample: usize| Array2::from_shape_fn((FEATURES, FEATURES), |(row, column)| rows[row][sample * FEATURES + column]);
        (0..ROWS).map(matrix).collect()
    }

    /// Mean over the rows of `square(J, v)`, from explicit Jacobians, without any tangent.
    fn mean(&self, square: fn(&Array2<f64>, &Array1<f64>) -> f64) -> f64 {
        let probes = self.v.rows().into_iter().map(|v| v.to_owned());
        self.reverse_jacobians().iter().zip(probes).map(|(j, v)| square(j, &v)).sum::<f64>() / ROWS as f64
    }

    /// Central difference of [`Fixture::mean`] in one weight.
    fn slope(&mut self, which: usize, element: usize, square: fn(&Array2<f64>, &Array1<f64>) -> f64) -> f64 {
        let original = self.parameters.tensors()[which].to_host(&self.device).unwrap();
        let shape = self.parameters.tensors()[which].shape();
        let mut at = |offset: f64| {
            let mut values = original.clone();
            values[element] += offset;
            self.parameters.tensors_mut()[which] = Tensor::from_f64(&self.device, shape, &values).unwrap();
            self.mean(square)
        };
        let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        at(0.0);
        slope
    }
}

/// Compares a penalty on the tape, and its gradient in every weight, with explicit Jacobians and their central differences.
fn check_penalty(penalty: fn(&mut Recorded) -> Result<Var>, square: fn(&Array2<f64>, &Array1<f64>) -> f64) {
    let mut fixture = Fixture::new();
    let mut recorded = fixture.record();
    let node = penalty(&mut recorded).unwrap();
    let value = recorded.tape.host(node).unwrap()[0];
    let expected = fixture.mean(square);
    assert!((value - expected).abs() < 1e-12 * expected.max(1.0), "{value} instead of {expected}");
    let gradients = recorded.tape.backward(node).unwrap();
    let mut largest = 0.0_f64;
    for (which, &var) in recorded.bound.vars().iter().enumerate() {
        let len = recorded.tape.shape(var).len();
        let exact = gradients.get(var).map_or(vec![0.0; len], |_| gradients.host(var).unwrap());
        for (element, exact) in exact.into_iter().enumerate() {
            let measured = fixture.slope(which, element, square);
            assert!((exact - measured).abs() < 1e-7 * exact.abs().max(1.0), "weight {which}.{element}: {exact}, {measured}");
            largest = largest.max(exact.abs());
        }
    }
    assert!(largest > 0.1, "the penalty depends on the weights");
}

#[test]
fn contraction_is_the_square_of_jv_and_its_gradient_is_exact() {
    check_penalty(|r| contraction(&mut r.tape, r.x, r.y, r.v), |j, v| square_norm(&j.dot(v)));
}

#[test]
fn exact_contraction_is_the_frobenius_norm_and_its_gradient_is_exact() {
    check_penalty(|r| contraction_exact(&mut r.tape, r.x, r.y), |j, _| square_norm(j));
}

#[test]
fn idempotence_is_the_square_of_jjv_less_jv_and_its_gradient_is_exact() {
    check_penalty(|r| idempotence(&mut r.tape, r.x, r.y, r.v), |j, v| square_norm(&(j.dot(j) - j).dot(v)));
}

#[test]
fn asymmetry_is_the_square_of_jv_less_jtv_and_its_gradient_is_exact() {
    check_penalty(|r| asymmetry(&mut r.tape, r.x, r.y, r.v), |j, v| square_norm(&(j - &j.t()).dot(v)));
}

#[test]
fn jacobians_by_tangents_by_reverse_mode_and_by_central_differences_agree() {
    let fixture = Fixture::new();
    let mut recorded = fixture.record();
    let by_tangents = jacobians(&mut recorded.tape, recorded.x, recorded.y).unwrap();
    let by_sweeps = fixture.reverse_jacobians();
    for ((tangents, sweeps), point) in by_tangents.iter().zip(&by_sweeps).zip(fixture.x.rows()) {
        let differences = central_differences(&point.to_owned(), STEP, |point| fixture.map(point)).unwrap();
        assert!(norm(&(tangents - sweeps)) < 1e-13 && norm(tangents) > 0.1);
        assert!(norm(&(tangents - differences)) < 1e-9);
    }
}

/// ‖A v‖² with v ~ N(0, I) has mean ‖A‖_F² and variance 2‖AᵀA‖_F²: five standard errors.
#[test]
fn hutchinson_probes_average_to_the_frobenius_norm() {
    let device = Device::default();
    let (n, probes) = (3, 40_000);
    let w = normals(30, n, n);
    let mut tape = Tape::new(device);
    let [x, v] = [31, 32].map(|index| Tensor::from_array(&device, &normals(index, probes, n)).unwrap());
    let (x, v) = (tape.variable(x), tape.constant(v));
    let weight = tape.variable(Tensor::from_array(&device, &w).unwrap());
    let y = tape.linear(x, weight, None, Activation::Identity).unwrap();
    let nodes = [contraction(&mut tape, x, y, v), idempotence(&mut tape, x, y, v), asymmetry(&mut tape, x, y, v)];
    let exact = [w.clone(), w.dot(&w) - &w, &w - &w.t()];
    for (node, a) in nodes.into_iter().zip(exact) {
        let (estimate, square) = (tape.host(node.unwrap()).unwrap()[0], norm(&a).powi(2));
        let error = (2.0 / probes as f64).sqrt() * norm(&a.t().dot(&a));
        assert!((estimate - square).abs() < 5.0 * error, "{estimate} instead of {square} ± {error}");
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let device = Device::default();
    let mut tape = Tape::new(device);
    let x = tape.variable(Tensor::zeros(&device, Shape::new(&[2, 3]).unwrap()).unwrap());
    let flat = tape.variable(Tensor::zeros(&device, Shape::new(&[3]).unwrap()).unwrap());
    let other = tape.constant(Tensor::zeros(&device, Shape::new(&[2, 3]).unwrap()).unwrap());
    assert!(jacobians(&mut tape, flat, flat).is_err(), "rank 1");
    assert!(jacobians(&mut tape, x, other).is_err(), "does not depend on x");
    assert!(contraction(&mut tape, x, x, flat).is_err() && contraction_exact(&mut tape, x, other).is_err());
    assert!(idempotence(&mut tape, x, other, x).is_err() && asymmetry(&mut tape, other, x, x).is_err());
}

#[test]
fn central_differences_refuse_bad_maps_and_steps() {
    let refused = |step: f64, map: &dyn Fn(&Array1<f64>) -> Result<Array1<f64>>| {
        central_differences(&array![1.0, 2.0], step, map).unwrap_err().to_string()
    };
    assert!(refused(1e-5, &|y| Ok(Array1::zeros(if y[0] > 1.0 { 3 } else { 2 }))).contains("different lengths"));
    for step in [0.0, f64::NAN, f64::INFINITY] {
        assert!(refused(step, &|y| Ok(y.clone())).contains("a finite step"));
    }
}
