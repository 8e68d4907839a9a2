use std::collections::HashMap;

use ndarray::ArrayD;

use super::{Architecture, Forward, ParameterSpec};
use crate::backend::Real;
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::rng::{Purpose, Stream};
use crate::shape::Shape;
use crate::tape::{Tape, Tensor, Var};

/// The parameters of a network, in order of first use.
pub struct Parameters<B: Backend> {
    architecture: Architecture,
    specs: Vec<ParameterSpec>,
    tensors: Vec<Tensor<B>>,
}

/// Parameters as nodes of one tape.
pub struct Bound {
    vars: Vec<Var>,
    by_name: HashMap<String, Var>,
}

impl Bound {
    /// The node of parameter `name`.
    ///
    /// # Errors
    /// There is no such parameter.
    pub fn get(&self, name: &str) -> Result<Var> {
        self.by_name.get(name).copied().ok_or_else(|| Error::argument(format!("the network has no parameter `{name}`")))
    }

    /// All nodes, in the order of [`Parameters::tensors`].
    pub fn vars(&self) -> &[Var] {
        &self.vars
    }
}

impl<B: Backend> Parameters<B> {
    /// Random initial weights for `seed`: uniform with variance `1 / fan_in` (LeCun), which preserves the scale of the signal
    /// through ELU layers; biases 0. Each parameter has its own random stream, so the weights are the same on every device.
    ///
    /// # Errors
    /// An invalid architecture; out of device memory.
    pub fn initialise(backend: &B, architecture: &Architecture, seed: u64) -> Result<Self> {
        Self::build(backend, architecture, |index, spec| {
            if spec.shape.dims().len() == 1 {
                return Ok(vec![0.0; spec.shape.len()]);
            }
            let mut stream = Stream::new(seed, Purpose::Weights, 0, index);
            let limit = (3.0 / spec.fan_in as f64).sqrt();
            Ok((0..spec.shape.len()).map(|_| (limit * (2.0 * f64::from(stream.uniform()) - 1.0)) as f32).collect())
        })
    }

    /// Weights by name, in memory layout (OHWI).
    ///
    /// # Errors
    /// A parameter that is missing or has another number of values.
    pub fn from_values(backend: &B, architecture: &Architecture, values: &HashMap<String, ArrayD<f32>>) -> Result<Self> {
        Self::build(backend, architecture, |_, spec| {
            let values = values.get(&spec.name).map(|values| values.iter().copied().collect());
            values.ok_or_else(|| Error::format(format!("parameter `{}` is missing", spec.name)))
        })
    }

    fn build(backend: &B, architecture: &Architecture, values: impl Fn(u32, &ParameterSpec) -> Result<Vec<f32>>) -> Result<Self> {
        architecture.validate()?;
        let specs = architecture.plan(architecture.smallest_input()?)?.parameters;
        let tensors = (0..).zip(&specs).map(|(index, spec)| {
            Tensor::parameter(backend, spec.shape, &values(index, spec)?).map_err(|error| error.within(&spec.name))
        });
        Ok(Self { architecture: architecture.clone(), tensors: tensors.collect::<Result<_>>()?, specs })
    }

    /// The network that the parameters belong to.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Names and shapes.
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// Values on the device.
    pub fn tensors(&self) -> &[Tensor<B>] {
        &self.tensors
    }

    /// Values for the optimiser to update. No tape may hold a clone of them.
    pub fn tensors_mut(&mut self) -> &mut [Tensor<B>] {
        &mut self.tensors
    }

    /// A deep copy.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn duplicate(&self, backend: &B) -> Result<Self> {
        let tensors = self.tensors.iter().map(|tensor| tensor.duplicate(backend)).collect::<Result<_>>()?;
        Ok(Self { architecture: self.architecture.clone(), specs: self.specs.clone(), tensors })
    }

    /// Values by name on the host, in memory layout (OHWI).
    ///
    /// # Errors
    /// The device failed.
    pub fn to_values(&self, backend: &B) -> Result<HashMap<String, ArrayD<f32>>> {
        let host = |(spec, tensor): (&ParameterSpec, &Tensor<B>)| {
            let values = B::Elem::into_f32(tensor.to_host(backend)?);
            let array = ArrayD::from_shape_vec(spec.shape.dims(), values).map_err(|error| Error::shape("weights", error))?;
            Ok((spec.name.clone(), array))
        };
        self.specs.iter().zip(&self.tensors).map(host).collect()
    }

    /// Puts the parameters on a tape, as variables if `trainable`, else as constants.
    pub fn bind(&self, tape: &mut Tape<B>, trainable: bool) -> Bound {
        let leaf = |tensor: &Tensor<B>| match trainable {
            true => tape.variable(tensor.clone()),
            false => tape.constant(tensor.clone()),
        };
        let vars: Vec<Var> = self.tensors.iter().map(leaf).collect();
        let by_name = self.specs.iter().map(|spec| spec.name.clone()).zip(vars.iter().copied()).collect();
        Bound { vars, by_name }
    }

    /// Records `f(x)` on the tape that `bound` belongs to.
    ///
    /// # Errors
    /// An input that does not fit, named with the layer.
    pub fn forward(&self, tape: &mut Tape<B>, bound: &Bound, x: Var) -> Result<Var> {
        self.architecture.plan(tape.shape(x))?;
        let y = self.architecture.describe(&mut Forward::new(tape, bound), x)?;
        tape.enter("");
        Ok(y)
    }

    /// `f(x)` for an input of shape `shape`, without gradients. [`Inference`](super::Inference) is faster for many inputs of the
    /// same shape.
    ///
    /// # Errors
    /// As [`Parameters::forward`].
    pub fn infer(&self, backend: &B, shape: Shape, x: &[f32]) -> Result<Vec<f32>> {
        let mut tape = Tape::new(backend.clone());
        let y = self.output(&mut tape, Tensor::from_f32(backend, shape, x)?)?;
        tape.host(y).map(B::Elem::into_f32)
    }

    /// `f(x)` without gradients.
    pub(super) fn output(&self, tape: &mut Tape<B>, x: Tensor<B>) -> Result<Var> {
        let bound = self.bind(tape, false);
        let x = tape.constant(x);
        self.forward(tape, &bound, x)
    }
}

impl<B: Backend> AsMut<[Tensor<B>]> for Parameters<B> {
    fn as_mut(&mut self) -> &mut [Tensor<B>] {
        self.tensors_mut()
    }
}
