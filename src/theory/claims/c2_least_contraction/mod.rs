//! **C2, least contraction.**
//!
#![doc = include_str!("statement.md")]

use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_matrix, norm, orthonormal_basis, projector, solve, square_norm};
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::derivative::central_differences;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::manifold::{Ellipse, Manifold, Sphere, Torus};
use crate::theory::statistics::{larger, log_log_slope};

use super::wrong_maps::{halfway, radial, tilted};

const NUMBER: u32 = 2;
/// Step of central differences, whose error is about 1e-10 for curvatures of order 1.
const STEP: f64 = 1e-5;
const SHRINKING: &str = "0.9 π, which does not fix D";

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C2", "Least contraction", include_str!("statement.md"), measure).seconds([0.1, 0.1]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let (mut checks, figure) = matrices(&mut setting.stream(NUMBER, 0), setting.pick(200, 2000))?;
    checks.extend(maps(&mut setting.stream(NUMBER, 1), setting.pick(10, 100))?);
    checks.push(first_order(&mut setting.stream(NUMBER, 2))?);
    Ok(Evidence { checks, figures: vec![figure] })
}

/// Idempotent matrices of rank 3 on R¹², from nearly orthogonal to far from it.
fn matrices(stream: &mut Stream, count: usize) -> Result<(Vec<Check>, Figure)> {
    let (n, m) = (12, 3);
    let excess = |w: &Array2<f64>| square_norm(w) - m as f64;
    let asymmetry = |w: &Array2<f64>| 0.5 * square_norm(&(w - &w.t()));
    let identity = |w: &Array2<f64>| (excess(w) - asymmetry(w)).abs() / (1.0 + excess(w));
    let orthogonal = orthogonal_projector(stream, n, m);
    let (mut worst, mut points) = (0.0_f64, Vec::with_capacity(count));
    for _ in 0..count {
        let tilt = 10.0_f64.powf(-4.0 * stream.uniform_f64());
        let a = gaussian_matrix(stream, n, m);
        let oblique = oblique_projector(&a, &(&a + tilt * &gaussian_matrix(stream, n, m)))?;
        worst = larger(worst, identity(&oblique));
        points.push((asymmetry(&oblique), excess(&oblique)));
    }
    let [a, b] = [(); 2].map(|()| gaussian_matrix(stream, n, m));
    let random = oblique_projector(&gaussian_matrix(stream, n, m), &gaussian_matrix(stream, n, m))?;
    let shrunk = 0.9 * &orthogonal;
    let singular = "rounding, magnified by how close BᵀA is to singular";
    let checks = vec![
        Check::equal("‖W‖_F² - m, orthogonal projector", 0.0, excess(&orthogonal), 1e-10, "rounding of n² products")
            .control("a random oblique projector", excess(&random))
            .notices("turned by ε towards an oblique one", |tilt| Ok(excess(&oblique_projector(&a, &(&a + tilt * &b))?)))?,
        Check::equal("‖W‖_F² - m - ½‖W-Wᵀ‖_F² of oblique projectors, relative", 0.0, worst, 1e-9, singular)
            .control("0.9 W, not idempotent", identity(&shrunk))
            .notices("(1-ε) W", |size| Ok(identity(&((1.0 - size) * &random))))?,
    ];
    Ok((checks, figure(points)))
}

fn figure(points: Vec<(f64, f64)>) -> Figure {
    let ends = [1e-10, 1e4].map(|value| (value, value)).to_vec();
    let series = vec![Series::dots("idempotent matrices", points), Series::dashed("equality", ends)];
    Figure {
        stem: "c2_projectors".into(),
        title: "Excess contraction of an idempotent matrix is its asymmetry".into(),
        caption: "Each dot is a random idempotent W of rank m = 3 on R¹², from nearly orthogonal (lower left) to far from it. On the line \
                  ‖W‖_F² = m + ½‖W - Wᵀ‖_F²: only a symmetric W reaches the least norm m."
            .into(),
        content: Content::chart([AxisSpec::log("½‖W - Wᵀ‖_F²"), AxisSpec::log("‖W‖_F² - m")], series),
    }
}

/// `Q Qᵀ` for the span of m random vectors.
fn orthogonal_projector(stream: &mut Stream, n: usize, m: usize) -> Array2<f64> {
    let q = orthonormal_basis(&gaussian_matrix(stream, n, m));
    projector(&q)
}

/// `A (Bᵀ A)⁻¹ Bᵀ`: onto the span of A, along the orthogonal complement of the span of B. Idempotent, but not symmetric.
fn oblique_projector(a: &Array2<f64>, b: &Array2<f64>) -> Result<Array2<f64>> {
    let bt = b.t();
    Ok(a.dot(&solve(&bt.dot(a), &bt)?))
}

/// The terms of the theorem for the Jacobian at one point: the excess `‖J‖_F² - d`, and how far it is from `‖J P_N‖_F²` or
/// `‖J - P_T‖_F²`, whichever is farther.
fn contraction(
    manifold: &dyn Manifold,
    x: &Array1<f64>,
    map: impl Fn(&Array1<f64>) -> Result<Array1<f64>>,
) -> Result<(f64, f64)> {
    let j = central_differences(x, STEP, map)?;
    let basis = manifold.tangent_basis(x)?;
    let square = |matrix: &Array2<f64>| norm(matrix).powi(2);
    let excess = square(&j) - manifold.dimension() as f64;
    let (normal, from_tangent) = (square(&j.dot(&manifold.normal_basis(x)?)), square(&(&j - &projector(&basis))));
    Ok((excess, larger((excess - normal).abs(), (excess - from_tangent).abs())))
}

/// Extremes over the points of one kind of map.
struct Extremes {
    discrepancy: f64,
    largest: f64,
}

impl Extremes {
    fn new() -> Self {
        Self { discrepancy: 0.0, largest: 0.0 }
    }

    fn add(&mut self, (excess, discrepancy): (f64, f64)) {
        self.discrepancy = larger(self.discrepancy, discrepancy);
        self.largest = larger(self.largest, excess.abs());
    }
}

fn maps(stream: &mut Stream, points: usize) -> Result<Vec<Check>> {
    let (sphere, torus, ellipse) = (Sphere::new(5, 1.5)?, Torus::new(2.0, 0.7)?, Ellipse::new(2.0, 0.8)?);
    let manifolds: [&dyn Manifold; 3] = [&sphere, &torus, &ellipse];
    let [mut nearest, mut others, mut shrinking] = [Extremes::new(), Extremes::new(), Extremes::new()];
    for manifold in manifolds {
        let tilt = 0.5 * gaussian_matrix(stream, manifold.ambient(), manifold.ambient());
        for _ in 0..points {
            let x = manifold.sample(stream);
            nearest.add(contraction(manifold, &x, |y| manifold.project_point(y))?);
            others.add(contraction(manifold, &x, |y| tilted(manifold, &tilt, 0, y))?);
            let shrink = |y: &Array1<f64>| Ok(0.9 * manifold.project_point(y)?);
            shrinking.add(contraction(manifold, &x, shrink)?);
        }
    }
    for _ in 0..points {
        others.add(contraction(&sphere, &sphere.sample(stream), |y| halfway(&sphere, y))?);
        others.add(contraction(&ellipse, &ellipse.sample(stream), |y| Ok(radial([2.0, 0.8], y)))?);
    }
    let error = "central differences with step 1e-5 have an error of 1e-10, times the size of J";
    let worst = larger(nearest.discrepancy, others.discrepancy);
    Ok(vec![
        Check::equal("‖J_f‖_F² - d, f = π", 0.0, nearest.largest, 1e-7, error).control("tilted and radial maps", others.largest),
        Check::equal("‖J_f‖_F² - d against ‖J_f P_N‖_F² and ‖J_f - P_T‖_F²", 0.0, worst, 1e-7, error)
            .control(SHRINKING, shrinking.discrepancy)
            .follows("algebra, if J P_T = P_T"),
    ])
}

/// A map with the least penalty differs from π by O(t²) at the distance t; one with a larger penalty by O(t).
fn first_order(stream: &mut Stream) -> Result<Check> {
    let torus = Torus::new(2.0, 0.7)?;
    let tilt = gaussian_matrix(stream, 3, 3);
    let x = torus.sample(stream);
    let normal = torus.normal_basis(&x)?.column(0).to_owned();
    let slope = |order: i32| {
        let difference = |t: f64| -> Result<(f64, f64)> {
            let y = &x + t * &normal;
            Ok((t, norm(&(tilted(&torus, &tilt, order, &y)? - torus.project_point(&y)?))))
        };
        log_log_slope(&[0.04, 0.02, 0.01, 0.005].map(difference).into_iter().collect::<Result<Vec<_>>>()?)
    };
    let because = "terms of the next order, 1 % at these distances";
    let check = Check::equal("slope of ‖f - π‖ in the distance, J_f = P_T on D", 2.0, slope(1)?, 0.1, because);
    Ok(check.control("tilted map, J_f ≠ P_T", slope(0)?))
}
