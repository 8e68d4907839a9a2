use ndarray::{Array1, Array2, ArrayRef2, Axis, Slice};

use super::map::Map;
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
    /// What is recorded at the point whose derivatives were last asked for.
    recorded: Vec<Recorded<B>>,
}

/// f at copies of one point, on a tape.
struct Recorded<B: Backend> {
    point: Array1<f64>,
    copies: usize,
    tape: Tape<B>,
    x: Var,
    y: Var,
}

impl<'a, B: Backend> Network<'a, B> {
    /// The network for inputs of the shape `extents` without the batch, e.g. `[H, W, 3]`. A point is such an input in row-major
    /// order.
    ///
    /// # Errors
    /// An input that does not fit the network.
    pub fn new(backend: &B, parameters: &'a Parameters<B>, extents: &[usize]) -> Result<Self> {
        let own = Self { backend: backend.clone(), parameters, extents: extents.to_vec(), recorded: Vec::new() };
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

    /// f at so many copies of `point`, recorded once for all directions.
    fn recorded(&mut self, point: &Array1<f64>, copies: usize) -> Result<&mut Recorded<B>> {
        self.recorded.retain(|known| known.point == point);
        let place = match self.recorded.iter().position(|known| known.copies == copies) {
            Some(place) => place,
            None => {
                let rows = Array2::from_shape_fn((copies, point.len()), |(_, column)| point[column]);
                let (tape, x, y) = self.record(&rows)?;
                self.recorded.push(Recorded { point: point.clone(), copies, tape, x, y });
                self.recorded.len() - 1
            }
        };
        Ok(&mut self.recorded[place])
    }
}

/// Calls `work` with a few rows at a time and puts the results together.
fn in_parts<T: Real>(rows: &ArrayRef2<f64>, mut work: impl FnMut(&ArrayRef2<f64>) -> Result<Vec<T>>) -> Result<Array2<f64>> {
    let mut values = Vec::with_capacity(rows.len());
    for start in (0..rows.nrows()).step_by(TOGETHER) {
        let end = (start + TOGETHER).min(rows.nrows());
        let part = rows.slice_axis(Axis(0), Slice::from(start..end));
        values.extend(work(&part)?.into_iter().map(|value| value.f64()));
    }
    let n = values.len() / rows.nrows().max(1);
    Array2::from_shape_vec((rows.nrows(), n), values).map_err(|error| Error::shape("network", error))
}

impl<B: Backend> Map for Network<'_, B> {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        in_parts(points, |part| {
            let (tape, _, y) = self.record(part)?;
            tape.host(y)
        })
    }

    fn jvp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        in_parts(directions, |part| {
            let direction = self.tensor(part)?;
            let Recorded { tape, x, y, .. } = self.recorded(x, part.nrows())?;
            let known = tape.len();
            let direction = tape.constant(direction);
            let values = tape.tangent(*y, &[(*x, direction)]).and_then(|tangent| tape.host(tangent));
            tape.truncate(known);
            values
        })
    }

    fn has_jvp(&self) -> bool {
        true
    }

    fn vjp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        let pulled = in_parts(directions, |part| {
            let seed: Vec<B::Elem> = part.iter().map(|&value| B::Elem::of(value)).collect();
            let Recorded { tape, x, y, .. } = self.recorded(x, part.nrows())?;
            tape.backward_from(*y, &seed)?.host(*x)
        })?;
        Ok(Some(pulled))
    }
}
