use crate::theory::algebra::{Matrix, add_scaled, dot, norm, symmetric_eigen};

const MOST_STEPS: usize = 80;
const MOST_HALVINGS: usize = 40;
/// Step of the differences of gradients, as a part of the box. Its square is the error of the Hessian, which slows the last
/// steps but does not move the minimum.
const DIFFERENCE: f64 = 1e-5;

/// A function on a box, with its gradient.
pub(super) trait Objective {
    /// The value at a point.
    fn value(&self, point: &[f64]) -> f64;
    /// The gradient at a point.
    fn gradient(&self, point: &[f64]) -> Vec<f64>;
}

/// A local minimum of `objective` over the box from `low` to `high`, by Newton's method from `start`: absolute values of the
/// Hessian's eigenvalues, so that every step goes down; steps halved until they do; a coordinate on a face of the box that
/// the gradient presses outward stays there. Returns the point and the length of its free gradient, in parts of the box.
pub(super) fn minimise(objective: &impl Objective, start: &[f64], low: &[f64], high: &[f64]) -> (Vec<f64>, f64) {
    let mut point = start.to_vec();
    let mut value = objective.value(&point);
    for _ in 0..MOST_STEPS {
        let gradient = objective.gradient(&point);
        let free = free_coordinates(&point, &gradient, low, high);
        let step = newton_step(objective, &point, &gradient, &free, [low, high]);
        let Some((next, next_value)) = descend(objective, &point, value, &step, [low, high]) else { break };
        let moved = (0..point.len()).map(|axis| (next[axis] - point[axis]).abs() / (high[axis] - low[axis])).fold(0.0, f64::max);
        (point, value) = (next, next_value);
        if moved < 1e-15 {
            break;
        }
    }
    let gradient = objective.gradient(&point);
    let free = free_coordinates(&point, &gradient, low, high);
    let pressed: Vec<f64> = free.iter().map(|&axis| gradient[axis] * (high[axis] - low[axis])).collect();
    (point, norm(&pressed))
}

fn free_coordinates(point: &[f64], gradient: &[f64], low: &[f64], high: &[f64]) -> Vec<usize> {
    let held =
        |axis: usize| (point[axis] <= low[axis] && gradient[axis] > 0.0) || (point[axis] >= high[axis] && gradient[axis] < 0.0);
    (0..point.len()).filter(|&axis| !held(axis)).collect()
}

fn newton_step(
    objective: &impl Objective,
    point: &[f64],
    gradient: &[f64],
    free: &[usize],
    [low, high]: [&[f64]; 2],
) -> Vec<f64> {
    // In parts of the box, so that pixels and radians weigh alike.
    let unit = |axis: usize| high[axis] - low[axis];
    let moved = |axis: usize, sign: f64| {
        let mut other = point.to_vec();
        other[axis] += sign * DIFFERENCE * unit(axis);
        objective.gradient(&other)
    };
    let rows: Vec<Vec<f64>> = free
        .iter()
        .map(|&axis| {
            let (above, below) = (moved(axis, 1.0), moved(axis, -1.0));
            free.iter().map(|&other| (above[other] - below[other]) * unit(other) / (2.0 * DIFFERENCE)).collect()
        })
        .collect();
    let eigen = symmetric_eigen(&Matrix::from_fn(free.len(), free.len(), |row, column| rows[row][column]));
    let largest = eigen.values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let down: Vec<f64> = free.iter().map(|&axis| -gradient[axis] * unit(axis)).collect();
    let scaled = eigen.map(|value| 1.0 / value.abs().max(1e-6 * largest).max(f64::MIN_POSITIVE)).apply(&down);
    let mut step = vec![0.0; point.len()];
    for (&axis, part) in free.iter().zip(scaled) {
        step[axis] = part * unit(axis);
    }
    step
}

/// The farthest of the halved steps that does not go up but for rounding; None where none does or nothing moves.
fn descend(
    objective: &impl Objective,
    point: &[f64],
    value: f64,
    step: &[f64],
    [low, high]: [&[f64]; 2],
) -> Option<(Vec<f64>, f64)> {
    let mut length = 1.0;
    for _ in 0..MOST_HALVINGS {
        let mut next = add_scaled(point, length, step);
        for axis in 0..next.len() {
            next[axis] = next[axis].clamp(low[axis], high[axis]);
        }
        let next_value = objective.value(&next);
        if next_value <= value * (1.0 + 1e-14) {
            let moved: Vec<f64> = next.iter().zip(point).map(|(a, b)| a - b).collect();
            return (dot(&moved, &moved) > 0.0).then_some((next, next_value));
        }
        length *= 0.5;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley.
    struct Valley;

    impl Objective for Valley {
        fn value(&self, p: &[f64]) -> f64 {
            (1.0 - p[0]).powi(2) + 100.0 * (p[1] - p[0] * p[0]).powi(2)
        }

        fn gradient(&self, p: &[f64]) -> Vec<f64> {
            let bend = 200.0 * (p[1] - p[0] * p[0]);
            vec![-2.0 * (1.0 - p[0]) - 2.0 * p[0] * bend, bend]
        }
    }

    #[test]
    fn it_finds_the_minimum_inside_and_on_a_face() {
        let (point, slope) = minimise(&Valley, &[-1.2, 1.0], &[-2.0, -2.0], &[2.0, 2.0]);
        assert!((point[0] - 1.0).abs() < 1e-12 && (point[1] - 1.0).abs() < 1e-12 && slope < 1e-10, "{point:?} {slope}");
        let (point, slope) = minimise(&Valley, &[-1.2, 1.0], &[-2.0, -2.0], &[0.5, 2.0]);
        assert!(point[0] == 0.5 && (point[1] - 0.25).abs() < 1e-12 && slope < 1e-10, "{point:?} {slope}");
    }
}
