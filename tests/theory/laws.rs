//! The laws of any manifold, as one function that names each broken law.

use ndarray::{Array1, Array2};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::{gaussian_vector, norm, projector};
use orthoscope::theory::derivative::central_differences;
use orthoscope::theory::manifold::Manifold;

/// Rounding, relative to the size of the numbers.
const ROUNDING: f64 = 1e-9;
/// The error of central differences is step² / reach² plus rounding / step.
const DIFFERENCES: f64 = 1e-5;
/// Fraction of the reach from which a point must return.
const PART: f64 = 0.9;
const RANDOM_POINTS: usize = 10_000;

pub fn stream(seed: u64) -> Stream {
    Stream::new(seed, Purpose::Test, 0, 0)
}

/// A manifold, and properties that its interface does not provide.
pub struct Subject<'a> {
    pub manifold: &'a dyn Manifold,
    /// 0 exactly on D, and of the order of the distance off D: a definition that does not use π.
    pub equation: &'a dyn Fn(&Array1<f64>) -> f64,
    /// Standard deviation of the values of arbitrary points about D; also the longest normal vector where the reach is infinite.
    pub spread: f64,
    /// Whether a point of D is so close to an edge that D has no tangent space or π no derivative there.
    pub is_edge: &'a dyn Fn(&Array1<f64>) -> bool,
    /// Whether D is smooth at its samples. If not, the normals form a cone that is given only by [`Manifold::project_point`].
    pub is_smooth: bool,
}

impl<'a> Subject<'a> {
    pub fn new(manifold: &'a dyn Manifold, spread: f64, equation: &'a dyn Fn(&Array1<f64>) -> f64) -> Self {
        Self { manifold, equation, spread, is_edge: &|_| false, is_smooth: true }
    }

    /// A sample of D that is not at an edge.
    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        loop {
            let x = self.manifold.sample(stream);
            if !(self.is_edge)(&x) {
                return x;
            }
        }
    }

    /// The reach at x, or `spread` where that is shorter.
    fn room(&self, x: &Array1<f64>) -> f64 {
        self.manifold.local_reach(x).unwrap().min(self.spread)
    }

    /// A normal vector at x of random length below `PART` of the reach.
    fn normal_vector(&self, stream: &mut Stream, x: &Array1<f64>) -> Array1<f64> {
        let basis = self.manifold.normal_basis(x).unwrap();
        let mut v = basis.dot(&gaussian_vector(stream, basis.ncols()));
        if !self.is_smooth {
            v = &v - self.manifold.project_point(&v).unwrap();
        }
        let length = PART * stream.uniform_f64() * self.room(x);
        let scale = length / norm(&v);
        scale * v
    }

    /// Any point of the ambient space where π is defined.
    fn anywhere(&self, stream: &mut Stream) -> Array1<f64> {
        loop {
            let noise = gaussian_vector(stream, self.manifold.ambient());
            let y = self.manifold.sample(stream) + self.spread * noise;
            if self.manifold.project_point(&y).is_ok() {
                return y;
            }
        }
    }
}

/// The laws that do not hold, with their numbers.
pub fn broken(subject: &Subject<'_>, stream: &mut Stream) -> Vec<String> {
    let x = subject.sample(stream);
    let near = &x + subject.normal_vector(stream, &x);
    let points = [near, subject.anywhere(stream)];
    let samples: Vec<Array1<f64>> = (0..RANDOM_POINTS).map(|_| subject.manifold.sample(stream)).collect();
    let mut found = Vec::new();
    found.extend(bases(subject, stream, &x));
    found.extend(reach(subject, &x, &samples));
    found.extend(jacobian(subject, &x));
    found.extend(recovery(subject, stream));
    for y in &points {
        found.extend(projection(subject, y));
        found.extend(nearest(subject, stream, y, &samples));
    }
    found
}

/// A message if `error` is above `allowed` or not a number.
fn law(name: &str, error: f64, allowed: f64) -> Option<String> {
    (error.is_nan() || error > allowed).then(|| format!("{name}: {error:e} above {allowed:e}"))
}

fn size(y: &Array1<f64>) -> f64 {
    1.0 + norm(y)
}

/// Frobenius norm of `AᵀB - C`.
fn gram_error(a: &Array2<f64>, b: &Array2<f64>, expected: &Array2<f64>) -> f64 {
    norm(&(a.t().dot(b) - expected))
}

/// Both bases are orthonormal, complete, orthogonal to each other; `project_tangent` is the projector on the first.
fn bases(subject: &Subject<'_>, stream: &mut Stream, x: &Array1<f64>) -> Vec<String> {
    let manifold = subject.manifold;
    let (n, d) = (manifold.ambient(), manifold.dimension());
    let (tangent, normal) = (manifold.tangent_basis(x).unwrap(), manifold.normal_basis(x).unwrap());
    let mut found = Vec::new();
    for (basis, columns) in [(&tangent, d), (&normal, n - d)] {
        if basis.dim() != (n, columns) {
            found.push(format!("dimensions: a basis of {:?} in R^{n}, d = {d}", basis.dim()));
            return found;
        }
        found.extend(law("orthonormal", gram_error(basis, basis, &Array2::eye(columns)), ROUNDING));
    }
    found.extend(law("normal", gram_error(&tangent, &normal, &Array2::zeros((d, n - d))), ROUNDING));
    let v = gaussian_vector(stream, n);
    let expected = tangent.dot(&tangent.t().dot(&v));
    let along = manifold.project_tangent(x, &v).unwrap();
    found.extend(law("tangent projector", norm(&(&along - &expected)), ROUNDING * size(&v)));
    found
}

/// π(y) is on D and a fixed point of π, and the residual is orthogonal to the tangent space.
fn projection(subject: &Subject<'_>, y: &Array1<f64>) -> Vec<String> {
    let manifold = subject.manifold;
    let x = manifold.project_point(y).unwrap();
    let allowed = ROUNDING * size(y);
    let residual = y - &x;
    let again = manifold.project_point(&x).unwrap();
    let mut found = Vec::new();
    found.extend(law("idempotence", norm(&(&again - &x)), allowed));
    found.extend(law("equation", (subject.equation)(&x).abs(), allowed));
    found.extend(law("distance", (manifold.distance(y).unwrap() - norm(&residual)).abs(), allowed));
    if !manifold.contains(&x, allowed) {
        found.push("contains: π(y) is not contained".to_owned());
    }
    if !(subject.is_edge)(&x) {
        let along = manifold.tangent_basis(&x).unwrap().t().dot(&residual);
        found.extend(law("residual", norm(&along), allowed));
    }
    found
}

/// No sample is nearer, nor any point of D in the neighbourhood of π(y).
fn nearest(subject: &Subject<'_>, stream: &mut Stream, y: &Array1<f64>, samples: &[Array1<f64>]) -> Option<String> {
    let manifold = subject.manifold;
    let x = manifold.project_point(y).unwrap();
    let around = (0..100).filter_map(|step| {
        let noise = gaussian_vector(stream, y.len());
        let width = subject.spread * 10.0_f64.powi(-(step % 5));
        manifold.project_point(&(&x + width * noise)).ok()
    });
    let distance = |z: &Array1<f64>| norm(&(y - z));
    let least = around.map(|z| distance(&z)).chain(samples.iter().map(&distance)).fold(f64::INFINITY, f64::min);
    law("nearest", distance(&x) - least, ROUNDING * size(y))
}

/// On D the derivative of π is P_T.
fn jacobian(subject: &Subject<'_>, x: &Array1<f64>) -> Option<String> {
    if !subject.is_smooth {
        return None;
    }
    let step = 1e-4 * subject.room(x);
    let measured = central_differences(x, step, |y| subject.manifold.project_point(y)).unwrap();
    let basis = subject.manifold.tangent_basis(x).unwrap();
    law("jacobian", norm(&(measured - projector(&basis))), DIFFERENCES * size(x))
}

/// `π(x + v) = x` for normal v shorter than the reach.
fn recovery(subject: &Subject<'_>, stream: &mut Stream) -> Option<String> {
    let errors = (0..20).map(|_| {
        let x = subject.sample(stream);
        let y = &x + subject.normal_vector(stream, &x);
        norm(&(subject.manifold.project_point(&y).unwrap() - &x)) / size(&y)
    });
    law("recovery", errors.fold(0.0, f64::max), 10.0 * ROUNDING)
}

/// `dist(q - p, T_p D) ≤ ‖q - p‖² / (2 reach)` for all p and q on D (Federer, *Curvature measures*, 4.8 and 4.18). Samples are on
/// D.
fn reach(subject: &Subject<'_>, p: &Array1<f64>, samples: &[Array1<f64>]) -> Vec<String> {
    let manifold = subject.manifold;
    let mut found = Vec::new();
    let basis = manifold.tangent_basis(p).unwrap();
    let reach = manifold.local_reach(p).unwrap();
    if reach.is_nan() || reach <= 0.0 || reach < manifold.reach() {
        found.push(format!("reach: {reach} at a point, {} everywhere", manifold.reach()));
    }
    let excess = |q: &Array1<f64>| {
        let chord = q - p;
        let away = norm(&(&chord - basis.dot(&basis.t().dot(&chord))));
        (away - chord.dot(&chord) / (2.0 * reach)) / size(q)
    };
    if subject.is_smooth {
        found.extend(law("reach", samples.iter().take(1000).map(excess).fold(f64::NEG_INFINITY, f64::max), ROUNDING));
    }
    let off = samples.iter().map(|q| (subject.equation)(q).abs() / size(q)).fold(0.0, f64::max);
    found.extend(law("samples", off, ROUNDING));
    found
}
