//! **C2, least contraction.** If f is C¹ and fixes D pointwise, then on D
//!
//! ```text
//! ‖J_f(x)‖_F² = d + ‖J_f(x) P_N‖_F² = d + ‖J_f(x) - P_T‖_F² ≥ d,   with equality iff J_f(x) = P_T.
//! ```
//!
//! Because f(γ(t)) = γ(t) along every curve in D, J_f P_T = P_T, so J_f = P_T + J_f P_N, and the two parts are orthogonal. So π
//! has the least RCAE penalty among all maps that reproduce D, and f = π + o(distance) for every other minimiser f. For matrices:
//! W² = W of rank m has tr W² = m, therefore
//!
//! ```text
//! ‖W‖_F² = m + ½‖W - Wᵀ‖_F² ≥ m,   with equality iff W = Wᵀ.
//! ```
//!
//! Measured on random oblique projectors A(BᵀA)⁻¹Bᵀ, and by central differences on maps that fix a sphere, a torus, an ellipse:
//! π, π after a tilt that vanishes on D, radial maps. Control: the oblique projectors and tilted maps themselves where equality
//! is claimed; a map that shrinks D where the bound is.

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, dot, norm, orthonormal_basis, solve, sub};
use crate::theory::claim::{Claim, Evidence, Row, Setting};
use crate::theory::derivative::central_differences;
use crate::theory::figure::{AxisSpec, Chart, Content, Figure, Series};
use crate::theory::manifold::{Ellipse, Manifold, Sphere, Torus};
use crate::theory::statistics::{larger, log_log_slope, smaller};

use super::rivals::{half_way, radial, tilted};

const NUMBER: u32 = 2;
/// Of central differences: their error is near 1e-10 for curvatures of order 1.
const STEP: f64 = 1e-5;
const SHRINKING: &str = "0.9 π, which does not fix D";

/// See the [module](self).
pub struct LeastContraction;

impl Claim for LeastContraction {
    fn id(&self) -> &'static str {
        "C2"
    }

    fn title(&self) -> &'static str {
        "Least contraction"
    }

    fn statement(&self) -> &'static str {
        "If f is continuously differentiable and fixes every point of D, then ‖J_f(x)‖_F² = d + ‖J_f(x) P_N‖_F² at x in D, \
         which is at least d, with equality if and only if J_f(x) = P_T. So the nearest-point projection π has the least \
         contraction penalty of all maps that reproduce D, and every other map with that penalty agrees with π to first order. \
         An idempotent matrix W of rank m has ‖W‖_F² = m + ½‖W - Wᵀ‖_F², at least m, with equality if and only if it is \
         symmetric. Control: oblique projectors and maps that tilt the normal direction fail the equality; a map that shrinks D \
         falls below the bound."
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let (mut rows, figure) = matrices(&mut setting.stream(NUMBER, 0), setting.pick(200, 2000))?;
        rows.extend(maps(&mut setting.stream(NUMBER, 1), setting.pick(10, 100))?);
        rows.push(first_order(&mut setting.stream(NUMBER, 2))?);
        Ok(Evidence { rows, figures: vec![figure] })
    }
}

/// Idempotent matrices of rank 3 on R¹², from nearly orthogonal to far from it.
fn matrices(stream: &mut Stream, count: usize) -> Result<(Vec<Row>, Figure)> {
    let (n, m) = (12, 3);
    let excess = |w: &Matrix| dot(w.values(), w.values()) - m as f64;
    let asymmetry = |w: &Matrix| 0.5 * w.minus(&w.transposed()).frobenius().powi(2);
    let identity = |w: &Matrix| (excess(w) - asymmetry(w)).abs() / (1.0 + excess(w));
    let orthogonal = orthogonal_projector(stream, n, m);
    let (mut least, mut worst, mut points) = (f64::INFINITY, 0.0_f64, Vec::with_capacity(count));
    for _ in 0..count {
        let tilt = 10.0_f64.powf(-4.0 * stream.uniform_f64());
        let a = Matrix::normal(stream, n, m);
        let oblique = oblique_projector(&a, &a.add_scaled(tilt, &Matrix::normal(stream, n, m)))?;
        least = smaller(least, excess(&oblique));
        worst = larger(worst, identity(&oblique));
        points.push((asymmetry(&oblique), excess(&oblique)));
    }
    let random = oblique_projector(&Matrix::normal(stream, n, m), &Matrix::normal(stream, n, m))?;
    let shrunk = orthogonal.scaled(0.9);
    let equality = Row::equal("‖W‖_F² - m, orthogonal projector", 0.0, excess(&orthogonal), 1e-10, "rounding of n² products");
    let bound = Row::at_least(
        "least ‖W‖_F² - m of oblique projectors",
        0.0,
        least,
        1e-12,
        "rounding; some are within 10⁻⁴ of an orthogonal one",
    );
    let identity_row = Row::equal(
        "‖W‖_F² - m - ½‖W-Wᵀ‖_F² of oblique projectors, relative",
        0.0,
        worst,
        1e-9,
        "rounding, magnified by how close BᵀA is to singular",
    );
    let rows = vec![
        equality.control("a random oblique projector", excess(&random)),
        bound.control("0.9 W, not idempotent", excess(&shrunk)),
        identity_row.control("0.9 W, not idempotent", identity(&shrunk)),
    ];
    Ok((rows, figure(points)))
}

fn figure(points: Vec<(f64, f64)>) -> Figure {
    let ends = [1e-10, 1e4].map(|value| (value, value)).to_vec();
    Figure {
        stem: "c2_projectors".into(),
        title: "Excess contraction of an idempotent matrix is its asymmetry".into(),
        caption: "Each dot is a random idempotent W of rank m = 3 on R¹², from nearly orthogonal (lower left) to far from it. On the line \
                  ‖W‖_F² = m + ½‖W - Wᵀ‖_F²: only a symmetric W reaches the least norm m."
            .into(),
        content: Content::Chart(Chart {
            x: AxisSpec::log("½‖W - Wᵀ‖_F²"),
            y: AxisSpec::log("‖W‖_F² - m"),
            series: vec![Series::dots("idempotent matrices", points), Series::dashed("equality", ends)],
        }),
    }
}

/// `Q Qᵀ` for the span of m random vectors.
fn orthogonal_projector(stream: &mut Stream, n: usize, m: usize) -> Matrix {
    let q = orthonormal_basis(&Matrix::normal(stream, n, m));
    q.times(&q.transposed())
}

/// `A (Bᵀ A)⁻¹ Bᵀ`: onto the span of A, along the orthogonal complement of the span of B. Idempotent, but not symmetric.
fn oblique_projector(a: &Matrix, b: &Matrix) -> Result<Matrix> {
    let bt = b.transposed();
    let inner = solve(&bt.times(a), &bt).ok_or_else(|| Error::argument("a random oblique projector does not exist"))?;
    Ok(a.times(&inner))
}

/// What the theorem says of the Jacobian at one point.
struct Contraction {
    /// `‖J‖_F² - d`.
    excess: f64,
    /// `‖J P_N‖_F²`.
    normal: f64,
    /// `‖J - P_T‖_F²`.
    from_tangent: f64,
}

impl Contraction {
    fn at(manifold: &dyn Manifold, x: &[f64], map: impl Fn(&[f64]) -> Result<Vec<f64>>) -> Result<Self> {
        let j = central_differences(x, STEP, map)?;
        let basis = manifold.tangent_basis(x)?;
        let square = |matrix: &Matrix| matrix.frobenius().powi(2);
        Ok(Self {
            excess: square(&j) - manifold.dimension() as f64,
            normal: square(&j.times(&manifold.normal_basis(x)?)),
            from_tangent: square(&j.minus(&basis.times(&basis.transposed()))),
        })
    }

    fn discrepancy(&self) -> f64 {
        larger((self.excess - self.normal).abs(), (self.excess - self.from_tangent).abs())
    }
}

/// The largest and least of what was seen of one kind of map.
struct Seen {
    discrepancy: f64,
    least: f64,
    largest: f64,
}

impl Seen {
    fn new() -> Self {
        Self { discrepancy: 0.0, least: f64::INFINITY, largest: 0.0 }
    }

    fn add(&mut self, at: &Contraction) {
        self.discrepancy = larger(self.discrepancy, at.discrepancy());
        self.least = smaller(self.least, at.excess);
        self.largest = larger(self.largest, at.excess.abs());
    }
}

fn maps(stream: &mut Stream, points: usize) -> Result<Vec<Row>> {
    let (sphere, torus, ellipse) = (Sphere::new(5, 1.5)?, Torus::new(2.0, 0.7)?, Ellipse::new(2.0, 0.8)?);
    let manifolds: [&dyn Manifold; 3] = [&sphere, &torus, &ellipse];
    let [mut nearest, mut others, mut shrinking] = [Seen::new(), Seen::new(), Seen::new()];
    for manifold in manifolds {
        let tilt = Matrix::normal(stream, manifold.ambient(), manifold.ambient()).scaled(0.5);
        for _ in 0..points {
            let x = manifold.sample(stream);
            nearest.add(&Contraction::at(manifold, &x, |y| manifold.project_point(y))?);
            others.add(&Contraction::at(manifold, &x, |y| tilted(manifold, &tilt, 0, y))?);
            let shrink = |y: &[f64]| Ok(manifold.project_point(y)?.iter().map(|value| 0.9 * value).collect());
            shrinking.add(&Contraction::at(manifold, &x, shrink)?);
        }
    }
    for _ in 0..points {
        others.add(&Contraction::at(&sphere, &sphere.sample(stream), |y| half_way(&sphere, y))?);
        others.add(&Contraction::at(&ellipse, &ellipse.sample(stream), |y| Ok(radial([2.0, 0.8], y)))?);
    }
    let error = "central differences with the step 1e-5 err by 1e-10, times the size of J";
    let worst = larger(nearest.discrepancy, others.discrepancy);
    Ok(vec![
        Row::equal("‖J_f‖_F² - d, f = π", 0.0, nearest.largest, 1e-7, error).control("tilted and radial maps", others.largest),
        Row::equal("‖J_f‖_F² - d against ‖J_f P_N‖_F² and ‖J_f - P_T‖_F²", 0.0, worst, 1e-7, error)
            .control(SHRINKING, shrinking.discrepancy),
        Row::at_least("least ‖J_f‖_F² - d of all maps", 0.0, smaller(nearest.least, others.least), 1e-7, error)
            .control(SHRINKING, shrinking.least),
    ])
}

/// A map with the least penalty differs from π by O(t²) at the distance t; one with a larger penalty by O(t).
fn first_order(stream: &mut Stream) -> Result<Row> {
    let torus = Torus::new(2.0, 0.7)?;
    let tilt = Matrix::normal(stream, 3, 3);
    let x = torus.sample(stream);
    let normal = torus.normal_basis(&x)?.column(0);
    let slope = |order: i32| {
        let difference = |t: f64| -> Result<(f64, f64)> {
            let y = add_scaled(&x, t, &normal);
            Ok((t, norm(&sub(&tilted(&torus, &tilt, order, &y)?, &torus.project_point(&y)?))))
        };
        log_log_slope(&[0.04, 0.02, 0.01, 0.005].map(difference).into_iter().collect::<Result<Vec<_>>>()?)
    };
    let because = "terms of the next order, 1 % at these distances";
    let row = Row::equal("slope of ‖f - π‖ in the distance, J_f = P_T on D", 2.0, slope(1)?, 0.1, because);
    Ok(row.control("tilted map, J_f ≠ P_T", slope(0)?))
}
