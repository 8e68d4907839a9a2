//! Images of gratings under blocks and single pixels: the loss is a finite sum over all corruptions.

use ndarray::{Array1, Array2};
use rayon::prelude::*;

use crate::error::Result;
use crate::theory::algebra::{blend, norm, projector, solve, square_norm, svd};
use crate::theory::claim::{Check, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::least_squares::LeastSquaresProjector;
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::statistics::{larger, mean};

use super::constants::NUMBER;

/// Side of the images; that of the small images of the weighted objective.
const SIDES: [usize; 2] = [16, 8];
/// Side of a block; of a block of the small images.
const BLOCKS: [usize; 2] = [5, 3];
const WAVES: [[i32; 2]; 2] = [[1, 2], [3, -1]];
const AMPLITUDE: f64 = 0.25;
/// Standard deviation of white noise with the second moment of the single pixels.
const NOISE: f64 = 0.1;
/// t, so small that only rounding and first order are left: e and -e are both summed.
const OPACITY: f64 = 1e-4;
/// λ of the masked objective.
const LAMBDA: f64 = 0.2;

const FINITE: (f64, &str) = (1e-5, "e and -e cancel the terms of order t, so those of order t² = 1e-8 are left");
const ROUNDING: (f64, &str) = (1e-9, "rounding of an inverse of 256 rows with a condition number of about 1e4");

/// Vectors e with their probabilities; -e is as likely.
struct Corruption {
    atoms: Vec<(Array1<f64>, f64)>,
    /// Number of pixels.
    n: usize,
}

impl Corruption {
    /// Half of the time a block of `block` x `block` pixels is changed by √2, at a uniform place inside the image or, if
    /// `wrapped`, anywhere on the torus; otherwise one pixel. The second moment is that of blocks changed by 1 with white noise.
    fn new([side, block]: [usize; 2], wrapped: bool) -> Self {
        let n = side * side;
        let places = if wrapped { side } else { side - block + 1 };
        let square = |top: usize, left: usize| {
            let inside = |place: usize, from: usize| (place + side - from) % side < block;
            let change = |pixel: usize| inside(pixel / side, top) && inside(pixel % side, left);
            Array1::from_shape_fn(n, |pixel| if change(pixel) { std::f64::consts::SQRT_2 } else { 0.0 })
        };
        let blocks = (0..places * places).map(|place| (square(place / places, place % places), 0.5 / (places * places) as f64));
        let single = NOISE * (2.0 * n as f64).sqrt();
        let pixel = |place: usize| Array1::from_shape_fn(n, |pixel| if pixel == place { single } else { 0.0 });
        let pixels = (0..n).map(|place| (pixel(place), 0.5 / n as f64));
        Self { atoms: blocks.chain(pixels).collect(), n }
    }

    /// `E[w eeᵀ]`.
    fn moment(&self, weight: impl Fn(&Array1<f64>) -> f64) -> Array2<f64> {
        let mut moment = Array2::zeros((self.n, self.n));
        for (e, probability) in &self.atoms {
            let scaled = probability * weight(e) * e;
            for (row, &value) in scaled.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                moment.row_mut(row).scaled_add(value, e);
            }
        }
        moment
    }
}

pub(super) fn checks(setting: &Setting) -> Result<(Vec<Check>, Figure)> {
    let bench = Bench::new()?;
    let mut stream = setting.stream(NUMBER, 3);
    let points: Vec<Array1<f64>> = (0..setting.pick(4, 24)).map(|_| bench.gratings.sample(&mut stream)).collect();
    let least = bench.least(&points)?;
    let over_least = |share: f64| Ok(bench.relative_loss(&points, share, OPACITY)? / least);
    let quantity = "√(E‖f(x+te)-x‖² / (t² E‖e‖²)) over √(E tr R_C / tr C), f of Jacobian J_C";
    let checks = vec![
        Check::equal(quantity, 1.0, over_least(0.0)?, FINITE.0, FINITE.1).against("π, of Jacobian P_T", over_least)?,
        bench.stationary(&points[0])?,
        bench.isotropic(&points[0])?,
        weighted(setting)?,
    ];
    Ok((checks, bench.figure(&points[..1], setting)?))
}

struct Bench {
    gratings: Gratings,
    corruption: Corruption,
    moment: Array2<f64>,
    precision: Array2<f64>,
}

impl Bench {
    fn new() -> Result<Self> {
        let gratings = Gratings::new(SIDES[0], SIDES[0], &WAVES, AMPLITUDE)?;
        let corruption = Corruption::new([SIDES[0], BLOCKS[0]], false);
        let moment = corruption.moment(|_| 1.0);
        let precision = solve(&moment, &Array2::eye(moment.nrows()))?;
        Ok(Self { gratings, corruption, moment, precision })
    }

    /// `f(y) = π(y) + J(y - π(y))` with `J = (1-share) J_C + share P_T` at π(y): it fixes D and has the Jacobian J there.
    fn map(&self, y: &Array1<f64>, share: f64) -> Result<Array1<f64>> {
        let nearest = self.gratings.project_point(y)?;
        if share == 1.0 {
            return Ok(nearest);
        }
        let best = LeastSquaresProjector::from_precision(&self.gratings.tangent_basis(&nearest)?, &self.precision)?;
        Ok(&nearest + (1.0 - share) * best.apply(&(y - &nearest)))
    }

    /// `√(E‖f(x+te)-x‖² / (t² E‖e‖²))` over all e and -e.
    fn relative_loss(&self, points: &[Array1<f64>], share: f64, opacity: f64) -> Result<f64> {
        let of_atom = |x: &Array1<f64>, (e, probability): &(Array1<f64>, f64)| -> Result<f64> {
            let error = |t: f64| Ok(square_norm(&(self.map(&(x + t * e), share)? - x)));
            Ok(0.5 * probability * (error(opacity)? + error(-opacity)?))
        };
        let of_point = |x: &Array1<f64>| {
            let terms = self.corruption.atoms.par_iter().map(|atom| of_atom(x, atom)).collect::<Result<Vec<_>>>()?;
            Ok(terms.iter().sum::<f64>())
        };
        let losses = points.iter().map(of_point).collect::<Result<Vec<f64>>>()?;
        Ok((mean(&losses) / self.moment.diag().sum()).sqrt() / opacity)
    }

    /// `√(E tr R_C / tr C)`.
    fn least(&self, points: &[Array1<f64>]) -> Result<f64> {
        let of_point = |x: &Array1<f64>| {
            Ok(LeastSquaresProjector::from_precision(&self.gratings.tangent_basis(x)?, &self.precision)?.least_error())
        };
        let errors = points.iter().map(of_point).collect::<Result<Vec<f64>>>()?;
        Ok((mean(&errors) / self.moment.diag().sum()).sqrt())
    }

    /// Wrapped blocks: C commutes with cyclic shifts, which leaves T invariant.
    fn stationary(&self, x: &Array1<f64>) -> Result<Check> {
        let wrapped = Corruption::new([SIDES[0], BLOCKS[0]], true).moment(|_| 1.0);
        let basis = self.gratings.tangent_basis(x)?;
        let distance = |share: f64| -> Result<f64> {
            let best = LeastSquaresProjector::new(&basis, &blend(&wrapped, &self.moment, share))?;
            Ok(norm(&(best.matrix() - projector(&basis))))
        };
        Check::equal("‖J_C - P_T‖_F, gratings, blocks with wrapped borders", 0.0, distance(0.0)?, ROUNDING.0, ROUNDING.1)
            .against("blocks inside the image", distance)
    }

    /// The bound on the distance from P_T under isotropic noise, over noise of very different size.
    fn isotropic(&self, x: &Array1<f64>) -> Result<Check> {
        let basis = self.gratings.tangent_basis(x)?;
        let tangent = projector(&basis);
        // P_T C P_N, by its d rows in the basis of T.
        let rows = basis.t().dot(&self.moment);
        let across = svd(&(&rows - &rows.dot(&tangent))).values[0];
        let mut largest = 0.0;
        for power in -2..3 {
            let s = 10.0_f64.powi(power);
            let noisy = &self.moment + s * &Array2::<f64>::eye(tangent.nrows());
            let difference = LeastSquaresProjector::new(&basis, &noisy)?.matrix() - &tangent;
            // Its range is in T.
            largest = larger(largest, svd(&basis.t().dot(&difference)).values[0] * s / across);
        }
        let because = "an inequality, nearly an equality for s well above C; rounding";
        Check::at_most("largest ‖J_(C+sI) - P_T‖₂ s / ‖P_T C P_N‖₂, s = 0.01 … 100", 1.0, largest, 1e-9, because)
            .control("half of the bound", 2.0 * largest)
            .notices("the bound too small by the factor 1-ε", |size| Ok(largest / (1.0 - size)))
    }

    fn figure(&self, points: &[Array1<f64>], setting: &Setting) -> Result<Figure> {
        let least = self.least(points)?;
        let count = setting.pick(7, 13);
        let opacities: Vec<f64> = (0..count).map(|k| 10.0_f64.powf(-3.0 + 3.0 * f64::from(k) / f64::from(count - 1))).collect();
        let curve = |share: f64| {
            let loss = |&t: &f64| Ok((t, self.relative_loss(points, share, t)?));
            opacities.iter().map(loss).collect::<Result<Vec<_>>>()
        };
        let flat = |value: f64| vec![(opacities[0], value), (1.0, value)];
        Ok(Figure {
            stem: "c12_opacity".into(),
            title: "Two smooth maps under blocks of growing opacity".into(),
            caption: "Restoration error at one image of gratings of 16 x 16 pixels, blocks of 5 x 5. The map with the Jacobian J_C on D reaches the least value \
                      of all smooth maps as t → 0; π does not."
                .into(),
            content: Content::chart(
                [AxisSpec::log("opacity t"), AxisSpec::linear("√(E‖f(x+te) - x‖² / (t² E‖e‖²))")],
                vec![
                    Series::line("f of Jacobian J_C", curve(0.0)?),
                    Series::line("π", curve(1.0)?),
                    Series::dashed("√(E tr R_C / tr C)", flat(least)),
                ],
            ),
        })
    }
}

/// The masked objective gives each row of J its own second moment `C_i = E[w_i eeᵀ]`: the weighted loss of the linear map with
/// these rows, summed over all e, over the sum of the least errors.
fn weighted(setting: &Setting) -> Result<Check> {
    let gratings = Gratings::new(SIDES[1], SIDES[1], &WAVES, AMPLITUDE)?;
    let corruption = Corruption::new([SIDES[1], BLOCKS[1]], false);
    let (x, n) = (gratings.sample(&mut setting.stream(NUMBER, 4)), gratings.ambient());
    let basis = gratings.tangent_basis(&x)?;
    let best = |i: usize| LeastSquaresProjector::new(&basis, &corruption.moment(|e| weight(e, i)));
    let rows = (0..n).into_par_iter().map(best).collect::<Result<Vec<_>>>()?;
    let least: f64 = rows.iter().enumerate().map(|(i, row)| row.least_error_of(i)).sum();
    let mut own = Array2::zeros((n, n));
    rows.iter().enumerate().for_each(|(i, row)| own.row_mut(i).assign(&row.matrix().row(i)));
    let plain = LeastSquaresProjector::new(&basis, &corruption.moment(|_| 1.0))?.matrix();
    let loss = |share: f64| {
        let map = blend(&own, &plain, share);
        let of_atom = |(e, probability): &(Array1<f64>, f64)| {
            let moved = map.dot(e);
            probability * (0..n).map(|i| weight(e, i) * moved[i] * moved[i]).sum::<f64>()
        };
        corruption.atoms.iter().map(of_atom).sum::<f64>() / least
    };
    let quantity = "E Σ w_i (j_i e)² over Σ (R_{C_i})_ii, rows j_i of J_C for C_i = E[w_i eeᵀ]";
    Check::equal(quantity, 1.0, loss(0.0), ROUNDING.0, ROUNDING.1)
        .against("J_C of the plain squared error", |share| Ok(loss(share)))
}

/// w_i of the masked objective where e is corrupted on its own support.
fn weight(e: &Array1<f64>, i: usize) -> f64 {
    let (n, size) = (e.len() as f64, e.iter().filter(|value| **value != 0.0).count() as f64);
    if e[i] != 0.0 { LAMBDA / size } else { (1.0 - LAMBDA) / (n - size) }
}
