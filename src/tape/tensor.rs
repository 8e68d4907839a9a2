use std::sync::Arc;

use ndarray::{ArrayD, ArrayRef, Dimension, IxDyn};

use crate::backend::{Real, Storage};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// A shape and its device memory. A clone shares the memory.
pub struct Tensor<B: Storage> {
    shape: Shape,
    buffer: Arc<B::Buffer>,
}

impl<B: Storage> Clone for Tensor<B> {
    fn clone(&self) -> Self {
        Self { shape: self.shape, buffer: Arc::clone(&self.buffer) }
    }
}

impl<B: Storage> Tensor<B> {
    /// A tensor from host values in row-major order.
    ///
    /// # Errors
    /// The number of values does not match the shape; out of device memory.
    pub fn from_host(backend: &B, shape: Shape, values: &[B::Elem]) -> Result<Self> {
        check_count(shape, values.len())?;
        Ok(Self { shape, buffer: Arc::new(backend.upload(values)?) })
    }

    /// As [`Tensor::from_host`], rounding f64 values to the backend's element type.
    ///
    /// # Errors
    /// As [`Tensor::from_host`].
    pub fn from_f64(backend: &B, shape: Shape, values: &[f64]) -> Result<Self> {
        Self::from_host(backend, shape, &values.iter().map(|&v| B::Elem::of(v)).collect::<Vec<_>>())
    }

    /// As [`Tensor::from_host`], from f32 values.
    ///
    /// # Errors
    /// As [`Tensor::from_host`].
    pub fn from_f32(backend: &B, shape: Shape, values: &[f32]) -> Result<Self> {
        Self::from_host(backend, shape, &B::Elem::from_f32(values))
    }

    /// As [`Tensor::from_f32`], for a parameter of a network. See [`Storage::upload_parameter`].
    ///
    /// # Errors
    /// As [`Tensor::from_host`].
    pub fn parameter(backend: &B, shape: Shape, values: &[f32]) -> Result<Self> {
        check_count(shape, values.len())?;
        Ok(Self { shape, buffer: Arc::new(backend.upload_parameter(&shape, &B::Elem::from_f32(values))?) })
    }

    /// A tensor with the dimensions and values of an array, rounded to the backend's element type.
    ///
    /// # Errors
    /// An array of rank 0 or above 4, or without elements; out of device memory.
    pub fn from_array<A: Copy + Into<f64>, D: Dimension>(backend: &B, array: &ArrayRef<A, D>) -> Result<Self> {
        let values: Vec<B::Elem> = array.iter().map(|&value| B::Elem::of(value.into())).collect();
        Self::from_host(backend, Shape::new(array.shape())?, &values)
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn zeros(backend: &B, shape: Shape) -> Result<Self> {
        Ok(Self { shape, buffer: Arc::new(backend.zeros(shape.len())?) })
    }

    pub(crate) fn from_buffer(shape: Shape, buffer: B::Buffer) -> Self {
        Self { shape, buffer: Arc::new(buffer) }
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The device memory.
    pub fn buffer(&self) -> &B::Buffer {
        &self.buffer
    }

    /// The device memory for writing, for example in an optimiser step.
    ///
    /// # Errors
    /// The memory is still shared, e.g. with a tape that has not been cleared.
    pub fn buffer_mut(&mut self) -> Result<&mut B::Buffer> {
        let shape = self.shape;
        Arc::get_mut(&mut self.buffer)
            .ok_or_else(|| Error::shape("tensor", format!("{shape} is still shared; clear the tape before writing to it")))
    }

    /// Values on the host.
    ///
    /// # Errors
    /// The device failed.
    pub fn to_host(&self, backend: &B) -> Result<Vec<B::Elem>> {
        backend.download(&self.buffer)
    }

    /// Values on the host, as an array with the dimensions of the tensor.
    ///
    /// # Errors
    /// The device failed.
    pub fn to_array(&self, backend: &B) -> Result<ArrayD<B::Elem>> {
        ArrayD::from_shape_vec(IxDyn(self.shape.dims()), self.to_host(backend)?)
            .map_err(|error| Error::shape("tensor", format!("{}: {error}", self.shape)))
    }

    /// A deep copy.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn duplicate(&self, backend: &B) -> Result<Self> {
        let mut copy = backend.alloc(self.shape.len())?;
        backend.copy(&self.buffer, &mut copy)?;
        Ok(Self::from_buffer(self.shape, copy))
    }
}

/// Rejects a number of values that does not fit the shape.
fn check_count(shape: Shape, found: usize) -> Result<()> {
    let wanted = shape.len();
    if found == wanted { Ok(()) } else { Err(Error::shape("tensor", format!("{shape} needs {wanted} values, got {found}"))) }
}
