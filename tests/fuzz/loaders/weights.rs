use std::collections::HashSet;
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use orthoscope::backend::Cpu;
use orthoscope::data::Image;
use orthoscope::detect::Detector;
use orthoscope::model::WeightFile;
use orthoscope::run::Config;
use orthoscope::train::{Checkpoint, Recipe, Trainer};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{Loader, Read, Verdict, ensure, must, of_file, refused};
use crate::fixture::Scratch;
use crate::fuzz::campaign::run;

/// Metadata key of the digest.
const DIGEST: &str = "orthoscope.sha256";
/// Models of a larger working resolution are read but not run.
const SIDE: usize = 64;

/// A file as another program writes it: other types of numbers, without the digest or without any metadata.
fn rewritten(file: &[u8], dtype: Dtype, has_metadata: bool) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(file).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    metadata.remove(DIGEST);
    let tensors = SafeTensors::deserialize(file).unwrap().tensors();
    let converted: Vec<(String, Vec<usize>, Vec<u8>)> =
        tensors.iter().map(|(name, view)| (name.clone(), view.shape().to_vec(), converted(view.data(), dtype))).collect();
    let views = converted.iter().map(|(name, shape, data)| (name, TensorView::new(dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, has_metadata.then_some(metadata)).unwrap()
}

fn converted(data: &[u8], dtype: Dtype) -> Vec<u8> {
    let values = data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
    match dtype {
        Dtype::F16 => values.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
        Dtype::BF16 => values.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect(),
        Dtype::F64 => values.flat_map(|value| f64::from(value).to_le_bytes()).collect(),
        _ => data.to_vec(),
    }
}

fn has_digest(bytes: &[u8]) -> bool {
    let header = SafeTensors::read_metadata(bytes).ok();
    header.and_then(|(_, header)| Some(header.metadata().as_ref()?.contains_key(DIGEST))).unwrap_or_default()
}

/// What a file holds, in one form; equal contents give equal bytes.
fn content(path: &Path) -> orthoscope::Result<Vec<u8>> {
    WeightFile::read(path)?.encode()
}

fn state(path: &Path) -> orthoscope::Result<Vec<u8>> {
    Checkpoint::read(path)?.encode()
}

/// Contents of the files that have a digest.
fn known(corpus: &[Vec<u8>], read: fn(&Path) -> orthoscope::Result<Vec<u8>>) -> HashSet<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let content = |bytes: &Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        read(&path).unwrap()
    };
    corpus.iter().filter(|bytes| has_digest(bytes)).map(content).collect()
}

/// What is accepted is the same when it is written and read again, and with a digest it is the content of a file of the corpus.
fn check_content(
    path: &Path,
    content: &[u8],
    known: &HashSet<Vec<u8>>,
    read: fn(&Path) -> orthoscope::Result<Vec<u8>>,
) -> Result<(), String> {
    ensure(!has_digest(&fs::read(path).unwrap()) || known.contains(content), "accepted other values than its digest is of")?;
    let again = path.with_extension("again");
    fs::write(&again, content).unwrap();
    ensure(must("reading", read(&again))? == content, "not the same when it is written and read again")
}

fn weight_files() -> Vec<Vec<u8>> {
    let scratch = Scratch::new();
    let trained = scratch.read("run/model.safetensors");
    for (name, options) in [("one", "--model 1 --width 2"), ("two", "--model 2 --width 3 --seed 5")] {
        scratch.succeeds(&format!("model init {options} --out {name}.safetensors"));
    }
    let fresh = ["one", "two"].map(|name| scratch.read(format!("{name}.safetensors")));
    let types = [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F64];
    let mut files: Vec<_> = types.map(|dtype| rewritten(&trained, dtype, true)).into();
    files.push(rewritten(&fresh[0], Dtype::F32, false));
    files.extend(fresh);
    files.push(trained);
    files
}

fn examined(path: &Path, image: &Image) -> Verdict {
    let detector = match Detector::read(&Cpu::default(), path) {
        Ok(detector) => detector,
        Err(error) => return refused(&error),
    };
    if detector.settings().preparation.size <= SIDE {
        // It may fail, as with weights that overflow, and must not panic.
        drop(detector.examine(image));
    }
    Ok(Read::Accepted)
}

#[test]
fn weights() {
    let corpus = weight_files();
    let known = known(&corpus, content);
    let image = Image::from_shape_fn((19, 26, 3), |(y, x, c)| ((y * 7 + x * 3 + c) % 11) as f32 / 10.0);
    run(&Loader {
        name: "weights",
        file: "model.safetensors",
        corpus,
        memory: |length, path| of_file(length, path) + (16 << 20),
        check: Box::new(move |path| match WeightFile::read(path) {
            Err(error) => refused(&error),
            Ok(file) => {
                check_content(path, &must("writing", file.encode())?, &known, content)?;
                examined(path, &image)
            }
        }),
    });
}

fn checkpoints() -> Vec<Vec<u8>> {
    let scratch = Scratch::new();
    let files = ["run/checkpoint.safetensors", "run/checkpoint.previous.safetensors"].map(|name| scratch.read(name));
    files.iter().map(|file| rewritten(file, Dtype::F32, true)).chain(files.clone()).collect()
}

/// The config of the fixture's run.
fn recipe() -> Recipe {
    Config::parse(crate::fixture::CONFIG).unwrap().recipe()
}

#[test]
fn checkpoint() {
    let corpus = checkpoints();
    let known = known(&corpus, state);
    run(&Loader {
        name: "checkpoint",
        file: "checkpoint.safetensors",
        corpus,
        memory: |length, path| of_file(length, path) + (16 << 20),
        check: Box::new(move |path| match Checkpoint::read(path) {
            Err(error) => refused(&error),
            Ok(checkpoint) => {
                check_content(path, &must("writing", checkpoint.encode())?, &known, state)?;
                // A checkpoint of something else is refused here, and a config that is damaged.
                drop(Trainer::resume(&Cpu::default(), recipe(), &checkpoint));
                drop(Config::parse(&checkpoint.config));
                Ok(Read::Accepted)
            }
        }),
    });
}
