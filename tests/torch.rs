//! Values and gradients against PyTorch in f64. The files are made by `tests/golden/make_torch.py`.

use std::collections::HashMap;

use orthoscope::backend::{Cpu, Real, Reference, Storage};
#[cfg(feature = "emulator")]
use orthoscope::backend::{Cuda, cuda::Mode};
use orthoscope::model::{Architecture, Autoencoder, Parameters};
use orthoscope::ops::{AdamSpec, AdamStep, Backend, Conv2dOptions, Optimise, Penalty};
use orthoscope::shape::{Activation, Shape};
use orthoscope::tape::{Tape, Tensor, Var};
use safetensors::SafeTensors;

#[path = "fixture/gpu.rs"]
mod gpu;

const TOLERANCE: f64 = 1e-8;

/// Arrays by name: shape and values.
struct Golden(HashMap<String, (Vec<usize>, Vec<f64>)>);

impl Golden {
    fn read(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let values = view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
            (name, (view.shape().to_vec(), values))
        };
        Self(tensors.tensors().into_iter().map(read).collect())
    }

    fn values(&self, name: &str) -> &[f64] {
        &self.0[name].1
    }

    fn shape(&self, name: &str) -> Shape {
        let extents = &self.0[name].0;
        Shape::new(if extents.is_empty() { &[1] } else { extents }).unwrap()
    }

    fn tensor<B: Backend>(&self, backend: &B, name: &str) -> Tensor<B> {
        Tensor::from_f64(backend, self.shape(name), self.values(name)).unwrap()
    }

    /// A convolution weight or its gradient, from OIHW to memory layout; other ranks as they are.
    fn weight(&self, name: &str) -> (Shape, Vec<f64>) {
        let (extents, values) = &self.0[name];
        let &[o, i, h, w] = &extents[..] else { return (self.shape(name), values.clone()) };
        let mut moved = Vec::with_capacity(values.len());
        for a in 0..o {
            for pixel in 0..h * w {
                moved.extend((0..i).map(|b| values[(a * i + b) * h * w + pixel]));
            }
        }
        (Shape::new(&[o, h, w, i]).unwrap(), moved)
    }
}

#[track_caller]
fn close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}: lengths");
    let scale = theirs.iter().fold(1e-300f64, |m, v| m.max(v.abs()));
    let error = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale;
    assert!(error <= tolerance, "{what}: relative error {error:.2e}");
}

fn op(golden: &Golden, name: &str, weights: &[&str], function: impl Fn(&mut Tape<Reference<f64>>, &HashMap<String, Var>) -> Var) {
    let backend = Reference::<f64>::default();
    let mut tape = Tape::new(backend);
    let mut vars = HashMap::new();
    for key in ["x", "w", "b", "output"] {
        let full = format!("{name}.{key}");
        if golden.0.contains_key(&full) {
            let (shape, values) =
                if weights.contains(&key) { golden.weight(&full) } else { (golden.shape(&full), golden.values(&full).to_vec()) };
            vars.insert(key.to_owned(), tape.variable(Tensor::from_f64(&backend, shape, &values).unwrap()));
        }
    }
    let y = function(&mut tape, &vars);
    close(&format!("{name}: y"), &tape.host(y).unwrap(), golden.values(&format!("{name}.y")), TOLERANCE);
    let gradients = tape.backward_from(y, golden.values(&format!("{name}.dy"))).unwrap();
    for (key, &var) in &vars {
        let full = format!("{name}.d{key}");
        let expected = if weights.contains(&&key[..]) { golden.weight(&full).1 } else { golden.values(&full).to_vec() };
        close(&full, &gradients.host(var).unwrap(), &expected, TOLERANCE);
    }
}

#[test]
fn operations() {
    let golden = Golden::read("torch_ops");
    for (name, stride, dilation, padding) in
        [("conv3", 1, 1, 1), ("conv5s2", 2, 1, 2), ("conv3d4", 1, 4, 4), ("conv3s2d2p0", 2, 2, 0), ("conv1", 1, 1, 0)]
    {
        let options = Conv2dOptions { stride, dilation, padding, activation: Activation::Elu };
        op(&golden, name, &["w"], |tape, v| tape.conv2d(v["x"], v["w"], Some(v["b"]), options).unwrap());
    }
    op(&golden, "max_pool", &[], |tape, v| tape.max_pool(v["x"], 2).unwrap());
    op(&golden, "upsample2", &[], |tape, v| tape.upsample2(v["x"]).unwrap());
    op(&golden, "linear", &[], |tape, v| tape.linear(v["x"], v["w"], Some(v["b"]), Activation::Tanh).unwrap());
    for (name, activation) in [
        ("elu", Activation::Elu),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
        ("softplus", Activation::Softplus),
    ] {
        op(&golden, name, &[], |tape, v| tape.activation(v["x"], activation).unwrap());
    }
    for (name, penalty) in [("objective_squared", Penalty::Squared), ("objective_charbonnier", Penalty::Charbonnier)] {
        op(&golden, name, &[], |tape, v| {
            let [target, mask] = ["objective.target", "objective.mask"].map(|key| golden.tensor(&Reference::default(), key));
            let (target, mask) = (tape.constant(target), tape.constant(mask));
            tape.objective(v["output"], target, mask, penalty, 0.3, 0.1).unwrap()
        });
    }
}

#[test]
fn adam() {
    let golden = Golden::read("torch_ops");
    let backend = Reference::<f64>::default();
    let mut p = golden.values("adam.p").to_vec();
    let (mut m, mut v) = (backend.zeros(p.len()).unwrap(), backend.zeros(p.len()).unwrap());
    for (step, g) in (1..).zip(golden.values("adam.g").chunks(p.len())) {
        let (beta1, beta2) = (0.9f64, 0.99f64);
        let (correction1, correction2) = (1.0 - beta1.powi(step), 1.0 - beta2.powi(step));
        let step = AdamStep { rate: 0.02, correction1, correction2, decay: 0.0 }.elements::<f64>().to_vec();
        let spec = AdamSpec { beta1, beta2, epsilon: 1e-6 };
        backend
            .run(Optimise::Adam { spec: &spec, step: &step, loss: &vec![1.0], g: &g.to_vec(), p: &mut p, m: &mut m, v: &mut v })
            .unwrap();
    }
    close("adam", &p, golden.values("adam.after"), 1e-12);
}

/// Output, loss, and every gradient of a whole network.
fn network<B: Backend>(backend: &B, model: u8, tolerance: f64) {
    let golden = Golden::read(&format!("torch_model{model}"));
    let architecture = Architecture::Autoencoder(Autoencoder { model, width: 2, dilations: vec![1, 2, 4] });
    let mut parameters = Parameters::initialise(backend, &architecture, 0).unwrap();
    let specs = parameters.specs().to_vec();
    assert_eq!(specs.len(), golden.0.keys().filter(|name| name.starts_with("p.")).count(), "parameter names");
    for (tensor, spec) in parameters.tensors_mut().iter_mut().zip(&specs) {
        let (shape, values) = golden.weight(&format!("p.{}", spec.name));
        *tensor = Tensor::from_f64(backend, shape, &values).unwrap();
    }
    let mut tape = Tape::new(backend.clone());
    let bound = parameters.bind(&mut tape, true);
    let x = tape.variable(golden.tensor(backend, "x"));
    let [target, mask] = ["target", "mask"].map(|name| golden.tensor(backend, name)).map(|tensor| tape.constant(tensor));
    let y = parameters.forward(&mut tape, &bound, x).unwrap();
    let loss = tape.objective(y, target, mask, Penalty::Squared, 0.4, 1.0).unwrap();
    let gradients = tape.backward(loss).unwrap();
    let wide = |values: Vec<B::Elem>| values.into_iter().map(Real::f64).collect::<Vec<_>>();
    close("y", &wide(tape.host(y).unwrap()), golden.values("y"), tolerance);
    close("loss", &wide(tape.host(loss).unwrap()), golden.values("loss"), tolerance);
    close("dx", &wide(gradients.host(x).unwrap()), golden.values("dx"), tolerance);
    for (spec, &var) in specs.iter().zip(bound.vars()) {
        let name = format!("d.{}", spec.name);
        close(&name, &wide(gradients.host(var).unwrap()), &golden.weight(&name).1, tolerance);
    }
}

#[test]
fn networks_in_f64() {
    network(&Reference::<f64>::default(), 1, TOLERANCE);
    network(&Reference::<f64>::default(), 2, TOLERANCE);
}

#[test]
fn networks_in_f32() {
    network(&Reference::<f32>::default(), 2, 2e-4);
    network(&Cpu::default(), 1, 2e-4);
    network(&Cpu::default(), 2, 2e-4);
}

#[cfg(feature = "emulator")]
#[test]
fn networks_on_the_emulator() {
    for mode in [Mode::Tiled, Mode::Naive] {
        let emulator = Cuda::emulator(1).with_mode(mode);
        network(&emulator, 1, 2e-4);
        network(&emulator, 2, 2e-4);
    }
}

#[test]
fn networks_on_the_gpu() {
    if let Some(gpu) = gpu::gpu("networks_on_the_gpu") {
        network(&gpu, 1, 2e-4);
        network(&gpu, 2, 2e-4);
    }
}
