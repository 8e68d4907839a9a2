//! A small instance of every manifold of the library, with samples away from the points where it is not smooth. C1 and C7 are
//! measured on these.

use std::sync::Arc;

use ndarray::{Array1, Array2};

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, normalised, symmetric_eigen};
use crate::theory::manifold::{
    AffineSubspace, CircleProduct, Ellipse, FixedRank, Gratings, GreyOnRgb, Manifold, PositiveSemidefinite, Rendered, SineCurve,
    Sphere, Stiefel, SwissRoll, Torus,
};

/// Maximum number of samples that are rejected in a row.
const MAX_TRIES: usize = 10_000;
/// First and last angle of the Swiss roll, and the distance that samples keep from them.
const ROLL: [f64; 3] = [4.5, 14.0, 1.0];
/// Smallest eigenvalue of samples of the cone: their distance from the points where it is not smooth.
const MIN_EIGENVALUE: f64 = 0.1;
/// Fraction of the box of positions that samples of rendered shapes keep from its faces.
const BOX_MARGIN: f64 = 0.2;

type Accept = Box<dyn Fn(&Array1<f64>) -> bool + Send + Sync>;
pub(super) type Map = Box<dyn Fn(&Array1<f64>) -> Result<Array1<f64>> + Send + Sync>;

/// A vector of this length, normal to the manifold at x, in a random direction.
pub(super) fn normal_vector(manifold: &dyn Manifold, x: &Array1<f64>, length: f64, stream: &mut Stream) -> Result<Array1<f64>> {
    let normal = manifold.normal_basis(x)?;
    let v = normalised(&normal.dot(&gaussian_vector(stream, normal.ncols())));
    let v = v.ok_or_else(|| Error::argument(format!("{}: no normal direction", manifold.name())))?;
    Ok(length * v)
}

/// A manifold and its short name.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) manifold: Arc<dyn Manifold>,
    /// Whether π is found by a numerical search, which takes a thousand times as long.
    pub(super) is_search: bool,
}

/// One manifold of every kind; random ones are drawn from `stream`.
pub(super) fn all_manifolds(stream: &mut Stream) -> Result<Vec<Member>> {
    let known = closed_forms(stream)?.into_iter().map(|(name, manifold)| Member { name, manifold, is_search: false });
    let shapes = [("disk on 8 x 8", Rendered::disk(8)?), ("bar on 8 x 8", Rendered::bar(8)?)];
    let searched = shapes.map(|(name, shape)| Member { name, manifold: Arc::new(rendered(shape)), is_search: true });
    Ok(known.chain(searched).collect())
}

fn closed_forms(stream: &mut Stream) -> Result<Vec<(&'static str, Arc<dyn Manifold>)>> {
    Ok(vec![
        ("affine subspace", Arc::new(AffineSubspace::random(7, 3, stream)?) as Arc<dyn Manifold>),
        ("circle", Arc::new(Sphere::circle(1.5)?)),
        ("sphere in R⁵", Arc::new(Sphere::new(5, 1.2)?)),
        ("product of circles", Arc::new(CircleProduct::new(&[1.0, 0.7, 1.6])?)),
        ("torus in R³", Arc::new(Torus::new(2.0, 0.7)?)),
        ("ellipse", Arc::new(Ellipse::new(2.0, 1.2)?)),
        ("curve (t, sin t)", Arc::new(SineCurve)),
        ("4 x 2 Stiefel", Arc::new(Stiefel::new(4, 2)?)),
        ("orthogonal 3 x 3", Arc::new(Stiefel::orthogonal_group(3)?)),
        ("4 x 3 of rank 2", Arc::new(FixedRank::new(4, 3, 2)?)),
        ("interior of the cone", Arc::new(cone()?)),
        ("Swiss roll", Arc::new(roll()?)),
        ("one grating, 8 x 8", Arc::new(Gratings::standard(8, 1)?)),
        ("two gratings, 8 x 8", Arc::new(Gratings::standard(8, 2)?)),
        ("grey gratings on RGB", Arc::new(GreyOnRgb::new(Arc::new(Gratings::new(4, 4, &[[1, 1]], 0.5)?)))),
    ])
}

/// Positive definite matrices: at singular ones the cone has no tangent space and π is not differentiable.
fn cone() -> Result<Variant> {
    let accept = |x: &Array1<f64>| {
        let matrix = Array2::from_shape_fn((3, 3), |(row, column)| x[3 * row + column]);
        symmetric_eigen(&matrix).is_ok_and(|eigen| eigen.values[2] > MIN_EIGENVALUE)
    };
    Ok(Variant::within(Arc::new(PositiveSemidefinite::new(3, 3)?), Box::new(accept)))
}

/// The roll without the neighbourhood of its two edges, where D has a boundary.
fn roll() -> Result<Variant> {
    let [from, to, margin] = ROLL;
    let accept = move |x: &Array1<f64>| (from + margin..to - margin).contains(&x[0].hypot(x[2]));
    Ok(Variant::within(Arc::new(SwissRoll::new(1.0, from, to, 2.0)?), Box::new(accept)))
}

/// A rendered shape away from the faces of the box of positions, where D has a boundary.
fn rendered(shape: Rendered) -> Variant {
    let shape = Arc::new(shape);
    let inner = Arc::clone(&shape);
    let accept = move |x: &Array1<f64>| shape.parameters(x).is_ok_and(|place| shape.is_inside(&place, BOX_MARGIN));
    Variant::within(inner, Box::new(accept))
}

/// A manifold with restricted samples, or with another map in place of π.
pub(super) struct Variant {
    inner: Arc<dyn Manifold>,
    accept: Option<Accept>,
    map: Option<Map>,
}

impl Variant {
    /// The manifold with the samples that `accept` accepts.
    pub(super) fn within(inner: Arc<dyn Manifold>, accept: Accept) -> Self {
        Self { inner, accept: Some(accept), map: None }
    }

    /// The manifold with `map` in place of π.
    pub(super) fn mapped(inner: Arc<dyn Manifold>, map: Map) -> Self {
        Self { inner, accept: None, map: Some(map) }
    }
}

impl Manifold for Variant {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn dimensions(&self) -> [usize; 2] {
        self.inner.dimensions()
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        self.map.as_ref().map_or_else(|| self.inner.project_point(y), |map| map(y))
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        self.inner.tangent_basis(x)
    }

    fn reach(&self) -> f64 {
        self.inner.reach()
    }

    fn local_reach(&self, x: &Array1<f64>) -> Result<f64> {
        self.inner.local_reach(x)
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let accepts = |x: &Array1<f64>| self.accept.as_ref().is_none_or(|accept| accept(x));
        let mut x = self.inner.sample(stream);
        for _ in 0..MAX_TRIES {
            if accepts(&x) {
                break;
            }
            x = self.inner.sample(stream);
        }
        x
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        self.inner.normal_basis(x)
    }
}
