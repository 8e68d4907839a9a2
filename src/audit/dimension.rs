//! Intrinsic dimension of a set of points, and its tangent spaces.

use ndarray::{Array1, Array2, ArrayRef2, Axis, s};

use super::estimate::{Finding, Quotient};
use crate::error::Result;
use crate::theory::algebra::{orthonormal_basis, square_norm, symmetric_eigen};
use crate::theory::statistics::median;

/// Fewer points give no estimate.
const MIN_POINTS: usize = 20;
/// Least and largest number of neighbours that make a tangent space.
const NEIGHBOURS: (usize, usize) = (8, 64);
/// Share of the squared distances of the neighbours that a tangent space holds.
const SHARE: f64 = 0.95;

/// The dimension by the ratio of the distances to the two nearest neighbours (Facco, d'Errico, Rodriguez, Laio 2017): its logarithm is
/// exponentially distributed with rate d. Undetermined for fewer than 20 points, and where the estimate still grows with the number of points.
pub fn two_nearest(points: &ArrayRef2<f64>, seed: u64) -> Finding {
    let count = points.nrows();
    if count < MIN_POINTS {
        return Finding::undetermined(format!("{count} images; the estimate needs {MIN_POINTS}"));
    }
    let logarithms = logarithms(points);
    let mut rate = Quotient::mean();
    logarithms.iter().for_each(|&logarithm| rate.push(1.0, logarithm));
    let finding = rate.finding(seed);
    let Some(all) = finding.value() else {
        return Finding::undetermined("nearest neighbours at equal distances");
    };
    let of = |logarithms: Vec<f64>| logarithms.len() as f64 / logarithms.iter().sum::<f64>();
    let half = |first: usize| of(self::logarithms(&points.slice(s![first..;2, ..])));
    let halves = 0.5 * (half(0) + half(1));
    // The standard error of either estimate is about d / √N.
    if all - halves > 2.0 * std::f64::consts::SQRT_2 * all / (count as f64).sqrt() {
        return Finding::undetermined(format!(
            "the estimate grows from {halves:.1} with half of the {count} images to {all:.1} with all"
        ));
    }
    finding
}

/// ln(r₂ / r₁) of each point that has no copy.
fn logarithms(points: &ArrayRef2<f64>) -> Vec<f64> {
    let distances = squared_distances(points, points);
    let of = |(index, row): (usize, ndarray::ArrayView1<'_, f64>)| {
        let [mut first, mut second] = [f64::INFINITY; 2];
        for (_, &distance) in row.iter().enumerate().filter(|(other, _)| *other != index) {
            if distance < first {
                (first, second) = (distance, first);
            } else if distance < second {
                second = distance;
            }
        }
        (first > 0.0 && second.is_finite()).then(|| 0.5 * (second / first).ln())
    };
    distances.axis_iter(Axis(0)).enumerate().filter_map(of).collect()
}

/// Squared distances of each row of `a` to each row of `b`.
fn squared_distances(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>) -> Array2<f64> {
    let squares = |points: &ArrayRef2<f64>| points.axis_iter(Axis(0)).map(|row| square_norm(&row)).collect::<Array1<f64>>();
    let (of_a, of_b) = (squares(a), squares(b));
    let mut products = a.dot(&b.t());
    products.indexed_iter_mut().for_each(|((i, j), product)| *product = (of_a[i] + of_b[j] - 2.0 * *product).max(0.0));
    products
}

/// Tangent spaces of a set of points, from the neighbours of each.
pub struct Tangents {
    /// The dimension of each point by local principal components; why there is none.
    pub dimension: Finding,
    /// An orthonormal basis `[n, d]` for each point, all with the same d; empty if the dimension is undetermined.
    pub bases: Vec<Array2<f64>>,
}

impl Tangents {
    /// The tangent spaces at `points` `[m, n]`: the principal directions of the differences to the nearest rows of `reference` `[N, n]`, as many
    /// as hold 95 % of their squares in the median (Fukunaga, Olsen 1971). There are √N neighbours, at least 8 and at most 64. Undetermined if
    /// the directions are more than half of the neighbours: then any points would need as many.
    ///
    /// # Errors
    /// None on finite points.
    pub fn estimate(points: &ArrayRef2<f64>, reference: &ArrayRef2<f64>, seed: u64) -> Result<Self> {
        let none = |why: String| Self { dimension: Finding::undetermined(why), bases: Vec::new() };
        let (least, most) = NEIGHBOURS;
        if reference.nrows() < MIN_POINTS {
            return Ok(none(format!("{} reference images; tangents need {MIN_POINTS}", reference.nrows())));
        }
        let count = ((reference.nrows() as f64).sqrt() as usize).clamp(least, most);
        let distances = squared_distances(points, reference);
        let local = |index: usize| Local::at(&points.row(index).to_owned(), reference, &distances.row(index).to_vec(), count);
        let locals = (0..points.nrows()).map(local).collect::<Result<Vec<_>>>()?;
        let dimensions: Vec<f64> = locals.iter().map(|local| local.dimension as f64).collect();
        let d = median(&dimensions);
        if d > 0.5 * count as f64 {
            return Ok(none(format!("{count} neighbours differ in {d:.0} directions; more images are needed")));
        }
        let mut mean = Quotient::mean();
        dimensions.iter().for_each(|&dimension| mean.push(dimension, 1.0));
        let d = (d.round() as usize).max(1);
        Ok(Self { dimension: mean.finding(seed), bases: locals.into_iter().map(|local| local.basis(d)).collect() })
    }
}

/// The principal directions of the neighbours of a point.
struct Local {
    /// As columns `[n, k]`, the longest first.
    directions: Array2<f64>,
    /// How many hold [`SHARE`].
    dimension: usize,
}

impl Local {
    fn at(x: &Array1<f64>, reference: &ArrayRef2<f64>, distances: &[f64], count: usize) -> Result<Self> {
        // A copy of x says nothing about directions.
        let scale = 1e-9 * square_norm(x).max(f64::MIN_POSITIVE);
        let mut nearest: Vec<usize> = (0..reference.nrows()).filter(|&index| distances[index] > scale).collect();
        nearest.sort_by(|&i, &j| distances[i].total_cmp(&distances[j]));
        nearest.truncate(count);
        let differences = &reference.select(Axis(0), &nearest) - x;
        let eigen = symmetric_eigen(&differences.dot(&differences.t()))?;
        let total: f64 = eigen.values.sum();
        let mut held = 0.0;
        let needed = eigen.values.iter().position(|value| {
            held += value;
            held >= SHARE * total
        });
        Ok(Self { directions: differences.t().dot(&eigen.vectors), dimension: needed.map_or(count, |last| last + 1) })
    }

    fn basis(&self, d: usize) -> Array2<f64> {
        orthonormal_basis(&self.directions.slice(s![.., ..d.min(self.directions.ncols())]))
    }
}
