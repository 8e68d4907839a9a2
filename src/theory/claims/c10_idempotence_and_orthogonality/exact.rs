use ndarray::{Array1, Array2, array};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{blend, complement, gaussian_matrix, norm, orthonormal_basis, projector, square_norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::derivative::central_differences;
use crate::theory::least_squares::LeastSquaresProjector;
use crate::theory::manifold::{CircleProduct, Ellipse, Manifold, Sphere, Torus};
use crate::theory::statistics::larger;

use super::constants::NUMBER;
use crate::theory::claims::wrong_maps;

/// Step of central differences, whose error is about 1e-9 for curvatures of order 1.
const STEP: f64 = 1e-5;
/// Points at which injected faults are measured.
const FAULTY: usize = 5;
/// Semi-axes of the ellipse.
const AXES: [f64; 2] = [2.0, 0.8];

const DIFFERENCES: (f64, &str) = (1e-7, "central differences with step 1e-5 have an error of about 1e-9 times the curvature");
const ROUNDING: (f64, &str) = (1e-9, "algebra of 12 x 12 matrices, exact up to rounding");

/// The largest violations of one map over many points.
#[derive(Default)]
struct Worst {
    /// `‖J² - J‖_F` on D.
    idempotence: f64,
    /// `‖J - Jᵀ‖_F` on D.
    asymmetry: f64,
    /// `|tr J - d|` on D.
    rank: f64,
    /// `‖J(f(y)) J(y) - J(y)‖_F` off D.
    chain: f64,
}

impl Worst {
    /// Adds the violations of `map` at a point of D and at a point off D.
    fn add(
        &mut self,
        manifold: &dyn Manifold,
        stream: &mut Stream,
        map: impl Fn(&Array1<f64>) -> Result<Array1<f64>>,
    ) -> Result<()> {
        let jacobian = |y: &Array1<f64>| central_differences(y, STEP, &map);
        let x = manifold.sample(stream);
        let j = jacobian(&x)?;
        let normal = manifold.normal_basis(&x)?;
        let y = &x + manifold.reach() * (0.6 * stream.uniform_f64() - 0.3) * &normal.column(0);
        let (first, then) = (jacobian(&y)?, jacobian(&map(&y)?)?);
        self.idempotence = larger(self.idempotence, norm(&(j.dot(&j) - &j)));
        self.asymmetry = larger(self.asymmetry, norm(&(&j - &j.t())));
        self.rank = larger(self.rank, (j.diag().sum() - manifold.dimension() as f64).abs());
        self.chain = larger(self.chain, norm(&(then.dot(&first) - &first)));
        Ok(())
    }
}

/// π of curved manifolds; a map onto one of them that is idempotent but not orthogonal; one that is symmetric but not idempotent.
pub(super) fn curved_checks(setting: &Setting) -> Result<Vec<Check>> {
    let mut stream = setting.stream(NUMBER, 0);
    let (sphere, torus, circles) = (Sphere::new(4, 1.5)?, Torus::new(2.0, 0.7)?, CircleProduct::new(&[1.0, 0.6])?);
    let ellipse = Ellipse::new(AXES[0], AXES[1])?;
    let manifolds: [&dyn Manifold; 4] = [&sphere, &torus, &circles, &ellipse];
    let [mut nearest, mut halfway, mut oblique] = [Worst::default(), Worst::default(), Worst::default()];
    for _ in 0..setting.pick(10, 100) {
        for manifold in manifolds {
            nearest.add(manifold, &mut stream, |y| manifold.project_point(y))?;
            halfway.add(manifold, &mut stream, |y| wrong_maps::halfway(manifold, y))?;
        }
        oblique.add(&ellipse, &mut stream, in_another_norm)?;
    }
    let (tolerance, because) = DIFFERENCES;
    let zero = |quantity: &str, part: fn(&Worst) -> f64, measured: f64, fault: Fault| {
        let [own, control] = [fault.subject, fault.control];
        let alone = part(if fault.name == HALFWAY { &halfway } else { &oblique });
        Check::equal(quantity, 0.0, measured, tolerance, because)
            .control(fault.name, alone)
            .notices(format!("the share ε of the control in the subject: {}, ellipse", fault.name), |share| {
                Ok(part(&faulty(setting, &ellipse, |y| Ok(blend(&own(&ellipse, y)?, &control(&ellipse, y)?, share)))?))
            })
    };
    let nearest_point: Map = |ellipse, y| ellipse.project_point(y);
    let half: Map = |ellipse, y| wrong_maps::halfway(ellipse, y);
    let other: Map = |_, y| in_another_norm(y);
    let towards_half = |subject: Map| Fault { subject, control: half, name: HALFWAY };
    let towards_other = |subject: Map| Fault { subject, control: other, name: "nearest in another norm" };
    Ok(vec![
        zero("‖J² - J‖ on D, π of four manifolds", |worst| worst.idempotence, nearest.idempotence, towards_half(nearest_point))?,
        zero("‖J - Jᵀ‖ on D, π of four manifolds", |worst| worst.asymmetry, nearest.asymmetry, towards_other(nearest_point))?,
        zero("‖J² - J‖ on D, nearest in another norm", |worst| worst.idempotence, oblique.idempotence, towards_half(other))?,
        zero("‖J - Jᵀ‖ on D, halfway to π", |worst| worst.asymmetry, halfway.asymmetry, towards_other(half))?,
        another_norm_is_best(setting, &ellipse)?,
        zero(
            "‖J(f(y))J(y) - J(y)‖ off D, idempotent maps",
            |worst| worst.chain,
            larger(nearest.chain, oblique.chain),
            towards_half(nearest_point),
        )?,
        zero(
            "|tr J - d| on D, idempotent maps",
            |worst| worst.rank,
            larger(nearest.rank, oblique.rank),
            towards_half(nearest_point),
        )?,
    ])
}

/// The rival of π in these checks is that of Theorem A: on D the nearest point in the norm `‖A⁻¹·‖` has the Jacobian J_C for C =
/// A².
fn another_norm_is_best(setting: &Setting, ellipse: &Ellipse) -> Result<Check> {
    let (mut stream, moment) = (setting.stream(NUMBER, 11), Array2::from_diag(&array![AXES[0].powi(2), AXES[1].powi(2)]));
    let points: Vec<Array1<f64>> = (0..FAULTY).map(|_| ellipse.sample(&mut stream)).collect();
    let largest = |share: f64| {
        points.iter().try_fold(0.0, |worst, x| {
            let basis = ellipse.tangent_basis(x)?;
            let best = LeastSquaresProjector::new(&basis, &moment)?.matrix();
            let limit = blend(&best, &projector(&basis), share);
            Ok(larger(worst, norm(&(central_differences(x, STEP, in_another_norm)? - limit))))
        })
    };
    let (tolerance, because) = DIFFERENCES;
    Check::equal("‖J - J_C‖ on D, nearest in another norm, C = diag(a², b²)", 0.0, largest(0.0)?, tolerance, because)
        .against("P_T in place of J_C", largest)
}

const HALFWAY: &str = "halfway to π";

/// A map of the plane for an ellipse.
type Map = fn(&Ellipse, &Array1<f64>) -> Result<Array1<f64>>;

/// A map with a share of another one in it.
struct Fault {
    subject: Map,
    control: Map,
    name: &'static str,
}

/// The violations of a map at a few points of the ellipse.
fn faulty(setting: &Setting, ellipse: &Ellipse, map: impl Fn(&Array1<f64>) -> Result<Array1<f64>>) -> Result<Worst> {
    let (mut stream, mut worst) = (setting.stream(NUMBER, 10), Worst::default());
    (0..FAULTY).try_for_each(|_| worst.add(ellipse, &mut stream, &map))?;
    Ok(worst)
}

/// The point of the ellipse nearest to y in the norm `‖A⁻¹·‖`, A = diag(a, b): `A π(A⁻¹y)` with π of the unit circle. It maps
/// onto the ellipse and is idempotent; J is an oblique projector.
fn in_another_norm(y: &Array1<f64>) -> Result<Array1<f64>> {
    let axes = array![AXES[0], AXES[1]];
    Ok(&axes * Sphere::circle(1.0)?.project_point(&(y / &axes))?)
}

/// Linear maps W of R¹² that fix a subspace T of dimension 3: W = P_T + T B Nᵀ + N C Nᵀ.
pub(super) fn linear_checks(setting: &Setting) -> Result<Vec<Check>> {
    let mut stream = setting.stream(NUMBER, 1);
    let (n, d) = (12, 3);
    let mut cases = Vec::new();
    for _ in 0..setting.pick(30, 300) {
        let tangent = orthonormal_basis(&gaussian_matrix(&mut stream, n, d));
        let normal = complement(&tangent);
        let b = 0.5 * gaussian_matrix(&mut stream, d, n - d);
        let c = 0.3 * gaussian_matrix(&mut stream, n - d, n - d);
        let oblique = tangent.dot(&(&tangent.t() + b.dot(&normal.t())));
        let fixing = &oblique + normal.dot(&c).dot(&normal.t());
        let predicted =
            [square_norm(&b.dot(&c)) + square_norm(&(c.dot(&c) - &c)), 2.0 * square_norm(&b) + square_norm(&(&c - &c.t()))];
        cases.push((oblique, fixing, predicted));
    }
    let violations = |w: &Array2<f64>| [square_norm(&(w.dot(w) - w)), square_norm(&(w - &w.t()))];
    // The largest relative errors of J times a factor.
    let blocks = |factor: f64| {
        let off = |(_, fixing, predicted): &(Array2<f64>, Array2<f64>, [f64; 2])| {
            violations(&(factor * fixing)).iter().zip(predicted).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, larger)
        };
        cases.iter().map(off).fold(0.0, larger)
    };
    // The same for W with a share of the block C in it.
    let excess = |share: f64| {
        let off = |(oblique, fixing, _): &(Array2<f64>, Array2<f64>, [f64; 2])| {
            let w = blend(oblique, fixing, share);
            (violations(&w)[1] / (2.0 * (square_norm(&w) - d as f64)) - 1.0).abs()
        };
        cases.iter().map(off).fold(0.0, larger)
    };
    let (tolerance, because) = ROUNDING;
    Ok(vec![
        Check::equal("‖J² - J‖² and ‖J - Jᵀ‖² by blocks B, C, relative", 0.0, blocks(1.0), tolerance, because)
            .control("0.9 J, which does not fix T", blocks(0.9))
            .notices("(1-ε)J, which does not fix T", |size| Ok(blocks(1.0 - size)))?,
        Check::equal("‖W - Wᵀ‖² over 2(‖W‖² - d) less 1, W² = W", 0.0, excess(0.0), tolerance, because)
            .against("W² ≠ W", |share| Ok(excess(share)))?,
    ])
}
