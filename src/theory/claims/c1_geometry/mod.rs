//! **C1, geometry of π.** Let D be of class C² with reach τ, x in D, v normal at x with ‖v‖ < τ, S_v the shape operator
//! (⟨S_v a, b⟩ = ⟨II(a, b), v⟩), φ(y) = max_{z∈D} (⟨y, z⟩ - ½‖z‖²) = ½‖y‖² - ½‖y-π(y)‖². Then
//!
//! ```text
//! π(π(y)) = π(y),  y - π(y) ⟂ T,  π(x+v) = x;
//! Jπ(x+v) = (I - S_v)⁻¹ P_T,  Jπ(x) = P_T,  tr Jπ(x) = d,  ‖Jπ(x+v)‖₂ ≤ τ/(τ-‖v‖),  Jπ symmetric and ⪰ 0;
//! φ is convex, ∇φ = π; so ⟨π(y)-π(y'), y-y'⟩ ≥ 0 for all y, y' of Rⁿ.
//! ```
//!
//! Measured on every manifold of the room, a row the worst of all. Jπ is found by central differences of π; S_v without π's
//! formula, from the turning of the tangent spaces along curves in D, and that in turn is compared with closed forms. Points are
//! up to half of the local reach off D (at most ½ where the reach is infinite). What is not smooth is avoided: samples of the PSD
//! cone have full rank (least eigenvalue 0.1; on its boundary Jπ = P_T is false), those of the Swiss roll and of rendered shapes
//! keep off the edges, and matrices of rank k are measured within their local reach. Convexity and monotony are measured
//! anywhere.
//!
//! Controls: an oblique projector A(BᵀA)⁻¹Bᵀ onto a plane, which is idempotent; the map half-way to a sphere, which fixes it but
//! is not idempotent; P_T in the place of Jπ off a sphere; the opposite sign of S_v.

mod figures;
mod laws;

use std::sync::Arc;

use rayon::prelude::*;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, dot, norm};
use crate::theory::claim::{Claim, Evidence, Row, Setting};
use crate::theory::manifold::{Ellipse, Manifold, Sphere, Torus};
use crate::theory::statistics::{larger, smaller};

use super::rivals;
use super::zoo::{Member, Variant, zoo};
use laws::{Found, LAWS, row, shape_operator, signed};

const NUMBER: u32 = 1;
/// Streams: of the zoo, of the controls, of closed forms, and from here on one for each manifold.
const STREAMS: [u32; 4] = [0, 1, 2, 3];
const OBLIQUE: &str = "oblique projector A(BᵀA)⁻¹Bᵀ onto a plane";
const HALF_WAY: &str = "½(y + π(y)), which is not idempotent";
/// Laws that an oblique projector satisfies, being idempotent; the formula off D has a control of its own.
const IDEMPOTENCE: usize = 0;
const TRACE: usize = 7;
const FORMULA: usize = 8;

/// See the [module](self).
pub struct Geometry;

impl Claim for Geometry {
    fn id(&self) -> &'static str {
        "C1"
    }

    fn title(&self) -> &'static str {
        "Geometry of the nearest point"
    }

    fn statement(&self) -> &'static str {
        "Let D be a closed manifold of class C² with reach τ and π(y) the point of D nearest to y. Within the reach π∘π = π, y \
         - π(y) is normal to D, and π(x+v) = x for normal v. The function φ(y) = max over z in D of ⟨y, z⟩ - ½‖z‖², which is \
         ½‖y‖² - ½‖y-π(y)‖², is convex in all of Rⁿ and π is its gradient, so π is monotone and Jπ is symmetric and positive \
         semidefinite. On D, Jπ(x) = P_T with trace d; off D, Jπ(x+v) = (I - S_v)⁻¹P_T with the shape operator S_v, and its \
         norm is at most τ/(τ-‖v‖). Where D has edges or is singular (rank-deficient matrices of the PSD cone) the derivatives \
         are not claimed. Control: an oblique projector is idempotent, but is not symmetric, has no normal residual and is no \
         gradient; the map half-way to D is not idempotent; P_T and the opposite sign of S_v are not what Jπ is off D."
    }

    fn cost(&self) -> u32 {
        2
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let manifolds = zoo(&mut setting.stream(NUMBER, STREAMS[0]))?;
        let points = setting.pick([3, 1], [12, 3]);
        let one = |(index, member): (u32, &Member)| {
            let points = points[usize::from(member.is_dear)];
            Found::on(&*member.manifold, &mut setting.stream(NUMBER, STREAMS[3] + index), points)
        };
        let indexed: Vec<_> = (0..).zip(&manifolds).collect();
        let found = indexed.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
        let mut rows = with_controls(&found, &mut setting.stream(NUMBER, STREAMS[1]))?;
        rows.push(closed_forms(&mut setting.stream(NUMBER, STREAMS[2]), setting.pick(10, 60))?);
        let names: Vec<&str> = manifolds.iter().map(|member| member.name).collect();
        Ok(Evidence { rows, figures: vec![figures::off_manifold()?, figures::every_manifold(&names, &found)] })
    }
}

/// The laws of C1 measured on any manifold, at `points` random points of it: a row each, without controls. The points are those
/// that [`Manifold::sample`] draws, and D must be smooth around them.
///
/// # Errors
/// The manifold reports one, e.g. because the reach that it claims is too long.
pub fn geometry(manifold: &dyn Manifold, stream: &mut Stream, points: usize) -> Result<Vec<Row>> {
    let found = Found::on(manifold, stream, points)?;
    Ok(LAWS.iter().zip(found.errors).map(|(law, error)| row(law, law.quantity.into(), error)).collect())
}

/// The worst of all manifolds, each law beside its control.
fn with_controls(found: &[Found], stream: &mut Stream) -> Result<Vec<Row>> {
    let oblique = Variant::mapped(Arc::new(rivals::plane()?), Box::new(|y| Ok(rivals::oblique(y))));
    let oblique = Found::on(&oblique, stream, 10)?;
    let sphere: Arc<dyn Manifold> = Arc::new(Sphere::new(3, 1.5)?);
    let flat = Found::on(&*sphere, stream, 10)?.flat;
    let half_way = Found::on(&half_way(sphere), stream, 10)?;
    let worst = found.iter().skip(1).fold(found[0], |worst, next| worst.worse(next));
    let with = |(index, law): (usize, &laws::Law)| {
        let row = row(law, format!("{}, {} manifolds", law.quantity, found.len()), worst.errors[index]);
        match index {
            IDEMPOTENCE | TRACE => row.control(HALF_WAY, signed(law, half_way.errors[index])),
            FORMULA => row.control("P_T in the place of Jπ, sphere", flat),
            _ => row.control(OBLIQUE, signed(law, oblique.errors[index])),
        }
    };
    Ok(LAWS.iter().enumerate().map(with).collect())
}

fn half_way(manifold: Arc<dyn Manifold>) -> Variant {
    let inner = Arc::clone(&manifold);
    Variant::mapped(inner, Box::new(move |y| rivals::half_way(&*manifold, y)))
}

/// The shape operator by differences of tangent spaces against closed forms.
fn closed_forms(stream: &mut Stream, points: usize) -> Result<Row> {
    let (sphere, torus, ellipse) = (Sphere::new(4, 1.3)?, Torus::new(2.0, 0.7)?, Ellipse::new(2.0, 1.2)?);
    let (mut worst, mut opposite) = (0.0_f64, f64::INFINITY);
    for _ in 0..points {
        let mut compare = |manifold: &dyn Manifold, closed: &dyn Fn(&[f64], &[f64]) -> Matrix| -> Result<()> {
            let x = manifold.sample(stream);
            let v = manifold.normal_basis(&x)?.column(0).into_iter().map(|value| 0.4 * value).collect::<Vec<_>>();
            let found = shape_operator(manifold, &x, &v, 1e-5)?;
            let basis = manifold.tangent_basis(&x)?;
            let expected = basis.transposed().times(&closed(&x, &v)).times(&basis);
            worst = larger(worst, found.minus(&expected).frobenius());
            opposite = smaller(opposite, found.add_scaled(1.0, &expected).frobenius());
            Ok(())
        };
        compare(&sphere, &|x, v| Matrix::identity(4).scaled(-dot(x, v) / dot(x, x)))?;
        compare(&torus, &torus_shape)?;
        compare(&ellipse, &ellipse_shape)?;
    }
    let because = "central differences with step 1e-5";
    let row = Row::equal("‖S_v - closed form‖_F, sphere, torus, ellipse", 0.0, worst, 1e-7, because);
    Ok(row.control("the opposite sign of S_v", opposite))
}

/// For v of length t outwards: -t/r around the tube and -t cos ψ / (R + r cos ψ) around the axis, with R = 2, r = 0.7.
fn torus_shape(x: &[f64], v: &[f64]) -> Matrix {
    let rho = x[0].hypot(x[1]);
    let around = [-x[1] / rho, x[0] / rho, 0.0];
    let radial = [x[0] / rho, x[1] / rho, 0.0];
    let outward: Vec<f64> = [x[0] - 2.0 * radial[0], x[1] - 2.0 * radial[1], x[2]].iter().map(|value| value / 0.7).collect();
    let height = dot(&outward, v);
    let (about_axis, about_tube) = (-height * dot(&outward, &radial) / rho, -height / 0.7);
    Matrix::from_fn(3, 3, |i, j| {
        let identity = f64::from(u8::from(i == j));
        about_tube * identity + (about_axis - about_tube) * around[i] * around[j]
    })
}

/// -t a b / (a² sin² + b² cos²)^(3/2) for v of length t outwards, with a = 2, b = 1.2.
fn ellipse_shape(x: &[f64], v: &[f64]) -> Matrix {
    let (a, b) = (2.0_f64, 1.2_f64);
    let (cosine, sine) = (x[0] / a, x[1] / b);
    let curvature = a * b / ((a * sine).powi(2) + (b * cosine).powi(2)).powf(1.5);
    Matrix::identity(2).scaled(-norm(v) * dot(x, v).signum() * curvature)
}
