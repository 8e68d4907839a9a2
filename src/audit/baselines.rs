use ndarray::{Array1, Array2, ArrayRef2, Axis, s};

use super::map::Map;
use super::samples::Samples;
use crate::error::{Error, Result};
use crate::theory::algebra::symmetric_eigen;

/// At most so many reference images go into a linear baseline: its cost grows with their cube.
const MOST: usize = 256;
/// Share of the variance that the principal components of the baseline hold.
const VARIANCE: f64 = 0.95;
/// Values this close are equal.
const EQUAL: f64 = 1e-9;
/// Ridge penalties that are tried, as shares of the largest eigenvalue.
const PENALTIES: [f64; 7] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// f(x) = x.
pub struct Identity;

impl Map for Identity {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(points.to_owned())
    }

    fn jvp(&mut self, _: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(directions.to_owned())
    }

    fn has_jvp(&self) -> bool {
        true
    }

    fn vjp(&mut self, _: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        Ok(Some(directions.to_owned()))
    }
}

/// The affine map f(x) = b + L Rᵀ (x - a).
pub struct LowRank {
    /// a `[n]`.
    from: Array1<f64>,
    /// b `[n]`.
    to: Array1<f64>,
    /// L `[n, k]`.
    left: Array2<f64>,
    /// R `[n, k]`.
    right: Array2<f64>,
}

impl LowRank {
    /// The orthogonal projection onto the mean of `points` `[N, n]` and their first principal components: as many as hold 95 % of
    /// the variance.
    ///
    /// # Errors
    /// Fewer than two different points.
    pub fn principal_components(points: &ArrayRef2<f64>) -> Result<Self> {
        let (mean, centred) = centred(points)?;
        let eigen = symmetric_eigen(&centred.dot(&centred.t()))?;
        let total: f64 = eigen.values.iter().filter(|&&value| value > 0.0).sum();
        let mut held = 0.0;
        let needed = eigen.values.iter().position(|value| {
            held += value;
            held >= VARIANCE * total
        });
        let Some(rank) = needed.map(|last| last + 1).filter(|_| total > 0.0) else {
            return Err(Error::argument("principal components need two different images"));
        };
        let scale = eigen.values.slice(s![..rank]).mapv(f64::sqrt);
        let components = centred.t().dot(&eigen.vectors.slice(s![.., ..rank])) / &scale;
        Ok(Self { from: mean.clone(), to: mean, left: components.clone(), right: components })
    }

    /// The affine map that restores `points` from `corrupted`, both `[N, n]`, with least squared error and a ridge penalty,
    /// chosen among seven by leave-one-out.
    ///
    /// # Errors
    /// Fewer than two different points; arrays of different shapes.
    pub fn ridge(points: &ArrayRef2<f64>, corrupted: &ArrayRef2<f64>) -> Result<Self> {
        if points.dim() != corrupted.dim() {
            return Err(Error::shape("ridge", format!("{:?} and {:?} differ", points.dim(), corrupted.dim())));
        }
        let (to, targets) = centred(points)?;
        let (from, inputs) = centred(corrupted)?;
        let eigen = symmetric_eigen(&inputs.dot(&inputs.t()))?;
        let largest = eigen.values.first().copied().unwrap_or(0.0);
        if largest <= 0.0 {
            return Err(Error::argument("a linear baseline needs two different images"));
        }
        let products = targets.dot(&targets.t());
        let inverse = |penalty: f64| eigen.map(|value| 1.0 / (value.max(0.0) + penalty * largest));
        let loss = |penalty: f64| left_out(&inverse(penalty), &products, penalty * largest);
        let best = PENALTIES.into_iter().min_by(|&a, &b| loss(a).total_cmp(&loss(b))).unwrap_or(1.0);
        Ok(Self { from, to, left: targets.t().dot(&inverse(best)), right: inputs.t().to_owned() })
    }

    /// k.
    pub fn rank(&self) -> usize {
        self.left.ncols()
    }
}

/// Sum of the squared errors of each point when it is left out, from (K + γI)⁻¹, K the products of the centred inputs, and the
/// products of the centred targets. The fit of point i is off by γ (K + γI)⁻¹ times the targets; leaving i out divides that by 1
/// - H_ii, with H the matrix that maps targets to fits: H = 1/N + K (K + γI)⁻¹, in which 1/N comes from the mean.
fn left_out(inverse: &Array2<f64>, products: &Array2<f64>, penalty: f64) -> f64 {
    let squared = inverse.dot(products).dot(inverse);
    let mean = 1.0 / inverse.nrows() as f64;
    let share = |own: &f64| penalty * own - mean;
    squared.diag().iter().zip(inverse.diag()).map(|(error, own)| penalty.powi(2) * error / share(own).powi(2)).sum()
}

/// The mean of the rows, and the rows less it; of more than [`MOST`] rows, as many, evenly spread.
fn centred(points: &ArrayRef2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let count = points.nrows().min(MOST);
    let rows: Vec<usize> = (0..count).map(|index| index * points.nrows() / count).collect();
    let points = points.select(Axis(0), &rows);
    let mean = points.mean_axis(Axis(0)).ok_or_else(|| Error::argument("a linear baseline needs reference images"))?;
    let centred = &points - &mean;
    Ok((mean, centred))
}

impl Map for LowRank {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok((points.to_owned() - &self.from).dot(&self.right).dot(&self.left.t()) + &self.to)
    }

    fn jvp(&mut self, _: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(directions.dot(&self.right).dot(&self.left.t()))
    }

    fn has_jvp(&self) -> bool {
        true
    }

    fn vjp(&mut self, _: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        Ok(Some(directions.dot(&self.left).dot(&self.right.t())))
    }
}

/// The average with the weights 1, 2, 1 over rows and columns of an image `[H, W, C]`; the border is repeated. A symmetric map.
pub struct Blur([usize; 3]);

impl Blur {
    /// The blur of images of this height, width and number of channels.
    pub fn new(extents: [usize; 3]) -> Self {
        Self(extents)
    }

    fn blurred(&self, rows: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        let [height, width, channels] = self.0;
        if rows.ncols() != height * width * channels {
            return Err(Error::shape("blur", format!("{:?} does not fit {} values", self.0, rows.ncols())));
        }
        let down = weighted(rows, width * channels, height);
        Ok(weighted(&down, channels, width))
    }
}

/// 1, 2, 1 along an axis of `extent` places that are `stride` values apart.
fn weighted(rows: &ArrayRef2<f64>, stride: usize, extent: usize) -> Array2<f64> {
    Array2::from_shape_fn(rows.dim(), |(row, at)| {
        let place = at / stride % extent;
        let before = if place > 0 { at - stride } else { at };
        let after = if place + 1 < extent { at + stride } else { at };
        0.25 * (rows[[row, before]] + 2.0 * rows[[row, at]] + rows[[row, after]])
    })
}

impl Map for Blur {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.blurred(points)
    }

    fn jvp(&mut self, _: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.blurred(directions)
    }

    fn has_jvp(&self) -> bool {
        true
    }

    fn vjp(&mut self, _: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        self.blurred(directions).map(Some)
    }
}

/// The maps that a card is read beside: identity, principal components, ridge regression from x̂ to x, and for images a blur. The
/// two linear ones are left out if all reference images are equal.
///
/// # Errors
/// None on finite points.
pub fn baselines(samples: &Samples<'_>, extents: Option<[usize; 3]>) -> Result<Vec<(String, Box<dyn Map>)>> {
    let mut all: Vec<(String, Box<dyn Map>)> = vec![("identity".to_owned(), Box::new(Identity))];
    let (_, centred) = centred(&samples.reference)?;
    if centred.iter().any(|difference| difference.abs() > EQUAL) {
        let components = LowRank::principal_components(&samples.reference)?;
        all.push((format!("PCA {}", components.rank()), Box::new(components)));
        all.push(("ridge".to_owned(), Box::new(LowRank::ridge(&samples.reference, &samples.corrupted_reference)?)));
    }
    if let Some(extents) = extents {
        all.push(("blur".to_owned(), Box::new(Blur::new(extents))));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::theory::algebra::{gaussian_matrix, solve, square_norm};

    fn random(index: u32, rows: usize, columns: usize) -> Array2<f64> {
        gaussian_matrix(&mut Stream::new(3, Purpose::Test, 0, index), rows, columns)
    }

    /// Ridge regression of all points but one, on centred data, as a textbook writes it; the squared error at the point left out.
    fn refit_without(index: usize, inputs: &Array2<f64>, targets: &Array2<f64>, penalty: f64) -> f64 {
        let others: Vec<usize> = (0..inputs.nrows()).filter(|&other| other != index).collect();
        let (x, y) = (inputs.select(Axis(0), &others), targets.select(Axis(0), &others));
        let (from, to) = (x.mean_axis(Axis(0)).unwrap(), y.mean_axis(Axis(0)).unwrap());
        let (x, y) = (x - &from, y - &to);
        let matrix = solve(&(x.t().dot(&x) + penalty * Array2::eye(x.ncols())), &x.t().dot(&y)).unwrap();
        square_norm(&(&targets.row(index) - &to - (&inputs.row(index) - &from).dot(&matrix)))
    }

    #[test]
    fn leaving_out_is_refitting() {
        let (inputs, targets) = (random(1, 12, 5) + 3.0, random(2, 12, 4));
        let ((_, x), (_, y)) = (centred(&inputs).unwrap(), centred(&targets).unwrap());
        for penalty in [0.01, 1.0, 30.0] {
            let inverse = symmetric_eigen(&x.dot(&x.t())).unwrap().map(|value| 1.0 / (value.max(0.0) + penalty));
            let found = left_out(&inverse, &y.dot(&y.t()), penalty);
            let wanted: f64 = (0..12).map(|index| refit_without(index, &inputs, &targets, penalty)).sum();
            assert!((found - wanted).abs() < 1e-8 * wanted, "{penalty}: {found} {wanted}");
        }
    }

    #[test]
    fn a_blur_keeps_constants_and_is_symmetric() {
        let mut blur = Blur::new([3, 5, 2]);
        let constant = Array2::from_elem((1, 30), 0.4);
        assert!((blur.apply(&constant).unwrap() - &constant).iter().all(|value| value.abs() < 1e-15));
        let matrix = blur.apply(&Array2::eye(30)).unwrap();
        assert!((&matrix - &matrix.t()).iter().all(|value| value.abs() < 1e-15));
        // The pixel in the middle: weights 1, 2, 1 along both axes.
        assert_eq!(matrix[[14, 14]], 0.25);
        assert_eq!([matrix[[14, 16]], matrix[[14, 4]], matrix[[14, 2]], matrix[[14, 15]]], [0.125, 0.125, 0.0625, 0.0]);
        assert!(blur.apply(&Array2::zeros((1, 29))).is_err());
    }
}
