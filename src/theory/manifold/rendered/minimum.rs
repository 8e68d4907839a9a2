use ndarray::{Array1, Array2, Axis, Zip};

use crate::error::Result;
use crate::theory::algebra::{largest_size, norm, square_norm, symmetric_eigen};

const MAX_STEPS: usize = 80;
const MAX_HALVINGS: usize = 40;
/// Step of the differences of gradients, relative to the box. The error of the Hessian is its square; that slows the last steps
/// but does not move the minimum.
const DIFFERENCE: f64 = 1e-5;

/// A function on a box, with its gradient.
pub(super) trait Objective {
    /// Value at a point.
    fn value(&self, point: &Array1<f64>) -> f64;
    /// Gradient at a point.
    fn gradient(&self, point: &Array1<f64>) -> Array1<f64>;
}

/// The box of points between `low` and `high`.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) low: Array1<f64>,
    pub(super) high: Array1<f64>,
}

impl Region {
    pub(super) fn lengths(&self) -> Array1<f64> {
        &self.high - &self.low
    }

    fn clamp(&self, point: &mut Array1<f64>) {
        Zip::from(point).and(&self.low).and(&self.high).for_each(|value, &low, &high| *value = value.clamp(low, high));
    }

    /// The axes that are not on a face with the gradient pushing outward.
    fn free_axes(&self, point: &Array1<f64>, gradient: &Array1<f64>) -> Vec<usize> {
        let is_held = |axis: usize| {
            (point[axis] <= self.low[axis] && gradient[axis] > 0.0) || (point[axis] >= self.high[axis] && gradient[axis] < 0.0)
        };
        (0..point.len()).filter(|&axis| !is_held(axis)).collect()
    }

    /// A local minimum of `objective` in the box, by Newton's method from `start`. Uses the absolute values of the Hessian's
    /// eigenvalues, so that every step goes down, and halves steps until they do. Returns the point and the norm of its free
    /// gradient, relative to the box.
    pub(super) fn minimise(&self, objective: &impl Objective, start: &Array1<f64>) -> Result<(Array1<f64>, f64)> {
        let mut point = start.clone();
        let mut value = objective.value(&point);
        for _ in 0..MAX_STEPS {
            let step = self.newton_step(objective, &point)?;
            let Some((next, next_value)) = self.descend(objective, &point, value, &step) else { break };
            let moved = largest_size(&((&next - &point) / self.lengths()));
            (point, value) = (next, next_value);
            if moved < 1e-15 {
                break;
            }
        }
        let gradient = objective.gradient(&point);
        let free = self.free_axes(&point, &gradient);
        let slope = norm(&(gradient * self.lengths()).select(Axis(0), &free));
        Ok((point, slope))
    }

    fn newton_step(&self, objective: &impl Objective, point: &Array1<f64>) -> Result<Array1<f64>> {
        // Relative to the box, so that pixels and radians have equal weight.
        let units = self.lengths();
        let gradient = objective.gradient(point);
        let free = self.free_axes(point, &gradient);
        let moved = |axis: usize, sign: f64| {
            let mut other = point.clone();
            other[axis] += sign * DIFFERENCE * units[axis];
            objective.gradient(&other)
        };
        let mut hessian = Array2::zeros((free.len(), free.len()));
        for (mut row, &axis) in hessian.rows_mut().into_iter().zip(&free) {
            let slope = (moved(axis, 1.0) - moved(axis, -1.0)) * &units / (2.0 * DIFFERENCE);
            row.assign(&slope.select(Axis(0), &free));
        }
        let eigen = symmetric_eigen(&hessian)?;
        let smallest = 1e-6 * largest_size(&eigen.values);
        let inverse = eigen.map(|value| 1.0 / value.abs().max(smallest).max(f64::MIN_POSITIVE));
        let part = inverse.dot(&(-&gradient * &units).select(Axis(0), &free));
        let mut step = Array1::zeros(point.len());
        for (&axis, part) in free.iter().zip(part) {
            step[axis] = part * units[axis];
        }
        Ok(step)
    }

    /// The longest of the halved steps that does not go up except by rounding; None if there is none or nothing moves.
    fn descend(
        &self,
        objective: &impl Objective,
        point: &Array1<f64>,
        value: f64,
        step: &Array1<f64>,
    ) -> Option<(Array1<f64>, f64)> {
        let mut length = 1.0;
        for _ in 0..MAX_HALVINGS {
            let mut next = point + length * step;
            self.clamp(&mut next);
            let next_value = objective.value(&next);
            if next_value <= value * (1.0 + 1e-14) {
                return (square_norm(&(&next - point)) > 0.0).then_some((next, next_value));
            }
            length *= 0.5;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Rosenbrock's function.
    struct Rosenbrock;

    impl Objective for Rosenbrock {
        fn value(&self, p: &Array1<f64>) -> f64 {
            (1.0 - p[0]).powi(2) + 100.0 * (p[1] - p[0] * p[0]).powi(2)
        }

        fn gradient(&self, p: &Array1<f64>) -> Array1<f64> {
            let bend = 200.0 * (p[1] - p[0] * p[0]);
            array![-2.0 * (1.0 - p[0]) - 2.0 * p[0] * bend, bend]
        }
    }

    #[test]
    fn the_minimum_is_found_inside_and_on_a_face() {
        let minimum = |right: f64| {
            let region = Region { low: array![-2.0, -2.0], high: array![right, 2.0] };
            region.minimise(&Rosenbrock, &array![-1.2, 1.0]).unwrap()
        };
        let (point, slope) = minimum(2.0);
        assert!((point[0] - 1.0).abs() < 1e-12 && (point[1] - 1.0).abs() < 1e-12 && slope < 1e-10, "{point} {slope}");
        let (point, slope) = minimum(0.5);
        assert!(point[0] == 0.5 && (point[1] - 0.25).abs() < 1e-12 && slope < 1e-10, "{point} {slope}");
    }
}
