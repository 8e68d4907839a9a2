use ndarray::{Array1, array};

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::norm;
use crate::theory::claim::{Check, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::manifold::{Ellipse, Manifold, Sphere};
use crate::theory::statistics::log_log_slope;

use super::posterior::{Distribution, Noise};
use super::sphere::{HIGH, NUMBER, point_at};

/// σ for the rates.
const SIGMAS: [f64; 5] = [0.16, 0.113, 0.08, 0.0566, 0.04];
/// S, as its diagonal, in the plane and in space.
const UNEVEN: [f64; 2] = [0.4, 1.6];
const UNEVEN_IN_SPACE: [f64; 3] = [0.4, 1.0, 1.6];

/// Maximum number of random points that are rejected in a row; about one in two to five is accepted.
const MAX_TRIES: usize = 10_000;

const SLOPE: (f64, &str) = (0.05, "the term of order σ⁴ changes the slope by up to 0.02");
const CONSTANT: (f64, &str) = (0.005, "the term of order σ⁴ is a fraction σ²(n-3)/(4‖y‖), at most 0.002 at σ = 0.04");

/// A point y near a distribution of x.
struct Subject {
    name: &'static str,
    distribution: Distribution,
    y: Array1<f64>,
    projection: Array1<f64>,
    /// S of the control; None if the quadrature only works for isotropic noise.
    uneven: Option<&'static [f64]>,
}

impl Subject {
    fn new(
        name: &'static str,
        distribution: Distribution,
        manifold: &dyn Manifold,
        y: Array1<f64>,
        uneven: &'static [f64],
    ) -> Result<Self> {
        let projection = manifold.project_point(&y)?;
        Ok(Self { name, distribution, y, projection, uneven: Some(uneven) })
    }

    /// (σ, ‖E[x|y] - point‖) for noise of covariance σ²S.
    fn distances(&self, s: &[f64], point: &Array1<f64>) -> Vec<(f64, f64)> {
        let distance = |&sigma: &f64| {
            let variances: Vec<f64> = s.iter().map(|part| part * sigma * sigma).collect();
            (sigma, norm(&(&self.distribution.given(&self.y, Noise { variances: &variances }).mean - point)))
        };
        SIGMAS.iter().map(distance).collect()
    }

    /// (σ, ‖E[x|y] - π(y)‖) for noise of covariance σ²I.
    fn to_projection(&self) -> Vec<(f64, f64)> {
        self.distances(&vec![1.0; self.y.len()], &self.projection)
    }
}

/// Rates on every manifold. The control is uneven noise, on the same manifold or on the circle.
pub(super) fn checks(setting: &Setting) -> Result<(Vec<Check>, Figure)> {
    let (subjects, between) = (subjects(setting)?, between_the_axes(setting)?);
    let uneven = between.distances(&UNEVEN, &between.projection);
    let slope_of_uneven = log_log_slope(&uneven)?;
    let (mut checks, mut series, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
    for subject in &subjects {
        let distances = subject.to_projection();
        let slope = log_log_slope(&distances)?;
        let quantity = format!("slope of ‖E[x|y] - π(y)‖ in σ, {}", subject.name);
        let check = Check::equal(quantity, 2.0, slope, SLOPE.0, SLOPE.1);
        checks.push(match subject.uneven {
            Some(s) => check.against("uneven noise", |share| {
                let s: Vec<f64> = s.iter().map(|part| 1.0 + share * (part - 1.0)).collect();
                log_log_slope(&subject.distances(&s, &subject.projection))
            })?,
            None => check.control("uneven noise, circle", slope_of_uneven),
        });
        slopes.push(format!("{} {slope:.3}", subject.name));
        series.push(Series::line(subject.name, distances));
    }
    for (name, n) in [("circle", 2), ("S⁵", HIGH)] {
        checks.extend(subjects.iter().filter(|subject| subject.name == name).map(|subject| constant_check(subject, n, &between)));
    }
    let limit = log_log_slope(&between.distances(&UNEVEN, &nearest_in_norm_of(&UNEVEN, &between.y)?))?;
    let quantity = "slope of ‖E[x|y] - nearest in the norm of S⁻¹‖, noise σ²S, circle";
    checks.push(Check::equal(quantity, 2.0, limit, SLOPE.0, SLOPE.1).control("π(y)", slope_of_uneven));
    slopes.push(format!("uneven noise {slope_of_uneven:.3}"));
    series.push(Series::dashed("uneven noise, circle", uneven));
    Ok((checks, figure(series, &slopes)))
}

/// `‖E[x|y] - π(y)‖ ‖y‖ / (σ² (n-1)/2)` on the unit sphere in Rⁿ, for the smallest σ.
fn constant_check(subject: &Subject, n: usize, between: &Subject) -> Check {
    let ratio = |distances: &[(f64, f64)], y: &Array1<f64>| {
        distances.last().map_or(f64::NAN, |(sigma, distance)| 2.0 * distance * norm(y) / (sigma * sigma * (n as f64 - 1.0)))
    };
    let measured = ratio(&subject.to_projection(), &subject.y);
    let uneven = ratio(&between.distances(&UNEVEN, &between.projection), &between.y);
    let quantity = format!("‖E[x|y] - π(y)‖ over σ²(n-1)/(2‖y‖), {}", subject.name);
    Check::equal(quantity, 1.0, measured, CONSTANT.0, CONSTANT.1).control("uneven noise, circle", uneven)
}

fn subjects(setting: &Setting) -> Result<Vec<Subject>> {
    let mut stream = setting.stream(NUMBER, 1);
    let nodes = setting.pick(120, 200);
    let length = 0.8 + 0.5 * stream.uniform_f64();
    let in_plane = away_from_axes(&mut stream, 2, length)?;
    let in_space = away_from_axes(&mut stream, 3, length)?;
    // Outside the ellipse, where its reach is no limit.
    let outside = away_from_axes(&mut stream, 2, 1.8)?;
    let (a, b) = (1.5, 1.0);
    Ok(vec![
        Subject::new("circle", Distribution::circle(1.0, 4 * nodes), &Sphere::circle(1.0)?, in_plane, &UNEVEN)?,
        Subject::new("S²", Distribution::sphere(1.0, nodes), &Sphere::new(3, 1.0)?, in_space, &UNEVEN_IN_SPACE)?,
        Subject {
            name: "S⁵",
            distribution: Distribution::meridian(1.0, HIGH, 4 * nodes),
            y: array![length, 0.0],
            projection: array![1.0, 0.0],
            uneven: None,
        },
        Subject::new("ellipse", Distribution::ellipse(a, b, 4 * nodes), &Ellipse::new(a, b)?, outside, &UNEVEN)?,
    ])
}

/// A random point at this distance from the centre and away from the axes of S, where both norms have the same nearest point.
fn away_from_axes(stream: &mut Stream, n: usize, length: f64) -> Result<Array1<f64>> {
    let least = 0.35 * length;
    for _ in 0..MAX_TRIES {
        let y = point_at(stream, n, length)?;
        if y.iter().all(|value| value.abs() > least) {
            return Ok(y);
        }
    }
    Err(Error::argument("no random point is away from the axes"))
}

/// A fixed point near the circle.
fn between_the_axes(setting: &Setting) -> Result<Subject> {
    let (sine, cosine) = 0.6_f64.sin_cos();
    let distribution = Distribution::circle(1.0, 4 * setting.pick(120, 200));
    Subject::new("circle", distribution, &Sphere::circle(1.0)?, array![1.2 * cosine, 1.2 * sine], &UNEVEN)
}

/// The point of the unit circle nearest to y in the norm of S⁻¹: in that norm the circle is an ellipse.
fn nearest_in_norm_of(s: &[f64; 2], y: &Array1<f64>) -> Result<Array1<f64>> {
    let s = array![s[0], s[1]];
    let scaled = |v: &Array1<f64>, power: f64| v * s.powf(power);
    let ellipse = Ellipse::new(s[0].powf(-0.5), s[1].powf(-0.5))?;
    Ok(scaled(&ellipse.project_point(&scaled(y, -0.5))?, 0.5))
}

fn figure(series: Vec<Series>, slopes: &[String]) -> Figure {
    Figure {
        stem: "c4_rate".into(),
        title: "Convergence of the optimal denoiser to the orthogonal projection".into(),
        caption: format!(
            "‖E[x|y] - π(y)‖ at one y per manifold. It is of order σ² on every manifold, and constant if the noise is not isotropic. Slopes: {}.",
            slopes.join(", ")
        ),
        content: Content::chart([AxisSpec::log("σ"), AxisSpec::log("‖E[x|y] - π(y)‖")], series),
    }
}
