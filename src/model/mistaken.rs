//! What was given in place of a weight file, as far as that can be told, and what was probably meant.

use std::path::Path;

use safetensors::tensor::SafeTensors;

use super::MODEL_FILE;

/// A weight in a checkpoint of a training, which holds the moments of the optimiser under other first letters.
const OF_CHECKPOINT: &str = "p.e1.0.weight";

/// Tags of the fields that may come second in an ONNX file, after the version of the format: producer, domain, version, text,
/// graph, operators.
const SECOND_TAGS: [u8; 7] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];

/// What a file is that holds no weights of a network, and what to give instead; `None` if that is unknown.
pub(super) fn mistaken(path: &Path, bytes: &[u8]) -> Option<String> {
    if is_onnx(bytes) {
        return Some(format!(
            "is an ONNX file, which only other programs read; give the weight file that it was exported from, such as the \
            {MODEL_FILE} of its run"
        ));
    }
    // A safetensors file has zeros in the length of its header.
    if !bytes.is_empty() && !bytes.contains(&0) && str::from_utf8(bytes).is_ok() {
        return Some(format!("is a text file; give the weight file of a run, such as its {MODEL_FILE}"));
    }
    is_checkpoint(bytes).then(|| {
        let model = path.with_file_name(MODEL_FILE);
        let remedy = match model.is_file() && model != path {
            true => format!("give {}", model.display()),
            false => format!("a training writes {MODEL_FILE} at its end, and `train --resume` goes on to there"),
        };
        format!("is a checkpoint, which only `train --resume` reads; {remedy}")
    })
}

/// Whether the header says so; the values may be damaged.
fn is_checkpoint(bytes: &[u8]) -> bool {
    SafeTensors::read_metadata(bytes).is_ok_and(|(_, header)| header.info(OF_CHECKPOINT).is_some())
}

/// Whether a file begins with a version of the ONNX format and another of its fields. A safetensors file has a brace behind the
/// length of its header.
fn is_onnx(bytes: &[u8]) -> bool {
    let is_tagged = matches!(bytes, [0x08, 1..0x20, second, ..] if SECOND_TAGS.contains(second));
    is_tagged && bytes.get(8) != Some(&b'{')
}
