use std::sync::Arc;

use super::Parameters;
use crate::backend::Real;
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::shape::Shape;
use crate::tape::{Tape, Tensor};

/// `f(x)` for many inputs of the same shape. If the device supports it, the work is recorded for the first inputs and then
/// replayed.
pub struct Inference<B: Backend> {
    backend: B,
    parameters: Arc<Parameters<B>>,
    /// For the shape of the last input.
    buffers: Option<Buffers<B>>,
}

/// Input and output keep their addresses, so that recorded work can be replayed.
struct Buffers<B: Backend> {
    x: Tensor<B>,
    y: B::Buffer,
    program: B::Program,
}

impl<B: Backend> Inference<B> {
    /// Inference with the given parameters.
    pub fn new(backend: &B, parameters: Arc<Parameters<B>>) -> Self {
        Self { backend: backend.clone(), parameters, buffers: None }
    }

    /// `f(x)` for host values of shape `x`.
    ///
    /// # Errors
    /// An input that does not fit the network; the device failed.
    pub fn run(&mut self, shape: Shape, x: &[f32]) -> Result<Vec<f32>> {
        if x.len() != shape.len() {
            return Err(Error::shape("inference", format!("{shape} needs {} values, got {}", shape.len(), x.len())));
        }
        let Self { backend, parameters, buffers } = self;
        let mut own = match buffers.take().filter(|buffers| buffers.x.shape() == shape) {
            Some(buffers) => buffers,
            None => Buffers::new(backend, parameters, shape)?,
        };
        backend.write(&B::Elem::from_f32(x), own.x.buffer_mut()?)?;
        let Buffers { x, y, program } = &mut own;
        backend.repeat(program, || {
            let mut tape = Tape::new(backend.clone());
            let output = parameters.output(&mut tape, x.clone())?;
            backend.copy(tape.value(output).buffer(), y)
        })?;
        let output = B::Elem::into_f32(backend.download(&own.y)?);
        // After an error there are no buffers, so the next input starts anew.
        *buffers = Some(own);
        Ok(output)
    }
}

impl<B: Backend> Buffers<B> {
    fn new(backend: &B, parameters: &Parameters<B>, shape: Shape) -> Result<Self> {
        let plan = parameters.architecture().plan(shape)?;
        let output = plan.layers.last().map_or(shape, |layer| layer.output);
        Ok(Self { x: Tensor::zeros(backend, shape)?, y: backend.alloc(output.len())?, program: B::Program::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Cpu;
    use crate::model::{Architecture, Autoencoder};

    fn ramp(len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|k| scale * (k % 17) as f32 / 17.0).collect()
    }

    #[test]
    fn inputs_of_changing_shapes_give_the_same_results_as_single_inputs() {
        let backend = Cpu::new();
        let architecture = Architecture::Autoencoder(Autoencoder { model: 2, width: 2, dilations: vec![1, 2] });
        let parameters = Arc::new(Parameters::initialise(&backend, &architecture, 3).unwrap());
        let mut inference = Inference::new(&backend, Arc::clone(&parameters));
        for (extents, scale) in [([1, 16, 24, 3], 1.0), ([1, 16, 24, 3], 0.5), ([2, 8, 16, 3], 1.0), ([1, 16, 24, 3], 0.25)] {
            let shape = Shape::new(&extents).unwrap();
            let x = ramp(shape.len(), scale);
            assert_eq!(inference.run(shape, &x).unwrap(), parameters.infer(&backend, shape, &x).unwrap());
        }
        let odd = Shape::new(&[1, 9, 16, 3]).unwrap();
        assert!(inference.run(odd, &ramp(odd.len(), 1.0)).is_err());
        assert!(inference.run(odd, &[]).is_err());
        let shape = Shape::new(&[1, 8, 8, 3]).unwrap();
        assert_eq!(inference.run(shape, &ramp(192, 1.0)).unwrap().len(), 192);
    }
}
