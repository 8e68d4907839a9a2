//! `model init`, `model forward`, `model summary`.

use half::{bf16, f16};
use orthoscope::backend::Reference;
use orthoscope::model::{Parameters, WeightFile};
use orthoscope::shape::Shape;
use orthoscope::tape::{Tape, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::fixture::{Scratch, npy, npy_f32, read_npy};

fn input(len: usize) -> Vec<f32> {
    (0..len).map(|k| (k * 7919 % 1009) as f32 / 1008.0).collect()
}

/// f(x) in f64, computed by the reference backend.
fn expected(weights: &std::path::Path, shape: &[usize], x: &[f32]) -> Vec<f64> {
    let file = WeightFile::read(weights).unwrap();
    let backend = Reference::<f64>::default();
    let parameters = Parameters::from_values(&backend, &file.architecture, &file.values).unwrap();
    let mut tape = Tape::new(backend);
    let bound = parameters.bind(&mut tape, false);
    let x = Tensor::from_f32(&backend, Shape::new(shape).unwrap(), x).unwrap();
    let x = tape.constant(x);
    let y = parameters.forward(&mut tape, &bound, x).unwrap();
    tape.host(y).unwrap()
}

#[test]
fn forward_agrees_with_the_reference_in_double_precision() {
    let scratch = Scratch::new();
    let shape = [3, 24, 40, 3];
    let x = input(shape.iter().product());
    scratch.write("x.npy", npy_f32(&shape, &x));
    for model in ["1", "2"] {
        scratch.succeeds(&format!("model init --model {model} --width 3 --seed 7 --out m{model}.safetensors"));
        scratch.succeeds(&format!("model forward --model m{model}.safetensors --input x.npy --output y{model}.npy"));
        let (found, y) = read_npy(&scratch.read(format!("y{model}.npy")));
        assert_eq!(found, shape);
        let wanted = expected(&scratch.path(format!("m{model}.safetensors")), &shape, &x);
        let norm = wanted.iter().map(|value| value * value).sum::<f64>().sqrt();
        let error = y.iter().zip(&wanted).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum::<f64>().sqrt() / norm;
        assert!(error <= 1e-5, "Model {model}: relative error {error:e}");
        let worst = y.iter().zip(&wanted).map(|(&a, b)| (f64::from(a) - b).abs() / b).fold(0.0, f64::max);
        assert!(worst <= 1e-5, "Model {model}: worst relative error {worst:e}");
    }
    assert!(scratch.read("y1.npy") != scratch.read("y2.npy"));
}

#[test]
fn forward_reads_doubles_and_trained_weights() {
    let scratch = Scratch::new();
    let x = input(8 * 16 * 3);
    let wide: Vec<u8> = x.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
    scratch.write("x.npy", npy_f32(&[1, 8, 16, 3], &x));
    scratch.write("wide.npy", npy("<f8", false, "(1, 8, 16, 3)", &wide));
    for name in ["x", "wide"] {
        scratch.succeeds(&format!("model forward --model run/model.safetensors --input {name}.npy --output y-{name}.npy"));
    }
    assert!(scratch.read("y-x.npy") == scratch.read("y-wide.npy"));
}

/// The weights of the run in another two-byte type.
fn in_half_precision(scratch: &Scratch, dtype: Dtype, encode: impl Fn(f32) -> [u8; 2]) -> Vec<u8> {
    let bytes = scratch.read("run/model.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let halved =
        |data: &[u8]| data.as_chunks().0.iter().flat_map(|&value| encode(f32::from_le_bytes(value))).collect::<Vec<u8>>();
    let halves: Vec<_> = tensors.iter().map(|(name, view)| (name, view.shape().to_vec(), halved(view.data()))).collect();
    let views = halves.iter().map(|(name, shape, data)| (name, TensorView::new(dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, header.metadata().clone()).unwrap()
}

#[test]
fn weights_in_half_precision_are_read() {
    let scratch = Scratch::new();
    scratch.write("x.npy", npy_f32(&[1, 8, 16, 3], &input(8 * 16 * 3)));
    scratch.write("f16", in_half_precision(&scratch, Dtype::F16, |value| f16::from_f32(value).to_le_bytes()));
    scratch.write("bf16", in_half_precision(&scratch, Dtype::BF16, |value| bf16::from_f32(value).to_le_bytes()));
    let exact = WeightFile::read(&scratch.path("run/model.safetensors")).unwrap().values;
    // Half a unit in the last place, as a relative error. Below 2^-14 the spacing of f16 is 2^-24.
    for (name, relative, absolute) in [("f16", 2.0_f32.powi(-11), 2.0_f32.powi(-25)), ("bf16", 2.0_f32.powi(-8), 0.0)] {
        let rounded = WeightFile::read(&scratch.path(name)).unwrap().values;
        for (parameter, values) in &exact {
            for (read, exact) in rounded[parameter].iter().zip(values) {
                assert!((read - exact).abs() <= (relative * exact.abs()).max(absolute), "{name}, {parameter}: {read}, {exact}");
            }
        }
        assert!(rounded != exact);
        scratch.succeeds(&format!("model forward --model {name} --input x.npy --output y.npy"));
        let wanted = expected(&scratch.path(name), &[1, 8, 16, 3], &input(8 * 16 * 3));
        let (_, y) = read_npy(&scratch.read("y.npy"));
        assert!(y.iter().zip(&wanted).all(|(&y, wanted)| (f64::from(y) - wanted).abs() <= 1e-5 * wanted), "{name}");
    }
}

#[test]
fn init_depends_only_on_the_seed() {
    let scratch = Scratch::new();
    let made = |name: &str, options: &str| {
        scratch.succeeds(&format!("model init --model 2 --width 2 --out {name} {options}"));
        scratch.read(name)
    };
    let first = made("a", "");
    assert!(first == made("b", "--seed 0 --threads 3") && first != made("c", "--seed 1"));
}

#[test]
fn summary_counts_match_the_weight_file() {
    let scratch = Scratch::new();
    let json = |options: &str| -> Value {
        serde_json::from_str(&scratch.succeeds(&format!("model summary --json {options}")).out).unwrap()
    };
    let file = WeightFile::read(&scratch.path("run/model.safetensors")).unwrap();
    let stored: usize = file.values.values().map(|values| values.len()).sum();
    let summary = json("--weights run/model.safetensors --size 32");
    assert_eq!(summary["parameters"], stored);
    let layers = summary["layers"].as_array().unwrap();
    assert_eq!(layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum::<u64>(), stored as u64);
    assert_eq!(layers.last().unwrap()["output"], serde_json::json!([1, 32, 32, 3]));
    // The paper-scale Model II of Method §4.
    let paper = json("--model 2 --width 64 --size 256");
    assert_eq!((paper["parameters"].as_f64().unwrap() / 1e4).round(), 786.0);
    assert_eq!((paper["flops"].as_f64().unwrap() / 1e8).round(), 676.0);
    let text = scratch.succeeds("model summary --model 1 --width 2 --size 64").out;
    for part in ["Model I, width 2", "e1.0", "max-pool 2", "total", "forward and backward"] {
        assert!(text.contains(part), "{text}");
    }
}
