use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use ndarray::{Array1, ArrayD};
use safetensors::tensor::Dtype;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::backend::{Arithmetic, Real};
use crate::data::SkippedShare;
use crate::disk::bounded;
use crate::error::{Error, Result};
use crate::model::{Architecture, Parameters, decode_safetensors, decode_values, encode_safetensors};
use crate::ops::Backend;
use crate::tape::Tensor;

const STEP: &str = "orthoscope.step";
const CONFIG: &str = "orthoscope.config";
const IMAGES: &str = "orthoscope.images";
const SKIPPED: &str = "orthoscope.skipped";
const ARITHMETIC: &str = "orthoscope.arithmetic";
const LENGTHENED: &str = "orthoscope.lengthened";
const OTHER_IMAGES: &str = "orthoscope.other_images";

/// A run got more steps than it had been started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengthening {
    /// The last step with the earlier schedule of the learning rate.
    pub after: u64,
    /// The number of steps of that schedule.
    pub from: u64,
}

impl fmt::Display for Lengthening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "lengthened after step {} of {}", self.after, self.from)
    }
}

/// State of a training run: weights `p.*`, Adam moments `m.*` and `v.*`, moving average `a.*`, step, config.
///
/// The step is also the position in every random stream, because the streams are keyed by it. Values are f32 in memory layout.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// Text of the config that the run was started with.
    pub config: String,
    /// The fingerprint of the training images; `None` in files of a version that did not record it, and for images that are not
    /// of a folder.
    pub images: Option<String>,
    /// How many files of the folder could not be used; `None` if all could.
    pub skipped: Option<SkippedShare>,
    /// What the steps were computed with, in order, each once in a row; empty in files of a version that did not record it.
    pub arithmetic: Vec<Arithmetic>,
    /// The lengthenings of the run so far, in order.
    pub lengthened: Vec<Lengthening>,
    /// The last steps before the training images became others, in order.
    pub other_images: Vec<u64>,
    groups: HashMap<String, HashMap<String, ArrayD<f32>>>,
}

fn foreign(reason: String) -> Error {
    Error::format(format!("not a checkpoint: {reason}"))
}

/// A value of the metadata that older files lack.
fn optional<T: DeserializeOwned + Default>(metadata: &HashMap<String, String>, key: &str) -> Result<T> {
    let value = metadata.get(key).map(|text| serde_json::from_str(text)).transpose();
    Ok(value.map_err(|error| foreign(format!("`{key}`: {error}")))?.unwrap_or_default())
}

impl Checkpoint {
    pub(super) fn new(step: u64, config: &str) -> Self {
        Self {
            step,
            config: config.to_owned(),
            images: None,
            skipped: None,
            arithmetic: Vec::new(),
            lengthened: Vec::new(),
            other_images: Vec::new(),
            groups: HashMap::new(),
        }
    }

    /// Adds `tensors` under `group`, with the names and the order of the parameters.
    pub(super) fn insert<B: Backend>(
        &mut self,
        backend: &B,
        group: &str,
        names: &Parameters<B>,
        tensors: &[Tensor<B>],
    ) -> Result<()> {
        let mut values = HashMap::new();
        for (spec, tensor) in names.specs().iter().zip(tensors) {
            let host = B::Elem::into_f32(tensor.to_host(backend)?);
            if let Some(value) = host.iter().find(|value| !value.is_finite()) {
                return Err(Error::NonFinite { what: "a weight", value: f64::from(*value), step: self.step });
            }
            values.insert(spec.name.clone(), Array1::from(host).into_dyn());
        }
        self.groups.insert(group.to_owned(), values);
        Ok(())
    }

    /// The tensors of `group`, checked against `architecture`.
    pub(super) fn parameters<B: Backend>(&self, backend: &B, group: &str, architecture: &Architecture) -> Result<Parameters<B>> {
        let values = self.groups.get(group).ok_or_else(|| Error::format(format!("the checkpoint has no tensors `{group}.*`")))?;
        Parameters::from_values(backend, architecture, values)
            .map_err(|error| Error::format(format!("the checkpoint is not of {architecture}: {error}")))
    }

    /// The file's bytes, safetensors.
    ///
    /// # Errors
    /// Serialisation failed; too little memory.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let tensors = self
            .groups
            .iter()
            .flat_map(|(group, values)| values.iter().map(move |(name, values)| (format!("{group}.{name}"), values.view())));
        let mut metadata = HashMap::from([(STEP.to_owned(), self.step.to_string()), (CONFIG.to_owned(), self.config.clone())]);
        metadata.extend(self.images.clone().map(|images| (IMAGES.to_owned(), images)));
        if let Some(skipped) = &self.skipped {
            metadata.insert(SKIPPED.to_owned(), serde_json::to_string(skipped).map_err(Error::format)?);
        }
        if !self.arithmetic.is_empty() {
            metadata.insert(ARITHMETIC.to_owned(), serde_json::to_string(&self.arithmetic).map_err(Error::format)?);
        }
        if !self.lengthened.is_empty() {
            metadata.insert(LENGTHENED.to_owned(), serde_json::to_string(&self.lengthened).map_err(Error::format)?);
        }
        if !self.other_images.is_empty() {
            metadata.insert(OTHER_IMAGES.to_owned(), serde_json::to_string(&self.other_images).map_err(Error::format)?);
        }
        encode_safetensors(tensors.collect(), &metadata)
    }

    /// Reads a checkpoint file.
    ///
    /// # Errors
    /// A file that is missing, truncated, damaged or not a checkpoint; values that are not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = bounded::read(path, bounded::NUMBERS)?;
        Self::decode(&bytes).map_err(|error| error.in_file(path))
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let (tensors, metadata) = decode_safetensors(bytes, "not a checkpoint")?;
        let field = |key: &str| metadata.get(key).cloned().ok_or_else(|| foreign(format!("no `{key}` in its metadata")));
        let step = field(STEP)?.parse().map_err(|_| foreign(format!("`{STEP}` is not a number")))?;
        let mut own = Self {
            images: metadata.get(IMAGES).cloned(),
            skipped: optional(&metadata, SKIPPED)?,
            arithmetic: optional(&metadata, ARITHMETIC)?,
            lengthened: optional(&metadata, LENGTHENED)?,
            other_images: optional(&metadata, OTHER_IMAGES)?,
            ..Self::new(step, &field(CONFIG)?)
        };
        for (full, view) in tensors.tensors() {
            let (group, name) = full.split_once('.').ok_or_else(|| foreign(format!("unexpected tensor `{full}`")))?;
            let values = decode_values(&view).filter(|_| view.dtype() == Dtype::F32);
            let values = values.ok_or_else(|| foreign(format!("tensor `{full}` is {:?}, not F32", view.dtype())))?;
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(Error::format(format!("tensor `{full}` holds {value}")));
            }
            own.groups.entry(group.to_owned()).or_default().insert(name.to_owned(), Array1::from(values).into_dyn());
        }
        Ok(own)
    }
}
