//! **C1, geometry of the nearest point.**
//!
#![doc = include_str!("statement.md")]

mod figures;
mod laws;

use std::sync::Arc;

use ndarray::{Array1, Array2, array};
use rayon::prelude::*;

use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::{gaussian_matrix, norm, projector};
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::manifold::{Ellipse, Manifold, Sphere, Torus};
use crate::theory::statistics::{larger, smaller};

use super::all_manifolds::{Map, Member, Variant, all_manifolds};
use super::wrong_maps;
use laws::{Found, LAWS, check, shape_operator, signed};

const NUMBER: u32 = 1;
/// Streams: of the random manifolds, of the controls, of closed forms, of injected faults; from the last on, one for each
/// manifold.
const STREAMS: [u32; 5] = [0, 1, 2, 3, 4];
/// Points of the torus at which injected faults are measured.
const FAULTY: usize = 2;
const OBLIQUE: &str = "oblique projector A(BᵀA)⁻¹Bᵀ onto a plane";
const HALFWAY: &str = "½(y + π(y)), which is not idempotent";
/// Laws that an oblique projector satisfies because it is idempotent; the formula off D has its own control.
const IDEMPOTENCE: usize = 0;
const TRACE: usize = 7;
const FORMULA: usize = 8;

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C1", "Geometry of the nearest point", include_str!("statement.md"), measure).seconds([0.8, 3.0]);

/// The shape operator S_v in closed form, of a point x and a normal vector v.
type ClosedForm<'a> = dyn Fn(&Array1<f64>, &Array1<f64>) -> Array2<f64> + 'a;

fn measure(setting: &Setting) -> Result<Evidence> {
    let manifolds = all_manifolds(&mut setting.stream(NUMBER, STREAMS[0]))?;
    let points = setting.pick([3, 1], [12, 3]);
    let one = |(index, member): (u32, &Member)| {
        let points = points[usize::from(member.is_search)];
        Found::on(&*member.manifold, &mut setting.stream(NUMBER, STREAMS[4] + index), points)
    };
    let indexed: Vec<_> = (0..).zip(&manifolds).collect();
    let found = indexed.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let controls = Controls::measure(&mut setting.stream(NUMBER, STREAMS[1]))?;
    let of = |is_search: bool| -> Vec<Found> {
        manifolds.iter().zip(&found).filter(|(member, _)| member.is_search == is_search).map(|(_, found)| *found).collect()
    };
    let (exact, searched) = (of(false), of(true));
    let names = [format!("{} manifolds", exact.len()), "disks and bars".to_owned()];
    let mut checks = controls.beside(&exact, &names[0], false);
    checks = checks.into_iter().enumerate().map(|(law, check)| with_limit(law, check)).collect::<Result<Vec<_>>>()?;
    checks.extend(controls.beside(&searched, &names[1], true));
    checks.push(closed_forms(&mut setting.stream(NUMBER, STREAMS[2]), setting.pick(10, 60))?);
    let names: Vec<&str> = manifolds.iter().map(|member| member.name).collect();
    Ok(Evidence { checks, figures: vec![figures::off_manifold()?, figures::every_manifold(&names, &found)] })
}

/// The laws of C1 measured on any manifold at `points` samples: one check per law, without controls. D must be smooth around the
/// samples. `is_search` says that π is the result of a numerical search, for which the tolerances are larger.
///
/// # Errors
/// Errors of the manifold, e.g. because its stated reach is too large.
pub fn geometry(manifold: &dyn Manifold, stream: &mut Stream, points: usize, is_search: bool) -> Result<Vec<Check>> {
    let found = Found::on(manifold, stream, points)?;
    Ok(LAWS.iter().zip(found.errors).map(|(law, error)| check(law, law.quantity.into(), error, is_search)).collect())
}

/// The errors of the controls.
struct Controls {
    oblique: Found,
    halfway: Found,
    flat: f64,
}

impl Controls {
    fn measure(stream: &mut Stream) -> Result<Self> {
        let oblique = Variant::mapped(Arc::new(wrong_maps::plane()?), Box::new(|y| Ok(wrong_maps::oblique(y))));
        let oblique = Found::on(&oblique, stream, 10)?;
        let sphere: Arc<dyn Manifold> = Arc::new(Sphere::new(3, 1.5)?);
        let flat = Found::on(&*sphere, stream, 10)?.flat;
        Ok(Self { oblique, halfway: Found::on(&halfway(sphere), stream, 10)?, flat })
    }

    /// The worst of some manifolds for each law, with its control.
    fn beside(&self, found: &[Found], names: &str, is_search: bool) -> Vec<Check> {
        let worst = found.iter().skip(1).fold(found[0], |worst, next| worst.worse(next));
        let with = |(index, law): (usize, &laws::Law)| {
            let check = check(law, format!("{}, {names}", law.quantity), worst.errors[index], is_search);
            match index {
                IDEMPOTENCE | TRACE => check.control(HALFWAY, signed(law, self.halfway.errors[index])),
                FORMULA => check.control("P_T in the place of Jπ, sphere", self.flat),
                _ => check.control(OBLIQUE, signed(law, self.oblique.errors[index])),
            }
        };
        LAWS.iter().enumerate().map(with).collect()
    }
}

/// The least fault of π on a torus that the check of a law notices, at the same points for every seed: one that keeps π
/// idempotent and onto D, or, where the law cannot see that, one that scales it.
fn with_limit(law: usize, check: Check) -> Result<Check> {
    let torus: Arc<dyn Manifold> = Arc::new(Torus::new(2.0, 0.7)?);
    let stream = || Stream::new(0, Purpose::Theory, NUMBER, STREAMS[3]);
    let tilt = gaussian_matrix(&mut stream(), 3, 3);
    let error = |map: Map| {
        let found = Found::on(&Variant::mapped(Arc::clone(&torus), map), &mut stream(), FAULTY)?;
        Ok(signed(&LAWS[law], found.errors[law]))
    };
    if matches!(law, IDEMPOTENCE | TRACE) {
        return check.notices("(1+ε)π in place of π, torus", |size| {
            let inner = Arc::clone(&torus);
            error(Box::new(move |y| Ok((1.0 + size) * inner.project_point(y)?)))
        });
    }
    check.notices("π(y + εA(y-π(y))) in place of π, A random, torus", |size| {
        let (inner, tilt) = (Arc::clone(&torus), size * &tilt);
        error(Box::new(move |y| wrong_maps::tilted(&*inner, &tilt, 0, y)))
    })
}

fn halfway(manifold: Arc<dyn Manifold>) -> Variant {
    let inner = Arc::clone(&manifold);
    Variant::mapped(inner, Box::new(move |y| wrong_maps::halfway(&*manifold, y)))
}

/// Compares the shape operator, by differences of tangent spaces, with closed forms.
fn closed_forms(stream: &mut Stream, points: usize) -> Result<Check> {
    let (sphere, torus, ellipse) = (Sphere::new(4, 1.3)?, Torus::new(2.0, 0.7)?, Ellipse::new(2.0, 1.2)?);
    let (mut worst, mut opposite) = (0.0_f64, f64::INFINITY);
    for _ in 0..points {
        let mut compare = |manifold: &dyn Manifold, closed: &ClosedForm<'_>| -> Result<()> {
            let x = manifold.sample(stream);
            let v = 0.4 * &manifold.normal_basis(&x)?.column(0);
            let found = shape_operator(manifold, &x, &v, 1e-5)?;
            let basis = manifold.tangent_basis(&x)?;
            let expected = basis.t().dot(&closed(&x, &v)).dot(&basis);
            worst = larger(worst, norm(&(&found - &expected)));
            opposite = smaller(opposite, norm(&(&found + &expected)));
            Ok(())
        };
        compare(&sphere, &|x, v| -x.dot(v) / x.dot(x) * Array2::eye(4))?;
        compare(&torus, &torus_shape)?;
        compare(&ellipse, &ellipse_shape)?;
    }
    let because = "central differences with step 1e-5";
    let check = Check::equal("‖S_v - closed form‖_F, sphere, torus, ellipse", 0.0, worst, 1e-7, because);
    Ok(check.control("the opposite sign of S_v", opposite))
}

/// For v of length t outwards: -t/r around the tube and -t cos ψ / (R + r cos ψ) around the axis, with R = 2, r = 0.7.
fn torus_shape(x: &Array1<f64>, v: &Array1<f64>) -> Array2<f64> {
    let rho = x[0].hypot(x[1]);
    let around = array![[-x[1] / rho], [x[0] / rho], [0.0]];
    let radial = array![x[0] / rho, x[1] / rho, 0.0];
    let outward = (x - 2.0 * &radial) / 0.7;
    let height = outward.dot(v);
    let (about_axis, about_tube) = (-height * outward.dot(&radial) / rho, -height / 0.7);
    about_tube * Array2::eye(3) + (about_axis - about_tube) * projector(&around)
}

/// -t a b / (a² sin² + b² cos²)^(3/2) for v of length t outwards, with a = 2, b = 1.2.
fn ellipse_shape(x: &Array1<f64>, v: &Array1<f64>) -> Array2<f64> {
    let (a, b) = (2.0_f64, 1.2_f64);
    let (cosine, sine) = (x[0] / a, x[1] / b);
    let curvature = a * b / ((a * sine).powi(2) + (b * cosine).powi(2)).powf(1.5);
    -norm(v) * x.dot(v).signum() * curvature * Array2::eye(2)
}
