//! Invalid or unsuitable weight files.

use std::collections::HashMap;

use ndarray::ArrayD;
use orthoscope::model::{Architecture, WeightFile};
use safetensors::tensor::{Dtype, TensorView};

use crate::fixture::{Scratch, npy_f32};

/// Checks that every command that reads weights rejects `bad.safetensors` for the same reason.
#[track_caller]
fn refused(scratch: &Scratch, reason: &str) {
    scratch.write("x.npy", npy_f32(&[1, 8, 8, 3], &[0.5; 192]));
    for command in [
        "evaluate --model bad.safetensors --data cloth --out new",
        "detect --model bad.safetensors --out new cloth/test/good",
        "model forward --model bad.safetensors --input x.npy --output new.npy",
        "model summary --weights bad.safetensors",
    ] {
        let text = scratch.refuses(command);
        assert!(text.starts_with("bad.safetensors: ") && text.contains(reason), "{command}: {text}");
    }
}

fn file_of(scratch: &Scratch) -> WeightFile {
    WeightFile::read(&scratch.path("run/model.safetensors")).unwrap()
}

#[test]
fn damaged_files_are_rejected() {
    let scratch = Scratch::new();
    let whole = scratch.read("run/model.safetensors");
    refused(&scratch, "no such file");
    for bytes in [&whole[..0], &whole[..5], &whole[..100], &whole[..whole.len() - 4]] {
        scratch.write("bad.safetensors", bytes);
        refused(&scratch, "not a usable safetensors file: ");
    }
    let mut damaged = whole.clone();
    damaged[20] = b'}';
    scratch.write("bad.safetensors", damaged);
    refused(&scratch, "not a usable safetensors file: ");
    let mut gigantic = whole;
    gigantic[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    scratch.write("bad.safetensors", gigantic);
    refused(&scratch, "not a usable safetensors file: ");
    scratch.write("bad.safetensors", "no weights at all");
    refused(&scratch, "is a text file; give the weight file of a run, such as its model.safetensors");
}

#[test]
fn files_of_another_kind_are_rejected() {
    let scratch = Scratch::new();
    let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    scratch.write("bad.safetensors", safetensors::serialize([("fc.weight", view)], None).unwrap());
    refused(&scratch, "holds no tensor `e1.0.weight`, so these are not the weights of Model I or II");
    std::fs::remove_file(scratch.path("bad.safetensors")).unwrap();
    std::fs::create_dir(scratch.path("bad.safetensors")).unwrap();
    refused(&scratch, "is a folder; a file is needed here");
}

#[test]
fn a_checkpoint_is_named_with_the_model_of_its_run() {
    let scratch = Scratch::new();
    let whole = scratch.read("run/checkpoint.safetensors");
    let text = scratch.refuses("detect --model run/checkpoint.safetensors --out new cloth/test/good");
    let words = "is a checkpoint, which only `train --resume` reads; give ";
    assert_eq!(text, format!("run/checkpoint.safetensors: {words}run/model.safetensors"));
    let text = scratch.refuses("evaluate --model run/checkpoint.previous.safetensors --data cloth --out new");
    assert_eq!(text, format!("run/checkpoint.previous.safetensors: {words}run/model.safetensors"));
    // Of a run that is not finished, and a damaged one.
    let words = "is a checkpoint, which only `train --resume` reads; a training writes model.safetensors at its end, and ";
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [whole, flipped] {
        scratch.write("bad.safetensors", bytes);
        refused(&scratch, words);
    }
}

#[test]
fn an_onnx_file_is_named_with_what_it_was_exported_from() {
    let scratch = Scratch::new();
    scratch.succeeds("model export --model run/model.safetensors --onnx run/model.onnx");
    let words = "is an ONNX file, which only other programs read; give the weight file that it was exported from, such as the \
        model.safetensors of its run";
    scratch.write("bad.safetensors", scratch.read("run/model.onnx"));
    refused(&scratch, words);
    // As PyTorch writes it, and one with its graph first.
    for bytes in [&b"\x08\x07\x12\x07pytorch\x1a\x032.9"[..], b"\x08\x08\x3a\x02\x0a\x00"] {
        scratch.write("bad.safetensors", bytes);
        refused(&scratch, words);
    }
    let text = scratch.refuses("detect --model run/model.onnx --out new cloth/test/good");
    assert_eq!(text, format!("run/model.onnx: {words}"));
}

#[test]
fn weights_of_an_unsupported_type_are_rejected() {
    let scratch = Scratch::new();
    let bytes = scratch.read("run/model.safetensors");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let integers =
        tensors.iter().map(|(name, view)| (name, TensorView::new(Dtype::I32, view.shape().to_vec(), view.data()).unwrap()));
    scratch.write("bad.safetensors", safetensors::serialize(integers, header.metadata().clone()).unwrap());
    refused(&scratch, "is I32; only F16, BF16, F32 and F64 are supported");
}

#[test]
fn non_finite_weights_are_rejected() {
    let scratch = Scratch::new();
    for value in [f32::NAN, f32::INFINITY] {
        let mut file = file_of(&scratch);
        *file.values.get_mut("u2.weight").unwrap().iter_mut().nth(3).unwrap() = value;
        scratch.write("bad.safetensors", file.encode().unwrap());
        refused(&scratch, &format!("tensor `u2.weight` holds {value}"));
    }
}

/// The bytes of a weight file whose metadata names another architecture.
fn mislabelled(scratch: &Scratch, architecture: &Architecture) -> Vec<u8> {
    let bytes = file_of(scratch).encode().unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let metadata = HashMap::from([("orthoscope.architecture".to_owned(), serde_json::to_string(architecture).unwrap())]);
    safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap()
}

#[test]
fn weights_of_another_architecture_are_rejected() {
    let scratch = Scratch::new();
    for (model, width, reason) in [(1, 2, "does not belong to Model I, width 2"), (2, 3, " is missing"), (2, 9999, "model.width")]
    {
        let mut architecture = serde_json::to_value(file_of(&scratch).architecture).unwrap();
        architecture["autoencoder"]["model"] = model.into();
        architecture["autoencoder"]["width"] = width.into();
        let architecture: Architecture = serde_json::from_value(architecture).unwrap();
        scratch.write("bad.safetensors", mislabelled(&scratch, &architecture));
        let reason = if reason == " is missing" { "must be [3, 3, 3, 3] for Model II, width 3" } else { reason };
        refused(&scratch, reason);
    }
}

#[test]
fn a_network_without_image_input_cannot_detect() {
    let scratch = Scratch::new();
    let architecture = Architecture::mlp(2, &[3]).unwrap();
    let plan = architecture.plan(architecture.smallest_input().unwrap()).unwrap();
    let values = plan.parameters.iter().map(|spec| (spec.name.clone(), ArrayD::from_elem(spec.shape.dims(), 0.5))).collect();
    let file = WeightFile { architecture, values, metadata: HashMap::new() };
    scratch.write("bad.safetensors", file.encode().unwrap());
    for command in
        ["evaluate --model bad.safetensors --data cloth --out new", "detect --model bad.safetensors --out new cloth/test/good"]
    {
        let text = scratch.refuses(command);
        assert_eq!(text, "bad.safetensors: holds the weights of MLP 2 - [3] - 2; images need Model I or II");
    }
}

#[test]
fn invalid_settings_are_rejected() {
    let scratch = Scratch::new();
    for (settings, reason) in [("{}", "bad detection settings"), ("7", "bad detection settings")] {
        let mut file = file_of(&scratch);
        file.metadata.insert("orthoscope.detection".into(), settings.into());
        scratch.write("bad.safetensors", file.encode().unwrap());
        let text = scratch.refuses("detect --model bad.safetensors --out new cloth/test/good");
        assert!(text.starts_with(&format!("bad.safetensors: {reason}")), "{text}");
    }
    for (key, value) in [("size", 0), ("size", 1_000_000)] {
        let mut file = file_of(&scratch);
        let mut settings: serde_json::Value = serde_json::from_str(&file.metadata["orthoscope.detection"]).unwrap();
        settings["preparation"][key] = value.into();
        file.metadata.insert("orthoscope.detection".into(), settings.to_string());
        scratch.write("bad.safetensors", file.encode().unwrap());
        let text = scratch.refuses("detect --model bad.safetensors --out new cloth/test/good");
        assert!(text.contains("bad.safetensors: ") && text.contains("data.size"), "{text}");
    }
}

#[test]
fn a_flipped_bit_is_named_and_files_without_a_digest_are_read() {
    let scratch = Scratch::new();
    let whole = scratch.read("run/model.safetensors");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for (at, bit) in [(header, 0), (header + 2, 6), (whole.len() - 1, 0)] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        scratch.write("bad.safetensors", flipped);
        refused(&scratch, "is damaged: its content has the SHA-256 ");
    }
    // A threshold, which is in the metadata.
    let text = String::from_utf8(whole[8..header].to_vec()).unwrap();
    let (before, after) = text.split_once(r#"\"thresholds\":{\"image\":"#).unwrap();
    let digit = before.len() + r#"\"thresholds\":{\"image\":"#.len();
    let mut changed = whole.clone();
    changed[8 + digit] = if after.starts_with('9') { b'8' } else { b'9' };
    scratch.write("bad.safetensors", changed);
    refused(&scratch, "is damaged: its content has the SHA-256 ");
    let tensors = safetensors::SafeTensors::deserialize(&whole).unwrap();
    scratch.write("bare.safetensors", safetensors::serialize(tensors.tensors(), None).unwrap());
    scratch.succeeds("model summary --weights bare.safetensors");
}
