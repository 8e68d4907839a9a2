//! Intrinsic dimension of a set of points, and its tangent spaces.

use ndarray::{Array1, Array2, ArrayRef2, Axis, s};

use super::estimate::{Finding, Quotient};
use super::tangent::mean_angle;
use crate::error::Result;
use crate::theory::algebra::{orthonormal_basis, square_norm, symmetric_eigen};

/// Fewer points give no estimate.
const MIN_POINTS: usize = 20;
/// Parts of the points that are compared with all of them.
const QUARTERS: usize = 4;
/// Least and largest number of neighbours that make a tangent space.
const NEIGHBOURS: (usize, usize) = (8, 64);
/// Share of the squared distances of the neighbours that a tangent space holds.
const SHARE: f64 = 0.95;
/// Points whose squared distance is below this share of their squared lengths are copies, up to rounding.
const COPY: f64 = 1e-9;
/// Tangent spaces from all and from half of the neighbours may differ by this mean angle, in degrees.
const MAX_ANGLE: f64 = 10.0;

/// The dimension by the ratio of the distances to the two nearest neighbours (Facco, d'Errico, Rodriguez, Laio 2017): its
/// logarithm is exponentially distributed with rate d. With N Gaussian points it is right within 10 % up to d = log₂ N and too
/// low above, so larger estimates are lower bounds.
///
/// Undetermined for fewer than 20 points, not counting copies; and if quarters of the points, whose neighbours are about twice as
/// far apart for d = 2, give another dimension (their intervals are disjoint): then it depends on the scale, as it does with
/// noise or with the rounding of pixels to 8 bits.
pub fn two_nearest(points: &ArrayRef2<f64>, seed: u64) -> Finding {
    let whole = logarithms(points);
    let count = whole.len();
    if count < MIN_POINTS {
        return Finding::undetermined(format!("{count} different images; the estimate needs {MIN_POINTS}"));
    }
    let finding = rate(&whole, seed);
    let most = (count as f64).log2();
    if let Some(value) = finding.value().filter(|value| *value > most) {
        return finding.at_least(format!("{count} images show dimensions up to about {most:.0}; the estimate is {value:.1}"));
    }
    let quarter = |first: usize| points.select(Axis(0), &(first..points.nrows()).step_by(QUARTERS).collect::<Vec<_>>());
    let apart: Vec<f64> = (0..QUARTERS).flat_map(|first| logarithms(&quarter(first))).collect();
    match (&finding, rate(&apart, seed)) {
        (Finding::Estimate { value, low, high }, Finding::Estimate { value: other, low: least, high: largest })
            if least > *high || largest < *low =>
        {
            let words = format!("all {count} images give {value:.1} dimensions, quarters of them {other:.1}");
            Finding::undetermined(format!("{words}: it depends on the scale, as with noise or 8-bit pixels"))
        }
        _ => finding,
    }
}

/// The rate of exponentially distributed values.
fn rate(logarithms: &[f64], seed: u64) -> Finding {
    let mut rate = Quotient::mean();
    logarithms.iter().for_each(|&logarithm| rate.push(1.0, logarithm));
    rate.finding(seed)
}

/// ln(r₂ / r₁) of each different point. Copies are left out: the two at the same distance would look like many dimensions.
fn logarithms(points: &ArrayRef2<f64>) -> Vec<f64> {
    let distances = squared_distances(points, points);
    let is_first = |index: &usize| (0..*index).all(|earlier| distances[[*index, earlier]] > 0.0);
    let different: Vec<usize> = (0..points.nrows()).filter(is_first).collect();
    let of = |&index: &usize| {
        let [mut first, mut second] = [f64::INFINITY; 2];
        for distance in different.iter().filter(|&&other| other != index).map(|&other| distances[[index, other]]) {
            if distance < first {
                (first, second) = (distance, first);
            } else if distance < second {
                second = distance;
            }
        }
        second.is_finite().then(|| 0.5 * (second / first).ln())
    };
    different.iter().filter_map(of).collect()
}

/// Squared distances of each row of `a` to each row of `b`; 0 between copies.
fn squared_distances(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>) -> Array2<f64> {
    let squares = |points: &ArrayRef2<f64>| points.axis_iter(Axis(0)).map(|row| square_norm(&row)).collect::<Array1<f64>>();
    let (of_a, of_b) = (squares(a), squares(b));
    let mut products = a.dot(&b.t());
    products.indexed_iter_mut().for_each(|((i, j), product)| {
        let both = of_a[i] + of_b[j];
        let distance = both - 2.0 * *product;
        *product = if distance > COPY * both { distance } else { 0.0 };
    });
    products
}

/// Tangent spaces of a set of points, from the neighbours of each.
pub struct Tangents {
    /// Dimension by local principal components, mean over the points; or why there is none.
    pub dimension: Finding,
    /// An orthonormal basis `[n, d]` for each point, d the rounded dimension; empty if that is undetermined.
    pub bases: Vec<Array2<f64>>,
}

impl Tangents {
    /// The tangent spaces at `points` `[m, n]`: the principal directions of the differences to the nearest rows of `reference`
    /// `[N, n]`, as many as hold 95 % of their squares (Fukunaga, Olsen 1971). There are √N neighbours, at least 8 and at most
    /// 64.
    ///
    /// Everything is done with half of the neighbours, too. Undetermined if the dimensions then differ, if the spaces differ by
    /// more than 10 degrees on average, if [`two_nearest`] excludes the dimension, or if it is more than half of the number of
    /// neighbours. Curvature, noise and sparse points all show in one of these.
    ///
    /// # Errors
    /// None on finite points.
    pub fn estimate(points: &ArrayRef2<f64>, reference: &ArrayRef2<f64>, seed: u64) -> Result<Self> {
        let none = |why: String| Ok(Self { dimension: Finding::undetermined(why), bases: Vec::new() });
        let (least, most) = NEIGHBOURS;
        let different = logarithms(reference).len();
        if different < MIN_POINTS {
            return none(format!("{different} different reference images; tangents need {MIN_POINTS}"));
        }
        let count = ((reference.nrows() as f64).sqrt() as usize).clamp(least, most);
        let distances = squared_distances(points, reference);
        let locals = |count: usize| -> Result<Vec<Local>> {
            let local = |index: usize| Local::at(&points.row(index).to_owned(), reference, &distances.row(index).to_vec(), count);
            (0..points.nrows()).map(local).collect()
        };
        let (all, half) = (locals(count)?, locals(count / 2)?);
        let [d, of_half] = [&all, &half].map(|locals| mean_dimension(locals).round() as usize);
        if 2 * d > count {
            return none(format!("{count} neighbours differ in {d} directions; more images are needed"));
        }
        if d != of_half {
            return none(format!("{count} neighbours give {d} directions, half of them {of_half}; more images are needed"));
        }
        if let Some(why) = contradiction(&two_nearest(reference, seed), d) {
            return none(why);
        }
        let [bases, halves] = [all.iter(), half.iter()].map(|locals| locals.map(|local| local.basis(d)).collect::<Vec<_>>());
        let angles = bases.iter().zip(&halves).map(|(basis, half)| mean_angle(basis, half)).sum::<f64>();
        let angle = angles / bases.len().max(1) as f64;
        if angle > MAX_ANGLE {
            let why =
                format!("tangents from {count} neighbours and from half of them differ by {angle:.0}°; more images are needed");
            return none(why);
        }
        let mut mean = Quotient::mean();
        all.iter().for_each(|local| mean.push(local.dimension as f64, 1.0));
        Ok(Self { dimension: mean.finding(seed), bases })
    }
}

/// Why the two nearest neighbours exclude d dimensions, if they do: it is not within their interval, to half a dimension.
fn contradiction(two_nearest: &Finding, d: usize) -> Option<String> {
    let (low, high) = match two_nearest {
        Finding::Estimate { low, high, .. } => (*low, *high),
        Finding::AtLeast { low, .. } => (*low, f64::INFINITY),
        // Which scale it depends on, local components can tell: they hold most of the squared distances.
        Finding::Undetermined(_) => return None,
    };
    let is_within = low - 0.5 <= d as f64 && d as f64 <= high + 0.5;
    (!is_within).then(|| format!("principal components give {d} directions, the two nearest neighbours exclude that"))
}

fn mean_dimension(locals: &[Local]) -> f64 {
    locals.iter().map(|local| local.dimension as f64).sum::<f64>() / locals.len().max(1) as f64
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
        let mut nearest: Vec<usize> = (0..reference.nrows()).filter(|&index| distances[index] > 0.0).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::theory::algebra::gaussian_matrix;

    fn points(count: usize, d: usize) -> Array2<f64> {
        gaussian_matrix(&mut Stream::new(2, Purpose::Test, count as u32, d as u32), count, d)
    }

    #[test]
    fn copies_do_not_change_the_dimension() {
        let mut points = points(200, 3);
        // Far from the origin, where squared distances lose digits.
        points += 10.0;
        let copied = ndarray::concatenate(Axis(0), &[points.view(), points.slice(s![..20, ..])]).unwrap();
        let [Some(before), Some(after)] = [&points, &copied].map(|points| two_nearest(points, 0).value()) else { panic!() };
        assert!((before - 3.0).abs() < 0.7 && (before - after).abs() < 1e-9, "{before} {after}");
    }

    #[test]
    fn many_dimensions_give_a_lower_bound() {
        let found = two_nearest(&points(200, 100), 0);
        let Finding::AtLeast { low, why } = found else { panic!("{found:?}") };
        assert!(low > 8.0 && low < 100.0 && why.contains("200 images show dimensions up to about 8"), "{low} {why}");
        assert!(matches!(two_nearest(&points(19, 2), 0), Finding::Undetermined(_)));
    }
}
