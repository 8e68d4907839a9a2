//! What is in the file, read back without ONNX.

use std::collections::BTreeSet;

use orthoscope::detect::Settings;
use orthoscope::export::onnx;
use orthoscope::model::WeightFile;
use safetensors::SafeTensors;

use super::models::{cases, pictures};
use super::reader::{Array, Described, Model};
use crate::fixture::Scratch;

/// Operators of the standard that a file may use; all of them are in opset 17.
const STANDARD: [&str; 42] = [
    "Abs",
    "Add",
    "AveragePool",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Div",
    "Elu",
    "Expand",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "LessOrEqual",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mod",
    "Mul",
    "Pad",
    "Pow",
    "Range",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Reshape",
    "Resize",
    "Shape",
    "Sigmoid",
    "Slice",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Softplus",
    "Gemm",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// Bytes of a number of a `TensorProto.DataType`: FLOAT and INT64.
fn width(array: &Array) -> usize {
    match array.kind {
        1 => 4,
        7 => 8,
        other => panic!("numbers of type {other}"),
    }
}

#[test]
fn every_value_is_defined_before_it_is_used_and_is_used() {
    let pictures = pictures();
    for case in cases() {
        let model = Model::parse(&onnx(&case.weights(&pictures)).unwrap());
        assert_eq!((model.ir_version, model.opsets), (8, vec![(String::new(), 17)]));
        let mut known: BTreeSet<&str> = model.constants.keys().map(String::as_str).chain(["image"]).collect();
        let mut used: BTreeSet<&str> = model.outputs.iter().map(|output| output.name.as_str()).collect();
        for node in &model.nodes {
            assert!(STANDARD.contains(&node.operator.as_str()), "{}: {}", case.name, node.operator);
            let unknown = node.inputs.iter().find(|input| !input.is_empty() && !known.contains(input.as_str()));
            assert_eq!(unknown, None, "{}: {node:?}", case.name);
            used.extend(node.inputs.iter().map(String::as_str));
            assert!(node.outputs.iter().all(|output| known.insert(output)), "{}: {node:?} writes a value again", case.name);
        }
        // The places of the largest values come with them and are not needed.
        let idle: Vec<_> = known.difference(&used).filter(|name| !name.contains("places")).collect();
        assert!(idle.is_empty(), "{}: computed in vain: {idle:?}", case.name);
        for (name, array) in &model.constants {
            assert_eq!(array.sides.iter().product::<usize>() * width(array), array.bytes.len(), "{}: {name}", case.name);
        }
    }
}

#[test]
fn inputs_and_outputs_have_names_and_sides() {
    let model = Model::parse(&onnx(&cases()[0].weights(&pictures())).unwrap());
    let described = |name: &str, sides: &[&str]| {
        let sides = sides.iter().map(ToString::to_string).collect();
        Described { name: name.to_owned(), kind: 1, sides }
    };
    assert_eq!(model.inputs, [described("image", &["N", "3", "H", "W"])]);
    let reconstruction = described("reconstruction", &["N", "3", "H", "W"]);
    assert_eq!(model.outputs, [described("score", &["N"]), described("map", &["N", "H", "W"]), reconstruction]);
}

#[test]
fn weights_are_those_of_the_weight_file() {
    let weights = cases()[1].weights(&pictures());
    let bytes = weights.encode().unwrap();
    let model = Model::parse(&onnx(&weights).unwrap());
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert!(tensors.len() > 40);
    for (name, tensor) in tensors.iter() {
        let array = &model.constants[name];
        assert_eq!((array.sides.as_slice(), array.bytes.as_slice()), (tensor.shape(), tensor.data()), "{name}");
    }
}

#[test]
fn the_metadata_say_what_a_program_needs() {
    let scratch = Scratch::new();
    scratch.succeeds("model export --model run/model.safetensors --onnx m.onnx");
    let model = Model::parse(&scratch.read("m.onnx"));
    let weights = scratch.read("run/model.safetensors");
    let (_, header) = SafeTensors::read_metadata(&weights).unwrap();
    // Everything that the weight file says, with its digest.
    for (key, value) in header.metadata().as_ref().unwrap() {
        assert_eq!(&model.metadata[key], value, "{key}");
    }
    assert_eq!(model.metadata["orthoscope.sha256"].len(), 64);
    let settings = Settings::from_metadata(&WeightFile::decode(&weights).unwrap().metadata).unwrap();
    let (thresholds, provenance) = (settings.thresholds.unwrap(), settings.provenance.unwrap());
    let number = |key: &str| model.metadata[key].parse::<f64>().unwrap();
    assert_eq!(number("orthoscope.image_threshold"), thresholds.image);
    assert_eq!(number("orthoscope.pixel_threshold"), thresholds.pixel);
    assert_eq!(model.metadata["orthoscope.config_hash"], provenance.config_hash);
    assert_eq!(model.metadata["orthoscope.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(model.metadata["orthoscope.score"], "sum");
}

#[test]
fn equal_weights_give_equal_files() {
    let pictures = pictures();
    let made = || onnx(&cases()[3].weights(&pictures)).unwrap();
    assert!(made() == made());
}

#[test]
fn weights_without_thresholds_are_exported_with_a_warning() {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 2 --width 2 --out m.safetensors");
    let ran = scratch.succeeds("model export --model m.safetensors --onnx m.onnx");
    assert_eq!(ran.out, "wrote m.onnx (Model II, width 2, dilations [1, 2, 4, 8, 16, 32], ONNX opset 17)\n");
    assert_eq!(ran.err, "warning: m.safetensors has no thresholds, so neither has the ONNX file\n");
    assert!(!Model::parse(&scratch.read("m.onnx")).metadata.contains_key("orthoscope.image_threshold"));
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_is_replaced() {
    let scratch = Scratch::new();
    let refused = |onnx: &str| scratch.refuses(&format!("model export --model run/model.safetensors --onnx {onnx}"));
    assert!(refused("run/model.safetensors").contains("is an input, and the output would replace it"));
    assert!(refused("c.toml").contains("`orthoscope model export` did not write it"));
    assert!(
        scratch.refuses("model export --model c.toml --onnx m.onnx").starts_with("c.toml: is a text file; give the weight file ")
    );
    scratch.succeeds("model export --model run/model.safetensors --onnx m.onnx");
    scratch.succeeds("model export --model run/model.safetensors --onnx m.onnx");
    scratch.succeeds("model export --model run/model.safetensors --onnx c.toml --overwrite");
}

#[test]
fn a_relative_score_needs_expected_values() {
    let mut weights = cases()[2].weights(&pictures());
    let mut settings = Settings::from_metadata(&weights.metadata).unwrap();
    settings.expected = None;
    weights.metadata.insert(Settings::KEY.to_owned(), settings.to_json().unwrap());
    let text = onnx(&weights).unwrap_err().to_string();
    assert!(text.starts_with("config key `detection.relative_score`: needs the heatmap that is expected"), "{text}");
}

#[test]
fn an_mlp_is_no_detector() {
    use orthoscope::backend::Cpu;
    use orthoscope::model::{Architecture, Parameters};
    let (backend, architecture) = (Cpu::default(), Architecture::mlp(4, &[3]).unwrap());
    let values = Parameters::initialise(&backend, &architecture, 0).unwrap().to_values(&backend).unwrap();
    let text = onnx(&WeightFile { architecture, values, metadata: Default::default() }).unwrap_err().to_string();
    assert_eq!(text, "holds the weights of MLP 4 - [3] - 4; images need Model I or II");
}
