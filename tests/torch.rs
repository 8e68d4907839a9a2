//! Values and gradients of whole networks against PyTorch; those of single operations are in `ops/`.

use orthoscope::backend::{Cpu, Real, Reference};
#[cfg(feature = "emulator")]
use orthoscope::backend::{Cuda, cuda::Mode};
use orthoscope::model::{Architecture, Autoencoder, Parameters};
use orthoscope::ops::{Backend, Penalty};
use orthoscope::tape::{Tape, Tensor};

#[path = "fixture/torch.rs"]
mod fixture;
#[path = "fixture/gpu.rs"]
mod gpu;

use fixture::{Golden, TOLERANCE, close};

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
