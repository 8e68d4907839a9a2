use ndarray::{Array1, Array2, ArrayRef2, Axis, Slice};

use super::map::{Map, checked};
use crate::backend::Real;
use crate::error::{Error, Result};
use crate::model::Parameters;
use crate::ops::Backend;
use crate::shape::Shape;
use crate::tape::{Tape, Tensor, Var};

/// Number of images or directions on the tape at a time. More need more memory and are hardly faster.
const TOGETHER: usize = 8;

/// A network of this crate, with exact derivatives from the tape.
pub struct Network<'a, B: Backend> {
    backend: B,
    parameters: &'a Parameters<B>,
    /// Shape of one input.
    extents: Vec<usize>,
}

impl<'a, B: Backend> Network<'a, B> {
    /// The network for inputs of the shape `extents` without the batch, e.g. `[H, W, 3]`. A point is such an input in row-major order.
    ///
    /// # Errors
    /// An input that does not fit the network.
    pub fn new(backend: &B, parameters: &'a Parameters<B>, extents: &[usize]) -> Result<Self> {
        let own = Self { backend: backend.clone(), parameters, extents: extents.to_vec() };
        parameters.architecture().plan(own.shape(1)?)?;
        Ok(own)
    }

    fn shape(&self, count: usize) -> Result<Shape> {
        Shape::new(&[&[count], &self.extents[..]].concat())
    }

    fn tensor(&self, rows: &ArrayRef2<f64>) -> Result<Tensor<B>> {
        let shape = self.shape(rows.nrows())?;
        if shape.len() != rows.len() {
            return Err(Error::shape("network", format!("{shape} needs {} values, got {}", shape.len(), rows.len())));
        }
        Tensor::from_f64(&self.backend, shape, &rows.iter().copied().collect::<Vec<_>>())
    }

    /// f at `rows`, on a tape.
    fn record(&self, rows: &ArrayRef2<f64>) -> Result<(Tape<B>, Var, Var)> {
        let x = self.tensor(rows)?;
        let mut tape = Tape::new(self.backend.clone());
        let bound = self.parameters.bind(&mut tape, false);
        let x = tape.variable(x);
        let y = self.parameters.forward(&mut tape, &bound, x)?;
        Ok((tape, x, y))
    }

    /// Calls `work` with a few rows at a time and puts the results together.
    fn in_parts(
        &self,
        what: &str,
        rows: &ArrayRef2<f64>,
        mut work: impl FnMut(&ArrayRef2<f64>) -> Result<Vec<B::Elem>>,
    ) -> Result<Array2<f64>> {
        let mut values = Vec::with_capacity(rows.len());
        for start in (0..rows.nrows()).step_by(TOGETHER) {
            let end = (start + TOGETHER).min(rows.nrows());
            let part = rows.slice_axis(Axis(0), Slice::from(start..end));
            values.extend(work(&part)?.into_iter().map(|value| value.f64()));
        }
        let n = values.len() / rows.nrows().max(1);
        let values = Array2::from_shape_vec((rows.nrows(), n), values).map_err(|error| Error::shape("network", error))?;
        checked(what, values, rows.dim())
    }
}

/// `x` once for each direction.
fn copies(x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((directions.nrows(), x.len()), |(_, column)| x[column])
}

impl<B: Backend> Map for Network<'_, B> {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.in_parts("f(x)", points, |part| {
            let (tape, _, y) = self.record(part)?;
            tape.host(y)
        })
    }

    fn jvp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.in_parts("J v", directions, |part| {
            let (mut tape, input, y) = self.record(&copies(x, part))?;
            let direction = self.tensor(part)?;
            let direction = tape.constant(direction);
            let tangent = tape.tangent(y, &[(input, direction)])?;
            tape.host(tangent)
        })
    }

    fn vjp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        let pulled = self.in_parts("Jᵀ u", directions, |part| {
            let (tape, input, y) = self.record(&copies(x, part))?;
            let seed: Vec<B::Elem> = part.iter().map(|&value| B::Elem::of(value)).collect();
            tape.backward_from(y, &seed)?.host(input)
        })?;
        Ok(Some(pulled))
    }
}
