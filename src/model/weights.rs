use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};

use super::{Architecture, Autoencoder, DILATIONS, ParameterSpec, encode_safetensors};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// Metadata key of the architecture, as JSON.
const ARCHITECTURE: &str = "orthoscope.architecture";

/// A weight file: safetensors with PyTorch-style names and OIHW convolution weights.
#[derive(Clone, Debug)]
pub struct WeightFile {
    /// Which network the weights are for.
    pub architecture: Architecture,
    /// Values by name, in memory layout (OHWI).
    pub values: HashMap<String, Vec<f32>>,
    /// Free metadata; keys outside this project's own are kept.
    pub metadata: HashMap<String, String>,
}

impl WeightFile {
    /// The file's bytes.
    ///
    /// # Errors
    /// A parameter that is missing or has another size.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let specs = self.architecture.plan(self.architecture.smallest_input()?)?.parameters;
        let mut stored = Vec::with_capacity(specs.len());
        for spec in &specs {
            let values = self.values.get(&spec.name).filter(|values| values.len() == spec.shape.len());
            let values =
                values.ok_or_else(|| Error::format(format!("parameter `{}` is missing or has another size", spec.name)))?;
            stored.push((spec.name.clone(), file_extents(&spec.shape), to_oihw(&spec.shape, values)));
        }
        let mut metadata = self.metadata.clone();
        let architecture = serde_json::to_string(&self.architecture).map_err(|error| Error::format(error.to_string()))?;
        metadata.insert(ARCHITECTURE.into(), architecture);
        encode_safetensors(stored, &metadata)
    }

    /// Reads a weight file. The architecture comes from this project's metadata, or else from names and shapes as PyTorch
    /// writes them (then with the first of the paper's dilations).
    ///
    /// # Errors
    /// Unreadable, truncated or foreign files; missing, surplus or misshapen parameters; values that are not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::read(path, error))?;
        Self::decode(&bytes).map_err(|error| error.in_file(path))
    }

    /// As [`WeightFile::read`], from bytes.
    ///
    /// # Errors
    /// As [`WeightFile::read`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let foreign = |error| Error::format(format!("not a usable safetensors file: {error}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(foreign)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(foreign)?;
        let mut metadata = header.metadata().clone().unwrap_or_default();
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
    let width = *first.shape().first().ok_or_else(|| Error::format("`e1.0.weight` has no extents"))?;
    let names = tensors.names();
    let model = if names.contains(&"ccm1.mix.weight") { 2 } else { 1 };
    let branches = names.iter().filter(|name| name.starts_with("sdc.0.") && name.ends_with(".weight")).count();
    let dilations = DILATIONS.get(..branches).ok_or_else(|| {
        Error::format(format!("{branches} SDC branches and no metadata: the dilations are unknown (at most {})", DILATIONS.len()))
    })?;
    Ok(Architecture::Autoencoder(Autoencoder { model, width, dilations: dilations.to_vec() }))
}

fn read_tensor(tensors: &SafeTensors<'_>, spec: &ParameterSpec, architecture: &Architecture) -> Result<Vec<f32>> {
    let view =
        tensors.tensor(&spec.name).map_err(|_| Error::format(format!("tensor `{}` of {architecture} is missing", spec.name)))?;
    let wants = file_extents(&spec.shape);
    if view.shape() != wants {
        return Err(Error::format(format!("tensor `{}` must be {wants:?} for {architecture}, is {:?}", spec.name, view.shape())));
    }
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F64 => {
            let wide = view.data().chunks_exact(8).map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]));
            wide.map(|value| value as f32).collect()
        }
        other => return Err(Error::format(format!("tensor `{}` is {other:?}; only F32 and F64 are read", spec.name))),
    };
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(Error::format(format!("tensor `{}` holds {value}", spec.name)));
    }
    Ok(to_ohwi(&spec.shape, &values))
}

/// Extents in the file: OIHW for convolutions, else as in memory.
fn file_extents(shape: &Shape) -> Vec<usize> {
    match *shape.extents() {
        [o, h, w, i] => vec![o, i, h, w],
        ref other => other.to_vec(),
    }
}

fn to_oihw(shape: &Shape, values: &[f32]) -> Vec<f32> {
    swap_inner(shape, values, |[o, h, w, i], [_, kh, kw, ci]| {
        (((o * ci + i) * kh + h) * kw + w, ((o * kh + h) * kw + w) * ci + i)
    })
}

fn to_ohwi(shape: &Shape, values: &[f32]) -> Vec<f32> {
    swap_inner(shape, values, |[o, h, w, i], [_, kh, kw, ci]| {
        (((o * kh + h) * kw + w) * ci + i, ((o * ci + i) * kh + h) * kw + w)
    })
}

/// Moves every weight `[o, h, w, i]` of an OHWI shape as `places` says: (target, source). Other ranks stay.
fn swap_inner(shape: &Shape, values: &[f32], places: impl Fn([usize; 4], [usize; 4]) -> (usize, usize)) -> Vec<f32> {
    let &[co, kh, kw, ci] = shape.extents() else { return values.to_vec() };
    let mut moved = vec![0.0; values.len()];
    for o in 0..co {
        for h in 0..kh {
            for w in 0..kw {
                for i in 0..ci {
                    let (target, source) = places([o, h, w, i], [co, kh, kw, ci]);
                    moved[target] = values[source];
                }
            }
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_inverse_and_as_pytorch_has_them() {
        let shape = Shape::new(&[2, 3, 3, 4]).unwrap();
        let ohwi: Vec<f32> = (0..72u8).map(f32::from).collect();
        let oihw = to_oihw(&shape, &ohwi);
        // w[o=1, i=2, h=0, w=1]
        assert_eq!(oihw[((4 + 2) * 3) * 3 + 1], ohwi[((3 * 3) + 1) * 4 + 2]);
        assert_eq!(to_ohwi(&shape, &oihw), ohwi);
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
