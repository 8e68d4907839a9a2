use std::collections::HashMap;
use std::path::Path;

use ndarray::{ArrayBase, ArrayD, IxDyn, RawData};
use safetensors::tensor::SafeTensors;

use super::mistaken::mistaken;
use super::safetensors_file::digest_of_arrays;
use super::{Architecture, Autoencoder, DILATIONS, ParameterSpec, decode_safetensors, decode_values, encode_safetensors};
use crate::disk::bounded;
use crate::error::{Error, Result};

/// Axis orders that convert weights between memory (OHWI) and files (OIHW).
const OHWI_TO_OIHW: [usize; 4] = [0, 3, 1, 2];
const OIHW_TO_OHWI: [usize; 4] = [0, 2, 3, 1];

/// The weights in the folder of a finished training run.
pub const MODEL_FILE: &str = "model.safetensors";

/// Metadata key of the architecture, as JSON.
const ARCHITECTURE: &str = "orthoscope.architecture";

/// The first 16 hexadecimal digits of a SHA-256 of a network and its values by name, as in [`WeightFile`], by which other weights
/// are noticed. Thresholds and other metadata do not count, nor does the device.
///
/// # Errors
/// None that can occur: the architecture is plain text and numbers.
pub fn weight_digest(architecture: &Architecture, values: &HashMap<String, ArrayD<f32>>) -> Result<String> {
    let network = serde_json::to_string(architecture).map_err(Error::format)?;
    let digest = digest_of_arrays(values, &HashMap::from([(ARCHITECTURE.to_owned(), network)]));
    Ok(digest.chars().take(16).collect())
}

/// A weight file: safetensors with PyTorch-style names and OIHW convolution weights.
#[derive(Clone, Debug)]
pub struct WeightFile {
    /// Which network the weights are for.
    pub architecture: Architecture,
    /// Values by name; convolution weights as in memory, `[out, height, width, in]` (OHWI).
    pub values: HashMap<String, ArrayD<f32>>,
    /// Other metadata, unchanged.
    pub metadata: HashMap<String, String>,
}

impl WeightFile {
    /// The file's bytes.
    ///
    /// # Errors
    /// A parameter that is missing or has another shape; too little memory.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let specs = self.architecture.plan(self.architecture.smallest_input()?)?.parameters;
        let mut stored = Vec::with_capacity(specs.len());
        for spec in &specs {
            let values = self.values.get(&spec.name).filter(|values| values.shape() == spec.shape.dims());
            let values = values.ok_or_else(|| {
                let (name, shape) = (&spec.name, spec.shape);
                Error::format(format!("parameter `{name}` is missing or not {shape}"))
            })?;
            stored.push((spec.name.clone(), permuted(values.view(), OHWI_TO_OIHW)));
        }
        let mut metadata = self.metadata.clone();
        let architecture = serde_json::to_string(&self.architecture).map_err(|error| Error::format(error.to_string()))?;
        metadata.insert(ARCHITECTURE.into(), architecture);
        encode_safetensors(stored, &metadata)
    }

    /// A parameter as in the file: convolution weights `[out, in, height, width]` (OIHW).
    ///
    /// # Errors
    /// There is none of this name.
    pub fn stored(&self, name: &str) -> Result<ArrayD<f32>> {
        let values = self.values.get(name).ok_or_else(|| Error::format(format!("parameter `{name}` is missing")))?;
        Ok(permuted(values.clone(), OHWI_TO_OIHW))
    }

    /// Reads a weight file with F16, BF16, F32 or F64 values. The architecture is read from this project's metadata. Without
    /// metadata it is derived from PyTorch's names and shapes; k SDC branches then have the first k of the paper's dilations.
    ///
    /// # Errors
    /// A file that is unreadable, truncated, damaged or of another kind; parameters that are missing, unexpected or of the wrong
    /// shape; values that are not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let within = path.join(MODEL_FILE);
        if within.is_file() {
            return Err(Error::file(path, format!("is a folder; did you mean {}?", within.display())));
        }
        let bytes = bounded::read(path, bounded::NUMBERS)?;
        let explained = |error| mistaken(path, &bytes).map_or(error, Error::format).in_file(path);
        Self::decode(&bytes).map_err(explained)
    }

    /// As [`WeightFile::read`], from bytes.
    ///
    /// # Errors
    /// As [`WeightFile::read`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (tensors, mut metadata) = decode_safetensors(bytes, "not a usable safetensors file")?;
        let architecture = match metadata.remove(ARCHITECTURE) {
            Some(json) => serde_json::from_str(&json).map_err(|error| Error::format(format!("bad architecture: {error}")))?,
            None => recognise(&tensors)?,
        };
        architecture.validate()?;
        let specs = architecture.plan(architecture.smallest_input()?)?.parameters;
        if let Some(surplus) = tensors.names().into_iter().find(|name| !specs.iter().any(|spec| spec.name == **name)) {
            return Err(Error::format(format!("tensor `{surplus}` does not belong to {architecture}")));
        }
        let values = specs.iter().map(|spec| Ok((spec.name.clone(), read_tensor(&tensors, spec, &architecture)?)));
        Ok(Self { values: values.collect::<Result<_>>()?, architecture, metadata })
    }
}

/// Model I or II from a PyTorch state dict.
fn recognise(tensors: &SafeTensors<'_>) -> Result<Architecture> {
    let first = tensors
        .tensor("e1.0.weight")
        .map_err(|_| Error::format("holds no tensor `e1.0.weight`, so these are not the weights of Model I or II"))?;
    let width = *first.shape().first().ok_or_else(|| Error::format("`e1.0.weight` has no dimensions"))?;
    let names = tensors.names();
    let model = if names.contains(&"ccm1.mix.weight") { 2 } else { 1 };
    let branches = names.iter().filter(|name| name.starts_with("sdc.0.") && name.ends_with(".weight")).count();
    let dilations = DILATIONS.get(..branches).ok_or_else(|| {
        Error::format(format!("{branches} SDC branches and no metadata: the dilations are unknown (at most {})", DILATIONS.len()))
    })?;
    Ok(Architecture::Autoencoder(Autoencoder { model, width, dilations: dilations.to_vec() }))
}

fn read_tensor(tensors: &SafeTensors<'_>, spec: &ParameterSpec, architecture: &Architecture) -> Result<ArrayD<f32>> {
    let view =
        tensors.tensor(&spec.name).map_err(|_| Error::format(format!("tensor `{}` of {architecture} is missing", spec.name)))?;
    let mut wants = spec.shape.dims().to_vec();
    if let [_, h, w, i] = wants[..] {
        wants[1..].copy_from_slice(&[i, h, w]);
    }
    let (name, shape) = (&spec.name, view.shape());
    if shape != wants {
        return Err(Error::format(format!("tensor `{name}` must be {wants:?} for {architecture}, is {shape:?}")));
    }
    let values = decode_values(&view).ok_or_else(|| {
        Error::format(format!("tensor `{name}` is {:?}; only F16, BF16, F32 and F64 are supported", view.dtype()))
    })?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(Error::format(format!("tensor `{name}` holds {value}")));
    }
    let array = ArrayD::from_shape_vec(wants, values).map_err(Error::format)?;
    Ok(permuted(array, OIHW_TO_OHWI).as_standard_layout().into_owned())
}

/// Convolution weights with permuted axes; other parameters unchanged.
fn permuted<S: RawData<Elem = f32>>(values: ArrayBase<S, IxDyn>, axes: [usize; 4]) -> ArrayBase<S, IxDyn> {
    if values.ndim() == axes.len() { values.permuted_axes(&axes[..]) } else { values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    #[test]
    fn convolution_weights_in_files_are_oihw_as_in_pytorch() {
        let architecture = Architecture::autoencoder(1, 2).unwrap();
        let plan = architecture.plan(architecture.smallest_input().unwrap()).unwrap();
        let ramp = |spec: &ParameterSpec| {
            let values = (0..spec.shape.len()).map(|k| k as f32).collect();
            (spec.name.clone(), ArrayD::from_shape_vec(spec.shape.dims(), values).unwrap())
        };
        let file = WeightFile { architecture, values: plan.parameters.iter().map(ramp).collect(), metadata: HashMap::new() };
        let bytes = file.encode().unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let view = stored.tensor("e1.0.weight").unwrap();
        assert_eq!(view.shape(), [2, 3, 3, 3]);
        // w[o=1, i=2, h=0, w=1] is number 1*27 + 2*9 + 0*3 + 1 in the file and 1*27 + 0*9 + 1*3 + 2 in memory.
        assert_eq!(decode_values(&view).unwrap()[46], 32.0);
        assert_eq!(WeightFile::decode(&bytes).unwrap().values, file.values);
    }

    #[test]
    fn totals_of_the_paper_scale_networks() {
        let input = Shape::new(&[1, 256, 256, 3]).unwrap();
        let close = |value: u64, giga: f64| (value as f64 / 1e9 - giga).abs() < 0.051;
        for (model, millions, forward, training) in [(1, 7.51, 61.2, 183.2), (2, 7.86, 67.6, 202.6)] {
            let plan = Architecture::autoencoder(model, 64).unwrap().plan(input).unwrap();
            assert!((plan.parameter_count() as f64 / 1e6 - millions).abs() < 0.0051, "{}", plan.parameter_count());
            assert!(
                close(plan.flops(), forward) && close(plan.training_flops(), training),
                "{} {}",
                plan.flops(),
                plan.training_flops()
            );
        }
    }
}
