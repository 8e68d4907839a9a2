//! The checks are sharp: a manifold with one wrong method breaks specific laws, and a backend with one fault makes a claim fail.

use ndarray::{Array1, Array2, array, s};
use orthoscope::error::Result;
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::norm;
use orthoscope::theory::claim::{Effort, Evidence, Setting};
use orthoscope::theory::claims::c1_geometry::geometry;
use orthoscope::theory::claims::{c5_contractive, c6_partial_corruption};
use orthoscope::theory::manifold::{AffineSubspace, Gratings, Manifold, Sphere, Torus};

use super::faulty::{Fault, Faulty};
use super::laws::{Subject, broken};

type Map = fn(&dyn Manifold, &Array1<f64>) -> Result<Array1<f64>>;

/// A manifold with some wrong methods.
struct Wrong<'a> {
    inner: &'a dyn Manifold,
    project: Map,
    basis: fn(&dyn Manifold, &Array1<f64>) -> Result<Array2<f64>>,
    reach: f64,
}

impl<'a> Wrong<'a> {
    /// All methods right.
    fn new(inner: &'a dyn Manifold) -> Self {
        Self { inner, project: |m, y| m.project_point(y), basis: |m, x| m.tangent_basis(x), reach: inner.reach() }
    }
}

impl Manifold for Wrong<'_> {
    fn name(&self) -> String {
        format!("wrong {}", self.inner.name())
    }

    fn dimensions(&self) -> [usize; 2] {
        self.inner.dimensions()
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        (self.project)(self.inner, y)
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        (self.basis)(self.inner, x)
    }

    fn reach(&self) -> f64 {
        self.reach
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        self.inner.sample(stream)
    }
}

fn sphere() -> Sphere {
    Sphere::new(3, 2.0).unwrap()
}

/// Names of the laws that a sphere of radius 2 breaks after `change`.
fn laws_broken_by(change: impl Fn(&mut Wrong<'_>)) -> String {
    let sphere = sphere();
    let mut wrong = Wrong::new(&sphere);
    change(&mut wrong);
    let subject = Subject::new(&wrong, 2.0, &|x| norm(x) - 2.0);
    broken(&subject, &mut Stream::new(3, Purpose::Test, 2, 0)).join("; ")
}

#[test]
fn the_wrapper_alone_breaks_nothing() {
    assert_eq!(laws_broken_by(|_| ()), "");
}

#[test]
fn a_projection_that_scales_is_found() {
    let found = laws_broken_by(|wrong| wrong.project = |m, y| Ok(1.001 * m.project_point(y)?));
    for law in ["equation", "recovery", "jacobian"] {
        assert!(found.contains(law), "{law}: {found}");
    }
}

#[test]
fn a_projection_to_the_farthest_point_is_found() {
    let found = laws_broken_by(|wrong| wrong.project = |m, y| Ok(-m.project_point(y)?));
    for law in ["idempotence", "nearest", "recovery", "contains"] {
        assert!(found.contains(law), "{law}: {found}");
    }
}

#[test]
fn a_retraction_that_is_not_the_nearest_point_is_found() {
    // Maps to the sphere and fixes it, but in an oblique direction.
    let found = laws_broken_by(|wrong| {
        wrong.project = |m, y| {
            let excess = norm(y) - 2.0;
            m.project_point(&(y + 0.1 * excess * array![1.0, 0.0, 0.0]))
        }
    });
    for law in ["residual", "nearest", "recovery", "jacobian"] {
        assert!(found.contains(law), "{law}: {found}");
    }
    assert!(!found.contains("idempotence") && !found.contains("equation"), "{found}");
}

#[test]
fn a_wrong_tangent_space_is_found() {
    let found = laws_broken_by(|wrong| wrong.basis = |_, _| Ok(array![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]));
    for law in ["residual", "reach", "jacobian"] {
        assert!(found.contains(law), "{law}: {found}");
    }
    let found = laws_broken_by(|wrong| wrong.basis = |m, x| Ok(1.01 * m.tangent_basis(x)?));
    assert!(found.contains("orthonormal"), "{found}");
    let found = laws_broken_by(|wrong| wrong.basis = |m, x| m.normal_basis(x));
    assert!(found.contains("dimensions"), "{found}");
}

#[test]
fn an_overstated_reach_is_found() {
    let found = laws_broken_by(|wrong| wrong.reach = 2.05);
    assert!(found.starts_with("reach"), "{found}");
    let found = laws_broken_by(|wrong| wrong.reach = -1.0);
    assert!(found.contains("reach: -1"), "{found}");
    // In the torus, 1.3 times the reach is on the other side of the core circle, so points do not return.
    let torus = Torus::new(2.0, 0.5).unwrap();
    let wrong = Wrong { reach: 0.65, ..Wrong::new(&torus) };
    let subject = Subject::new(&wrong, 2.0, &|x| (norm(&x.slice(s![..2])) - 2.0).hypot(x[2]) - 0.5);
    let found = broken(&subject, &mut Stream::new(5, Purpose::Test, 2, 0)).join("; ");
    assert!(found.contains("reach") && found.contains("recovery"), "{found}");
}

#[test]
fn an_oblique_projector_is_found() {
    let mut stream = Stream::new(7, Purpose::Test, 2, 0);
    let plane = AffineSubspace::new(&array![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], &Array1::zeros(3)).unwrap();
    // Along (1, 0, 1) instead of (0, 0, 1).
    let wrong = Wrong { project: |_, y| Ok(array![y[0] - y[2], y[1], 0.0]), ..Wrong::new(&plane) };
    let found = broken(&Subject::new(&wrong, 1.0, &|x| x[2]), &mut stream).join("; ");
    for law in ["residual", "nearest", "jacobian", "recovery"] {
        assert!(found.contains(law), "{law}: {found}");
    }
    assert!(!found.contains("idempotence") && !found.contains("equation"), "{found}");
    assert!(norm(&(wrong.project_point(&array![1.0, 2.0, 3.0]).unwrap() - array![-2.0, 2.0, 0.0])) < 1e-15);
}

fn c6_on(fault: Fault) -> Evidence {
    c6_partial_corruption::measure_on(&Faulty { fault }, &Setting::new(0, Effort::Quick).unwrap()).unwrap()
}

#[test]
fn a_wrong_weight_in_the_objective_makes_c6_fail() {
    let right = c6_on(Fault::None);
    assert!(right.holds(), "{:#?}", right.checks);
    let wrong = c6_on(Fault::ObjectiveWeight);
    let failed: Vec<&str> = wrong.checks.iter().filter(|row| !row.passed()).map(|row| row.quantity.as_str()).collect();
    assert!(!wrong.holds());
    // Exactly the checks whose optimum depends on λ fail; where the region is known or x is determined, λ cancels.
    let weighted = |quantity: &&str| quantity.contains("E[w x|x̂]/E[w|x̂]");
    assert!(failed.len() == 3 && failed.iter().all(weighted), "{failed:#?}");
}

/// Names of the checks of C1 that fail.
fn failing_checks(manifold: &dyn Manifold) -> Vec<String> {
    let rows = geometry(manifold, &mut Stream::new(11, Purpose::Test, 2, 0), 4, false).unwrap();
    rows.into_iter().filter(|row| !row.passed()).map(|row| row.quantity).collect()
}

#[test]
fn a_wrong_projection_makes_c1_fail() {
    let scaled: Map = |m, y| Ok(1.001 * m.project_point(y)?);
    let (torus, gratings) = (Torus::new(2.0, 0.7).unwrap(), Gratings::standard(8, 2).unwrap());
    for manifold in [&sphere() as &dyn Manifold, &torus, &gratings] {
        let right = failing_checks(&Wrong::new(manifold));
        assert!(right.is_empty(), "{}: {right:#?}", manifold.name());
        let wrong = failing_checks(&Wrong { project: scaled, ..Wrong::new(manifold) });
        for law in ["Jπ(x) - P_T", "tr Jπ(x) - d", "π(x+v) - x"] {
            assert!(wrong.iter().any(|row| row.contains(law)), "{}, {law}: {wrong:#?}", manifold.name());
        }
    }
}

#[test]
fn a_wrong_sign_in_a_tangent_makes_c5_fail() {
    let setting = Setting::new(0, Effort::Quick).unwrap();
    let failing = |fault: Fault| -> Vec<String> {
        let rows = c5_contractive::gradient_checks(&Faulty { fault }, &setting).unwrap();
        assert!(rows.iter().all(|row| row.control_rejected() != Some(false)), "{rows:?}");
        rows.into_iter().filter(|row| !row.passed()).map(|row| row.quantity).collect()
    };
    assert_eq!(failing(Fault::None), [""; 0]);
    let found = failing(Fault::TangentSign);
    for quantity in ["gradient of L_γ", "by tangents"] {
        assert!(found.iter().any(|failing| failing.contains(quantity)), "{quantity}: {found:?}");
    }
}
